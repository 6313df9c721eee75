"""Write a run, or a sweep, as one HTML page: figures, curves, weight images, mistakes, settings and where it came from.

python -m pipeline.report RUN
python -m pipeline.report champion --out champion.html

The page has everything in it and asks nothing of the network. It is kept in the run too, as artifact report.html.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.atomic import write_text
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.paths import home
from pipeline.core.text import redact
from pipeline.runs import command_line

ARTIFACT = "report.html"


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "report")
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page; outputs/reports/ID.html unless given")
    return parser


def main(given: argparse.Namespace, config: Config) -> int:
    """Write the page, print where it is, and keep it in the run."""
    if given.out is not None and given.out.is_dir():
        raise UserError(f"--out {given.out} is a folder: name a file")
    # MLflow takes seconds to import: only now that the command line is known to be sound.
    from pipeline.reporting import page, single, sweep
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.stored_run import Account

    lookup = Lookup(config)
    account = Account(lookup, lookup.run(given.run))
    out = given.out or home() / "outputs" / "reports" / f"{account.id[:8]}.html"
    with TemporaryDirectory(prefix="report-") as folder:
        read = sweep.read if account.is_sweep else single.read
        html = page.render(read(account, Path(folder)), datetime.now(UTC).astimezone())
    try:
        write_text(out, html)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): choose another --out") from error
    sys.stdout.write(f"{os.path.relpath(out)}\n")
    try:
        account.keep(html, ARTIFACT)
    except UserError as error:
        sys.stderr.write(f"warning: {redact(str(error))}\n")
    return 0


if __name__ == "__main__":
    command_line.run(main, arguments())
