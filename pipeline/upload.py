"""Write runs into MLflow that their training could not write, as the server was away.

python -m pipeline.upload FOLDER

FOLDER is a run's output folder, as models, or a sweep's folder with those of its jobs. What MLflow has not got of a run
is kept there, in `unwritten`, which goes when the run is written. It is written into the store that it was meant for,
unless MLFLOW_TRACKING_URI or -S tracking=... names another one.
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


def main(given: argparse.Namespace, config: Config) -> int:
    """Write what is left, and tell of each run that it is written."""
    if not given.folder.is_dir():
        raise UserError(f"{given.folder} is no folder: name a run's output folder, as models, or a sweep's")
    # MLflow takes seconds to import: only now that the command line is known to be sound.
    from pipeline.runs.upload import upload

    chosen = any(word.startswith("tracking") for word in given.set)
    found = []
    for run in upload(given.folder, config.tracking, chosen=chosen):
        found.append(run)
        sys.stdout.write(f"run {run.run_id} is written to {run.told}, {run.status}: {os.path.relpath(run.folder)}\n")
        sys.stdout.flush()
    if not found:
        sys.stdout.write(f"nothing is left to be written in {given.folder}\n")
    if any(run.parent for run in found):
        sys.stdout.write("the sweep's command, typed again, trains none of them again and writes the leaderboard\n")
    return 0


if __name__ == "__main__":
    command_line.run(main, arguments())
