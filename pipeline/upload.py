"""Upload runs that MLflow did not take during training.

python -m pipeline.upload FOLDER

FOLDER is a run's output folder, such as models, or a sweep's folder with those of its jobs. What MLflow lacks of a run
is kept there in `unwritten`, which is deleted after the upload. The run goes to the store that it was meant for, unless
MLFLOW_TRACKING_URI or -S tracking=... names another one.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.progress import line, next_step
from pipeline.core.text import redact
from pipeline.runs import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runs.upload import Failure, Uploaded


def arguments() -> command_line.Parser:
    """The command line."""
    document = '{"uploaded": [{"run_id", "status", "folder", ...}, ...], "failed": [{"folder", "reason"}, ...]}'
    parser = command_line.Parser(__doc__ or "", "upload", document)
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a run's output folder, or a sweep's")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Upload the runs, and print a line for each."""
    if not args.folder.is_dir():
        raise UserError(f"{args.folder} is no folder: name a run's output folder, such as models, or a sweep's")
    # MLflow takes seconds to import: only now that the command line is valid.
    from pipeline.runs.upload import NotUploaded, upload

    chosen = any(override.startswith("tracking") for override in args.set)
    uploaded = []
    try:
        for run in upload(args.folder, config.tracking, chosen=chosen):
            uploaded.append(run)
            folder = os.path.relpath(run.folder)
            sys.stdout.write(f"run {run.run_id} is uploaded to {run.display_uri}, {run.status}: {folder}\n")
            sys.stdout.flush()
    except NotUploaded as error:
        if args.json:
            command_line.print_json(_document(uploaded, error.failures), args.json)
        raise
    if not uploaded:
        sys.stdout.write(f"nothing is left to be written in {args.folder}\n")
    if any(run.parent for run in uploaded):
        sys.stdout.write("next: the sweep's command, which trains none of them again and writes the leaderboard\n")
    elif uploaded and not args.json:
        _suggest_ui(uploaded[-1].display_uri)
    if args.json:
        command_line.print_json(_document(uploaded, []), args.json)
    return 0


def _suggest_ui(uri: str) -> None:
    if uri.startswith(("http://", "https://")):
        line(f"next: open {uri} in a browser")
    else:
        next_step("python -m pipeline.ui", ["-S", f"tracking.uri={uri}"])


def _document(uploaded: "Sequence[Uploaded]", failures: "Sequence[Failure]") -> dict[str, Any]:
    runs = [
        {
            "run_id": run.run_id,
            "status": run.status,
            "folder": os.path.relpath(run.folder),
            "store": run.display_uri,
            "parent_run_id": run.parent or None,
        }
        for run in uploaded
    ]
    failed = [{"folder": os.path.relpath(failure.folder), "reason": redact(failure.reason)} for failure in failures]
    return {"uploaded": runs, "failed": failed}


if __name__ == "__main__":
    command_line.run_command(main, arguments())
