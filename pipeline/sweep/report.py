"""What a sweep says at its end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.sweep import adopt, leaderboard
from pipeline.sweep.sweep_job import SweepJob, counts, finished

MOST_ROWS = 10


def text(jobs: Sequence[SweepJob], folder: Path, parent: str, charts: str) -> str:
    """The leaderboard, what failed and where its log is, what was skipped, the best run, what to do with it, charts."""
    return "\n".join([*_lines(jobs, folder, parent), charts]) + "\n"


def _lines(jobs: Sequence[SweepJob], folder: Path, parent: str) -> Iterator[str]:
    ranked = finished(jobs)
    if ranked:
        yield from leaderboard.lines(jobs, MOST_ROWS)
    if len(ranked) > MOST_ROWS:
        yield f"... and {len(ranked) - MOST_ROWS} more in {near(folder / 'leaderboard.csv')}"
    for job in jobs:
        if job.failure:
            log = f"; see {near(Path(job.folder) / 'train.log')}" if job.folder else ""
            yield f"failed: {job.told}: {job.failure}{log}"
    if left := sum(job.left for job in jobs):
        yield f"not trained: {left} jobs, which the same command begins or repeats"
    seen = folder / "leaderboard.png" if ranked else folder
    yield f"sweep {folder.name}: {_counted(jobs)}: run {parent}, {near(seen)}"
    if ranked:
        job, best = ranked[0]
        error = f"{best.valid_error:.2%}"
        yield f"the best is {best.name} with a validation error of {error}: run {best.run_id}, {best.folder}"
        yield "to put its values into conf/, train it there (to the same bits) and measure it on the test set:"
        yield from (f"  {line}" for line in adopt.lines(job.overrides, job.choices))


def _counted(jobs: Sequence[SweepJob]) -> str:
    found = counts(jobs)
    told = {
        "failed": found["jobs/failed"],
        "pruned": found["jobs/pruned"],
        "skipped, as they had finished before": found["jobs/skipped"],
    }
    parts = [f"{number:g} {what}" for what, number in told.items() if number]
    return ", ".join([f"{len(finished(jobs))} of {len(jobs)} jobs finished", *parts])


def near(path: Path) -> str:
    """As one would type it from here: relative below this folder, else absolute."""
    here = path.absolute()
    return str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)
