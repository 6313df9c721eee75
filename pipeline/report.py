"""Write a run or a sweep as one HTML page.

python -m pipeline.report RUN
python -m pipeline.report champion --out champion.html

The page has metrics, curves, weight images, mistakes, settings and provenance. It loads nothing from the network. The
run keeps a copy as artifact report.html.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.atomic import write_text
from pipeline.core.config import Config
from pipeline.core.errors import StoreError, UserError
from pipeline.core.paths import home
from pipeline.core.progress import line
from pipeline.core.text import redact
from pipeline.runs import command_line

ARTIFACT = "report.html"


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "report", '{"run_id", "page", "kept"}')
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page, outputs/reports/ID.html by default")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Write the page, print its path, and keep it in the run."""
    if args.out is not None and args.out.is_dir():
        raise UserError(f"--out {args.out} is a folder: name a file")
    # MLflow takes seconds to import: only now that the command line is valid.
    from pipeline.reporting import page, single, sweep
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.stored_run import StoredRun

    lookup = Lookup(config)
    run = StoredRun(lookup, lookup.run(args.run))
    out = args.out or home() / "outputs" / "reports" / f"{run.id[:8]}.html"
    with TemporaryDirectory(prefix="report-") as folder:
        content = sweep.read(run, Path(folder)) if run.is_sweep else single.read(run, Path(folder))
        html = page.render(content, datetime.now(UTC).astimezone())
    try:
        write_text(out, html)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): choose another --out") from error
    shown = os.path.relpath(out)
    if not args.json:
        sys.stdout.write(f"{shown}\n")
    kept = True
    try:
        run.log_text(html, ARTIFACT)
    except StoreError as error:
        kept = False
        sys.stderr.write(f"warning: {ARTIFACT} cannot be logged to run {run.id}: {redact(error.reason)}\n")
    if args.json:
        command_line.print_json({"run_id": run.id, "page": shown, "kept": kept}, args.json)
    else:
        line("next: open the page in a browser")
    return 0


if __name__ == "__main__":
    command_line.run_command(main, arguments())
