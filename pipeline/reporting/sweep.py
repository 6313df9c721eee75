"""The content of a page about a sweep."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.reporting import embedding, provenance, single
from pipeline.reporting.provenance import Rows
from pipeline.reporting.single import Single
from pipeline.runs.stored_run import MetricHistory, StoredRun

MAX_CURVES = 12  # more could not be distinguished
SPACE = "space."  # prefix of the params with the search space
Row = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A sweep's run, its finished jobs as rows of the leaderboard, and its best run."""

    stored_run: StoredRun
    varied: list[str]  # settings
    rows: list[Row]  # as the jobs in leaderboard.json
    groups: list[Row]  # of seeds
    importance: dict[str, float]  # of each setting
    significance: float
    heat_map: str | None
    curves: str | None
    failed: list[StoredRun]
    space: Rows  # the settings that vary, and their values
    provenance: Rows
    best: Single | None


def read(sweep: StoredRun, folder: Path) -> Sweep:
    """Read the sweep from the store; figures are drawn into the folder."""
    leaderboard = _leaderboard(sweep)
    rows = leaderboard["jobs"]
    best = sweep.other(sweep.tags["best_run_id"]) if "best_run_id" in sweep.tags else None
    runs = [(str(row["name"]), sweep.metric_history("valid/error", str(row["run_id"]))) for row in rows[:MAX_CURVES]]
    curves = [(name, points) for name, points in runs if points]
    return Sweep(
        sweep,
        varied=leaderboard["varied"],
        rows=rows,
        groups=leaderboard["groups"],
        importance=leaderboard["importance"],
        significance=leaderboard["significance"],
        heat_map=embedding.image(sweep.download_artifact("leaderboard.png")),
        curves=_draw(curves, folder / "curves.png"),
        failed=sweep.failed_jobs(),
        space=sorted((key.removeprefix(SPACE), value) for key, value in sweep.params.items() if key.startswith(SPACE)),
        provenance=list(provenance.rows(sweep)),
        best=None if best is None else single.read(best, folder),
    )


def _leaderboard(sweep: StoredRun) -> dict[str, Any]:
    """The content of leaderboard.json; without jobs where there is none, or an earlier version has written it."""
    empty: dict[str, Any] = {"varied": [], "jobs": [], "groups": [], "importance": {}, "significance": 0.0}
    path = sweep.download_artifact("leaderboard.json")
    return empty if path is None else empty | json.loads(path.read_text(encoding="utf-8"))


def _draw(curves: list[tuple[str, MetricHistory]], path: Path) -> str | None:
    if not curves:
        return None
    from pipeline.reporting import curves_of_runs

    jobs = "the best job" if len(curves) == 1 else f"the {len(curves)} best jobs"
    curves_of_runs.draw(curves, f"Validation error of {jobs} by epoch", path)
    return embedding.image(path)
