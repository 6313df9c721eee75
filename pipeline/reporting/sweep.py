"""What a page tells of a sweep."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reporting import embedding, provenance, single
from pipeline.reporting.provenance import Rows
from pipeline.reporting.single import Single
from pipeline.runs.stored_run import Account, History

MOST_CURVES = 12  # more could not be told apart
SPACE = "space."  # before the params that tell what was swept
MEASURED = ("rank", "best/valid_error", "best/valid_loss", "best/epoch", "run_id", "name", "reused", "folder")

Row = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A sweep's run, its finished jobs as rows of the leaderboard, and what is known of its best one."""

    account: Account
    varied: list[str]  # columns of the leaderboard
    rows: list[Row]
    picture: str | None
    curves: str | None
    drawn: int  # jobs of which there are curves
    failed: list[Account]
    space: Rows  # the settings that vary, and what they vary over
    provenance: Rows
    best: Single | None


def read(account: Account, folder: Path) -> Sweep:
    """Gather it from the store; the folder is for pictures that are drawn here."""
    columns, rows = _leaderboard(account)
    best = account.other(account.tags["best_run_id"]) if "best_run_id" in account.tags else None
    runs = [(str(row["name"]), account.history("valid/error", str(row["run_id"]))) for row in rows[:MOST_CURVES]]
    curves = [(name, points) for name, points in runs if points]
    return Sweep(
        account,
        varied=[column for column in columns if column not in MEASURED],
        rows=rows,
        picture=embedding.image(account.artifact("leaderboard.png")),
        curves=_draw(curves, folder / "curves.png"),
        drawn=len(curves),
        failed=account.failed(),
        space=sorted(
            (key.removeprefix(SPACE), value) for key, value in account.params.items() if key.startswith(SPACE)
        ),
        provenance=provenance.rows(account),
        best=None if best is None else single.read(best, folder),
    )


def _leaderboard(account: Account) -> tuple[list[str], list[Row]]:
    """Its columns and rows; none where no job has finished."""
    path = account.artifact("leaderboard.json")
    if path is None:
        return [], []
    table = json.loads(path.read_text(encoding="utf-8"))
    return table["columns"], [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def _draw(curves: list[tuple[str, History]], path: Path) -> str | None:
    if not curves:
        return None
    from pipeline.reporting import curves_of_runs

    jobs = "the best job" if len(curves) == 1 else f"the {len(curves)} best jobs"
    curves_of_runs.draw(curves, f"Validation error of {jobs} by epoch", path)
    return embedding.image(path)
