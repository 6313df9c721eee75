"""Do a run again from what it tells of itself, in a temporary worktree, and say whether the same comes out.

python -m pipeline.reproduce RUN

Commit, uncommitted changes, settings and data are the run's; the installed packages are those of now. Exit code 1 says
that another model came out.
"""

import argparse
from typing import TYPE_CHECKING

from pipeline.core.atomic import sha256
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.paths import LOCK
from pipeline.core.progress import line
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import Subject


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "reproduce")
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    return parser


def main(given: argparse.Namespace, config: Config) -> int:
    """Train again, and tell."""
    from pipeline.reproduction import verdict, worktree
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import Subject
    from pipeline.tracking import provenance

    lookup = Lookup(config)
    run = Subject(given.run, lookup.run(given.run))
    assert run.run is not None
    check(run)
    model = lookup.model_file(run)
    composed, history = (_needed(lookup, run, name) for name in (f"{provenance.FOLDER}/config.yaml", "history.csv"))
    diff = lookup.artifact(run.run, f"{provenance.FOLDER}/{provenance.DIFF}")
    with worktree.checked_out(run.tags["git.commit"], diff) as tree:
        line(f"commit {run.tags['git.commit']}{_changes(run, diff)}")
        tree.configure(composed.read_text(encoding="utf-8"))
        line(f"data {run.tags['data.md5']} from {tree.get_data(run.tags['data.md5'])}")
        line("training")
        found = verdict.judge(model, history, tree.train(), run.tags.get("model.sha256", ""))
    line(f"run {run.id} ({run.name}) is {found.told}")
    lock = lookup.artifact(run.run, f"{provenance.FOLDER}/{LOCK.name}")
    if not found.same and lock is not None and LOCK.is_file() and sha256(lock) != sha256(LOCK):
        line(f"its packages were others: {LOCK.name} was not what it is now")
    return 0 if found.same else 1


def check(run: "Subject") -> None:
    """Refuse a run that cannot be done again.

    Raises:
        UserError: it is a sweep, has not finished, or does not tell which commit it is of.
    """
    if run.is_sweep:
        raise UserError(f"run {run.id} is a sweep: name one of its runs")
    if run.status != "FINISHED":
        raise UserError(f"run {run.id} is {run.status}: there is no result to come to again")
    if "git.commit" not in run.tags:
        raise UserError(f"run {run.id} does not tell its commit: it was made where there was no Git repository")


def _changes(run: "Subject", diff: "Path | None") -> str:
    if diff is not None:
        return " with the changes that were not committed"
    return " without changes that were not committed: the run has kept none" if run.tags["git.dirty"] == "true" else ""


def _needed(lookup: "Lookup", run: "Subject", name: str) -> "Path":
    path = lookup.artifact(run.run, name)
    if path is None:
        raise UserError(f"run {run.id} has no {name}: it was made by an earlier version, or its files are gone")
    return path


if __name__ == "__main__":
    command_line.run(main, arguments())
