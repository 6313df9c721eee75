"""What a sweep prints at its end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.core.paths import relative_to_cwd
from pipeline.sweep.apply_command import apply_command
from pipeline.sweep.leaderboard import Leaderboard
from pipeline.sweep.sweep_job import SweepJob, counts, ranked

MAX_ROWS = 10


def text(board: Leaderboard, jobs: Sequence[SweepJob], folder: Path, parent: str, charts: str) -> str:
    """The leaderboard, failures with their logs, what was skipped, the best run and how to apply it, the charts."""
    return "\n".join([*_lines(board, jobs, folder, parent), charts]) + "\n"


def _lines(board: Leaderboard, jobs: Sequence[SweepJob], folder: Path, parent: str) -> Iterator[str]:
    best = board.best
    if best is not None:
        yield from board.lines(MAX_ROWS, relative_to_cwd(folder / "leaderboard.csv"))
    for job in jobs:
        if job.failure:
            log = f"; see {relative_to_cwd(Path(job.folder) / 'train.log')}" if job.folder else ""
            yield f"failed: {job.command_line}: {job.failure}{log}"
    if unfinished := sum(job.unfinished for job in jobs):
        yield f"not trained: {unfinished} jobs; the same command trains them"
    picture = folder / "leaderboard.png" if best is not None else folder
    yield f"sweep {folder.name}: {_counts(jobs)}: run {parent}, {relative_to_cwd(picture)}"
    if best is not None:
        result = best.result
        error = f"a validation error of {result.valid_error:.2%}"
        if board.groups:
            group = board.groups[0]
            error = f"a mean validation error of {group.mean:.2%} over {len(group.errors)} seeds"
        yield f"the best is {result.name} with {error}: run {result.run_id}, {result.folder}"
        if len(board.standings) > 1:
            number = len(board.groups or board.standings)
            yield f"it is the lowest of {number}, and so optimistic: only the test error estimates how it does"
        assert best.job.config is not None
        command = apply_command(best.job.config, best.job.choices)
        if command == "dvc exp run":  # without -S
            yield "its values are those of conf/; to train it there (to the same bits) and measure it on the test set:"
            yield "  dvc repro"
        else:
            yield "to put its values into conf/, train it there (to the same bits) and measure it on the test set:"
            yield f"  {command}"


def _counts(jobs: Sequence[SweepJob]) -> str:
    numbers = counts(jobs)
    named = {
        "failed": numbers["jobs/failed"],
        "pruned": numbers["jobs/pruned"],
        "skipped because they finished earlier": numbers["jobs/skipped"],
    }
    parts = [f"{number:g} {name}" for name, number in named.items() if number]
    return ", ".join([f"{len(ranked(jobs))} of {len(jobs)} jobs finished", *parts])
