"""A sweep's finished jobs, the best first: as a table, a file and a picture."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.core.atomic import write_csv
from pipeline.core.config import flatten
from pipeline.core.text import redact
from pipeline.sweep.sweep_job import SweepJob, finished, varied

MEASURED = ("best/valid_error", "best/valid_loss", "best/epoch")


def table(jobs: Sequence[SweepJob]) -> tuple[list[str], list[list[object]]]:
    """Column names and rows: rank, what varied, validation figures of the best epoch, and where the run is."""
    keys = varied(jobs)
    columns = ["rank", *map(_label, keys), *MEASURED, "run_id", "name", "reused", "folder"]
    rows: list[list[object]] = []
    for rank, (job, result) in enumerate(finished(jobs), 1):
        assert job.config is not None
        values = dict(flatten(job.config))
        measured = [result.valid_error, result.valid_loss, result.epoch]
        found = [
            rank,
            *(_shown(values[key]) for key in keys),
            *measured,
            result.run_id,
            result.name,
            job.reused,
            result.folder,
        ]
        rows.append(found)
    return columns, rows


def write(jobs: Sequence[SweepJob], title: str, folder: Path, *, grid: bool) -> list[Path]:
    """Write leaderboard.csv and leaderboard.png into the folder; the picture needs a finished job."""
    columns, rows = table(jobs)
    write_csv(folder / "leaderboard.csv", columns, rows)
    if not rows:
        return [folder / "leaderboard.csv"]
    points = [
        (job.config.train.learning_rate, job.config.train.batch_size, result.valid_error)
        for job, result in finished(jobs)
        if job.config is not None
    ]
    from pipeline.sweep import heat_map  # imports matplotlib, which Hydra would load for every command

    heat_map.draw(points, title, folder / "leaderboard.png", grid=grid)
    return [folder / "leaderboard.csv", folder / "leaderboard.png"]


def lines(jobs: Sequence[SweepJob], most: int) -> list[str]:
    """The first rows for a terminal."""
    keys = [_label(key) for key in varied(jobs)]
    columns, rows = table(jobs)
    shown = [["", *keys, "validation error", "loss", "epoch", "run"]]
    for row in rows[:most]:
        of = dict(zip(columns, row, strict=True))
        own = [f"{of[key]:.6g}" if isinstance(of[key], float) else str(of[key]) for key in keys]
        measured = [f"{of['best/valid_error']:.2%}", f"{of['best/valid_loss']:.4f}", str(of["best/epoch"])]
        run = f"{of['run_id']} (finished before)" if of["reused"] else str(of["run_id"])
        shown.append([str(of["rank"]), *own, *measured, run])
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]) - 1)]
    return [
        "  ".join([*(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in shown
    ]


def _shown(value: object) -> object:
    """A number as it is, anything else as text without passwords of URLs."""
    return value if isinstance(value, int | float) else redact(str(value))


def _label(key: str) -> str:
    """Without dots: MLflow's UI takes such a column for one within another, and shows nothing."""
    return key.removeprefix("train.").replace(".", "/")
