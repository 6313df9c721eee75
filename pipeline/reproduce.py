"""Repeat a run's training in a temporary worktree, and compare the two models.

python -m pipeline.reproduce RUN

Commit, uncommitted changes, settings and data are those of the run; the installed packages are the present ones. Exit
code 1: the model is another one.

It asks before it runs other code than this checkout's, unless you made the run on this machine. Without a terminal it
needs --trust.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.core.atomic import sha256
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.paths import LOCK
from pipeline.core.progress import line, on_terminal
from pipeline.core.text import printable
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel

MAX_FILES = 3  # that a question lists


def arguments() -> command_line.Parser:
    """The command line."""
    document = '{"run_id", "name", "reproduced", "identical", "largest_difference", "message", ...}'
    parser = command_line.Parser(__doc__ or "", "reproduce", document)
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    parser.add_argument("--trust", action="store_true", help="run the run's code, whoever made it, and do not ask")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Train again, and print the verdict."""
    from pipeline.reproduction import verdict, worktree
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel
    from pipeline.tracking import provenance

    lookup = Lookup(config)
    run = RunOrModel(args.run, lookup.run(args.run))
    assert run.run is not None
    _check_reproducible(run)
    model = lookup.model_file(run)
    settings, history = (_required(lookup, run, name) for name in (f"{provenance.FOLDER}/config.yaml", "history.csv"))
    diff = lookup.download_artifact(run.run, f"{provenance.FOLDER}/{provenance.DIFF}")
    commit, md5 = run.tags["git.commit"], run.tags["data.md5"]
    with worktree.checked_out(commit, diff) as tree:
        line(f"commit {commit}{_changes(run, diff)}")
        if not args.trust and not provenance.is_own(run.tags):
            _check_trusted(run, tree.foreign_files())
        tree.configure(settings.read_text(encoding="utf-8"))
        line(f"data {md5} from {tree.get_data(md5)}")
        line("training")
        result = verdict.judge(model, history, tree.train(), run.tags.get("model.sha256", ""))
    line(f"run {run.id} ({run.name}) is {result.message}")
    lock = lookup.download_artifact(run.run, f"{provenance.FOLDER}/{LOCK.name}")
    other_packages = sha256(lock) != sha256(LOCK) if lock is not None and LOCK.is_file() else None
    if not result.same and other_packages:
        line(f"the run had other packages: {LOCK.name} has changed since")
    if args.json:
        document = {
            "run_id": run.id,
            "name": run.name,
            "reproduced": result.same,
            "identical": result.largest_difference == 0,
            "largest_difference": result.largest_difference,
            "message": result.message,
            "git_commit": commit,
            "data_md5": md5,
            "other_packages": other_packages,
        }
        command_line.print_json(document, args.json)
    command_line.suggest(args, "report", run.id[:8])
    return 0 if result.same else 1


def _check_reproducible(run: "RunOrModel") -> None:
    """Refuse a run that cannot be repeated.

    Raises:
        UserError: the run is a sweep, has not finished, or has no tag git.commit.
    """
    if run.is_sweep:
        raise UserError(f"run {run.id} is a sweep: name one of its runs")
    if run.status != "FINISHED":
        raise UserError(f"run {run.id} is {run.status}: there is no result to reproduce, name a finished run")
    if "git.commit" not in run.tags:
        from pipeline.tracking import provenance

        reason = run.tags.get(provenance.NO_COMMIT, "it was made where Git or a repository was missing")
        raise UserError(f"run {run.id} has no tag git.commit: {reason}")


def _check_trusted(run: "RunOrModel", files: list[str]) -> None:
    """Ask before somebody's code runs; `files` are those that this checkout does not have with the same content.

    Raises:
        UserError: the answer is no, or there is no terminal to ask on.
    """
    if not files:
        return
    more = f" and {len(files) - MAX_FILES} more" if len(files) > MAX_FILES else ""
    names = ", ".join(files[:MAX_FILES]) + more
    maker = run.tags.get("mlflow.user", "an unknown user")
    what = f"run {run.id} of {maker} would run code that is not this checkout's: {names}"
    if not (sys.stdin.isatty() and on_terminal()):
        raise UserError(f"{what}; if you trust it, add --trust")
    sys.stderr.write(f"{printable(what)}. Run it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UserError(f"run {run.id} is not reproduced: its code is not trusted")


def _changes(run: "RunOrModel", diff: "Path | None") -> str:
    if diff is not None:
        return " with the changes that were not committed"
    return " without changes that were not committed: the run has kept none" if run.tags["git.dirty"] == "true" else ""


def _required(lookup: "Lookup", run: "RunOrModel", name: str) -> "Path":
    path = lookup.download_artifact(run.run, name)
    if path is None:
        raise UserError(f"run {run.id} has no {name}: an earlier version made the run, or its files are gone")
    return path


if __name__ == "__main__":
    command_line.run_command(main, arguments())
