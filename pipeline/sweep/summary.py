"""What a sweep prints at its end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.sweep import leaderboard
from pipeline.sweep.apply_command import apply_command
from pipeline.sweep.sweep_job import SweepJob, counts, ranked

MAX_ROWS = 10


def text(jobs: Sequence[SweepJob], folder: Path, parent: str, charts: str) -> str:
    """The leaderboard, failures with their logs, what was skipped, the best run and how to apply it, the charts."""
    return "\n".join([*_lines(jobs, folder, parent), charts]) + "\n"


def _lines(jobs: Sequence[SweepJob], folder: Path, parent: str) -> Iterator[str]:
    finished = ranked(jobs)
    if finished:
        yield from leaderboard.lines(jobs, MAX_ROWS)
    if len(finished) > MAX_ROWS:
        yield f"... and {len(finished) - MAX_ROWS} more in {relative_to_cwd(folder / 'leaderboard.csv')}"
    for job in jobs:
        if job.failure:
            log = f"; see {relative_to_cwd(Path(job.folder) / 'train.log')}" if job.folder else ""
            yield f"failed: {job.command_line}: {job.failure}{log}"
    if unfinished := sum(job.unfinished for job in jobs):
        yield f"not trained: {unfinished} jobs; the same command trains them"
    picture = folder / "leaderboard.png" if finished else folder
    yield f"sweep {folder.name}: {_counts(jobs)}: run {parent}, {relative_to_cwd(picture)}"
    if finished:
        job, best = finished[0]
        error = f"{best.valid_error:.2%}"
        yield f"the best is {best.name} with a validation error of {error}: run {best.run_id}, {best.folder}"
        assert job.config is not None
        yield "to put its values into conf/, train it there (to the same bits) and measure it on the test set:"
        yield f"  {apply_command(job.config, job.choices)}"


def _counts(jobs: Sequence[SweepJob]) -> str:
    numbers = counts(jobs)
    named = {
        "failed": numbers["jobs/failed"],
        "pruned": numbers["jobs/pruned"],
        "skipped because they finished earlier": numbers["jobs/skipped"],
    }
    parts = [f"{number:g} {name}" for name, number in named.items() if number]
    return ", ".join([f"{len(ranked(jobs))} of {len(jobs)} jobs finished", *parts])


def relative_to_cwd(path: Path) -> str:
    """The path as a user would type it: relative where it is below the working folder, else absolute."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)
