"""A sweep's finished jobs, the best first: as a table, a file and a picture."""

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from pipeline.core.atomic import write_csv
from pipeline.core.config import flatten
from pipeline.core.text import redact
from pipeline.sweep.sweep_job import SweepJob, ranked, varied_keys

MEASURED = ("best/valid_error", "best/valid_loss", "best/epoch")


def table(jobs: Sequence[SweepJob]) -> tuple[list[str], list[list[object]]]:
    """Column names and rows: rank, varied settings, validation scores of the best epoch, and the run."""
    keys = varied_keys(jobs)
    columns = ["rank", *map(_label, keys), *MEASURED, "run_id", "name", "reused", "folder"]
    rows: list[list[object]] = []
    for rank, (job, result) in enumerate(ranked(jobs), 1):
        assert job.config is not None
        values = job.values | dict(flatten(job.config))
        scores = [result.valid_error, result.valid_loss, result.epoch]
        run = [result.run_id, result.name, job.reused, result.folder]
        rows.append([rank, *(_cell(values[key]) for key in keys), *scores, *run])
    return columns, rows


def write(jobs: Sequence[SweepJob], title: str, folder: Path, *, grid: bool) -> list[Path]:
    """Write leaderboard.csv and leaderboard.png into the folder; the picture needs a finished job."""
    columns, rows = table(jobs)
    write_csv(folder / "leaderboard.csv", columns, rows)
    if not rows:
        return [folder / "leaderboard.csv"]
    points = [
        (job.config.train.learning_rate, job.config.train.batch_size, result.valid_error)
        for job, result in ranked(jobs)
        if job.config is not None
    ]
    from pipeline.sweep import heat_map  # imports matplotlib, which Hydra would load for every command

    heat_map.draw(points, title, folder / "leaderboard.png", grid=grid)
    return [folder / "leaderboard.csv", folder / "leaderboard.png"]


def lines(jobs: Sequence[SweepJob], max_rows: int) -> list[str]:
    """The first rows as lines for a terminal."""
    keys = [_label(key) for key in varied_keys(jobs)]
    columns, rows = table(jobs)
    shown = []
    for row in rows[:max_rows]:
        cell = dict(zip(columns, row, strict=True))
        values = [f"{cell[key]:.6g}" if isinstance(cell[key], float) else str(cell[key]) for key in keys]
        scores = [f"{cell['best/valid_error']:.2%}", f"{cell['best/valid_loss']:.4f}", str(cell["best/epoch"])]
        run = f"{cell['run_id']} (finished before)" if cell["reused"] else str(cell["run_id"])
        shown.append([str(cell["rank"]), *values, *scores, run])
    header = ["", *keys, "validation error", "loss", "epoch", "run"]
    alignment = ["right"] * (len(header) - 1) + ["left"]
    return tabulate(shown, header, "plain", disable_numparse=True, colalign=alignment).splitlines()


def _cell(value: object) -> object:
    """Return a number unchanged, and anything else as text without credentials of URLs."""
    return value if isinstance(value, int | float) else redact(str(value))


def _label(key: str) -> str:
    """A key without dots: MLflow's UI takes a column with dots for nested columns, and shows nothing."""
    return key.removeprefix("train.").replace(".", "/")
