"""Upload runs to MLflow that could not be uploaded during training, because the server was away.

python -m pipeline.upload FOLDER

FOLDER is a run's output folder, such as models, or a sweep's folder with those of its jobs. What MLflow lacks of a run
is kept there in `unwritten`, which is deleted after the upload. The run goes to the store that it was meant for, unless
MLFLOW_TRACKING_URI or -S tracking=... names another one.
"""

import argparse
import os
import sys
from pathlib import Path

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.runs import command_line


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "upload")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="a run's output folder, or a sweep's")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Upload the runs, and print a line for each."""
    if not args.folder.is_dir():
        raise UserError(f"{args.folder} is no folder: name a run's output folder, as models, or a sweep's")
    # MLflow takes seconds to import: only now that the command line is valid.
    from pipeline.runs.upload import upload

    chosen = any(override.startswith("tracking") for override in args.set)
    uploaded = []
    for run in upload(args.folder, config.tracking, chosen=chosen):
        uploaded.append(run)
        folder = os.path.relpath(run.folder)
        sys.stdout.write(f"run {run.run_id} is uploaded to {run.display_uri}, {run.status}: {folder}\n")
        sys.stdout.flush()
    if not uploaded:
        sys.stdout.write(f"nothing is left to be written in {args.folder}\n")
    if any(run.parent for run in uploaded):
        sys.stdout.write("the sweep's command, typed again, trains none of them again and writes the leaderboard\n")
    return 0


if __name__ == "__main__":
    command_line.run_command(main, arguments())
