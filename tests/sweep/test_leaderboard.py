"""The leaderboard: which jobs differ from the best, means over seeds, and what mattered."""

import json
import re
import shutil
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from omegaconf import DictConfig
from scipy import stats

from pipeline.data.wrong_images import WrongImages
from pipeline.runs import command_line
from pipeline.sweep import leaderboard
from pipeline.sweep.leaderboard import Leaderboard
from pipeline.sweep.standings import Comparison
from pipeline.sweep.sweep_job import SweepJob
from pipeline.tracking.queries import Result
from tests.support.project import Project
from tests.support.stores import parents, runs

RATES, SIZES, SEEDS = ("0.001", "0.02", "0.1", "0.3"), ("48", "200"), ("1", "2", "3")


@pytest.fixture(scope="module")
def swept(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """A project with a sweep of 24 jobs over learning rates, batch sizes and seeds, and what it printed."""
    project = digits.copy(tmp_path_factory.mktemp("leaderboard") / "project")
    grid = (f"train.learning_rate={','.join(RATES)}", f"train.batch_size={','.join(SIZES)}", f"seed={','.join(SEEDS)}")
    done = project.stage("train", "+sweep=repeats", *grid, "train.epochs=4", "hydra.sweep.dir=swept")
    assert (done.returncode, done.stderr) == (0, "")
    return project, done.stdout


def document(project: Project) -> dict[str, Any]:
    """The sweep's leaderboard.json."""
    content: dict[str, Any] = json.loads((project.folder / "swept/leaderboard.json").read_text())
    return content


def wrong_by_the_model(project: Project, folder: str) -> npt.NDArray[np.bool_]:
    """Whether the model in a job's folder gets each validation image wrong, from its file alone."""
    with zipfile.ZipFile(Path(folder) / "model.keras") as file:
        weights = h5py.File(BytesIO(file.read("model.weights.h5")))["layers/dense/vars"]
        kernel, bias = (np.asarray(weights[name], float) for name in ("0", "1"))
    images, labels = (np.load(project.folder / f"prepared/valid_{kind}.npy") for kind in ("images", "labels"))
    scaled = images.reshape(len(images), -1) / 255
    return np.asarray((scaled @ kernel + bias).argmax(axis=1) != labels)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjustment from its definition: the largest product up to each p-value."""
    ranked = sorted(p_values)
    products = [min(1.0, (len(ranked) - rank) * p_value) for rank, p_value in enumerate(ranked)]
    return [max(products[: ranked.index(p_value) + ranked.count(p_value)]) for p_value in p_values]


def test_marks_are_those_of_a_separate_calculation(swept: tuple[Project, str]) -> None:
    """Errors, intervals, McNemar's p-values, Holm's adjustment and marks follow from the jobs' model files."""
    project, printed = swept
    jobs = document(project)["jobs"]
    wrong = [wrong_by_the_model(project, job["folder"]) for job in jobs]
    assert [job["valid_error"] for job in jobs] == sorted(each.mean() for each in wrong)
    p_values = []
    for other in wrong[1:]:
        only_first, only_other = int((wrong[0] & ~other).sum()), int((other & ~wrong[0]).sum())
        both = only_first + only_other
        p_values.append(stats.binomtest(only_first, both).pvalue if both else 1.0)
    assert [job["p_value"] for job in jobs] == [None, *map(pytest.approx, p_values)]
    assert [job["p_adjusted"] for job in jobs] == [None, *map(pytest.approx, holm(p_values))]
    tied = [True, *(p_value >= 0.05 for p_value in holm(p_values))]
    assert [job["tied"] for job in jobs] == tied
    assert 1 < sum(tied) < len(tied)
    for job, each in zip(jobs, wrong, strict=True):
        interval = stats.binomtest(int(each.sum()), len(each)).proportion_ci(0.95, method="wilson")
        assert job["valid_error_interval"] == pytest.approx([interval.low, interval.high])
    assert f"\n{sum(tied)} of 24 jobs have no significant difference from the best at 5 %\n" in printed
    assert "\nthe one of them that trained fastest is " in printed
    assert "... and 14 more in swept/leaderboard.csv\n" in printed
    rows = re.findall(r"^ ?(\d+)  (=?) +\S+ +(?:48|200) ", printed.partition("\n\n")[0], re.MULTILINE)
    assert [(int(rank), mark == "=") for rank, mark in rows] == list(enumerate(tied[:10], 1))


def test_groups_are_those_of_a_separate_calculation(swept: tuple[Project, str]) -> None:
    """Means, deviations, intervals and paired tests over the seeds follow from the runs' validation errors."""
    project, printed = swept
    errors = {
        tuple(run.data.params[key] for key in ("train.learning_rate", "train.batch_size", "seed")): run.data.metrics[
            "best/valid_error"
        ]
        for run in runs(project.folder)
    }
    groups = document(project)["groups"]
    by_group = [
        [
            errors[str(group["settings"]["train.learning_rate"]), str(group["settings"]["train.batch_size"]), seed]
            for seed in SEEDS
        ]
        for group in groups
    ]
    assert [group["mean_valid_error"] for group in groups] == pytest.approx(sorted(map(np.mean, by_group)))
    assert [group["std_valid_error"] for group in groups] == pytest.approx([np.std(own, ddof=1) for own in by_group])
    for group, own in zip(groups, by_group, strict=True):
        assert group["seeds"] == len(group["run_ids"]) == 3
        interval = stats.t.interval(0.95, 2, np.mean(own), stats.sem(own))
        assert group["mean_interval"] == pytest.approx(interval)
    p_values = [stats.ttest_rel(by_group[0], own).pvalue for own in by_group[1:]]
    assert [group["p_value"] for group in groups] == [None, *map(pytest.approx, p_values)]
    assert [group["tied"] for group in groups] == [True, *(p_value >= 0.05 for p_value in holm(p_values))]
    best = groups[0]["settings"]
    command = next(line for line in printed.splitlines() if line.startswith("  dvc exp run"))
    assert f"train.learning_rate={best['train.learning_rate']}" in command
    assert "seed" not in command  # the first one is that of conf/


def test_table_of_many_settings_fits_into_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least important columns are left out, and a line says which. The error and the run stay."""
    scores = ["valid error", "95 % interval", "p (Holm)", "loss", "epoch", "run"]
    row = ["7.20%", "6.71 to 7.72%", "0.0012", "0.2647", "9", "9fc585be"]
    untested = Comparison(None, None, None)
    for settings, width, left_out in (
        (["learning_rate", "batch_size", "l2"], "100", ""),
        (["learning_rate", "batch_size", "update_patience/improvement"], "100", "loss, epoch"),
        (["learning_rate", "batch_size", "update_patience/improvement"], "200", ""),
        ([f"setting_number_{number}" for number in range(6)], "100", "loss, epoch, p (Holm), 95 % interval"),
    ):
        monkeypatch.setenv("COLUMNS", width)
        lines = list(leaderboard._plain([*settings, *scores], [["0.1"] * len(settings) + row], [untested]))
        assert max(map(len, lines[:2])) <= int(width)
        assert ("valid error" in lines[0], "9fc585be" in lines[1]) == (True, True)
        note = lines[2].partition(" no room for ")[2] if len(lines) > 2 else ""
        assert set(filter(None, left_out.split(", "))) <= set(note.partition(":")[0].split(", ")), lines
        assert bool(note) == bool(left_out)


def test_parent_has_what_mattered(swept: tuple[Project, str]) -> None:
    """The shares are metrics of the parent run, sum up to 1, and are printed. The learning rate matters most."""
    project, printed = swept
    shares = document(project)["importance"]
    assert sum(shares.values()) == pytest.approx(1)
    assert next(iter(shares)) == max(shares, key=shares.__getitem__) == "train.learning_rate"
    (parent,) = parents(project.folder)
    logged = {key: value for key, value in parent.data.metrics.items() if key.startswith("importance/")}
    assert logged == {f"importance/{key}": value for key, value in shares.items()}
    assert "shares in the variance of the validation error (fANOVA): " in printed


def test_leaderboard_has_no_test_figure_and_fits_a_terminal(digits: Project, tmp_path: Path) -> None:
    """Not even where the jobs measure it. No line of a table has more than 100 characters."""
    project = digits.copy(tmp_path / "project")
    done = project.stage("train", "-m", "train.learning_rate=0.1,0.3", "train.report_test=true", "train.epochs=1")
    header, *rows = re.findall(r"^ .*valid error.*|^\d+  .*", done.stdout, re.MULTILINE)
    assert "test" not in header
    assert len(rows) == 2
    assert max(map(len, (header, *rows))) <= 100
    (file,) = (project.folder / "outputs/sweep").glob("*/leaderboard.json")
    assert '"test' not in file.read_text()


def test_reused_jobs_are_compared_by_their_artifacts(digits: Project, tmp_path: Path) -> None:
    """The folders of the jobs may be gone. A run without the artifact, as of an earlier version, is not compared."""
    project = digits.copy(tmp_path / "project")
    command = ("-m", "train.learning_rate=0.001,0.1,0.3", "train.epochs=2", "hydra.sweep.dir=swept")
    assert project.stage("train", *command).returncode == 0
    first = document(project)["jobs"]
    for folder in (project.folder / "swept").glob("*_lr=*"):
        shutil.rmtree(folder)
    assert "3 skipped" in project.stage("train", *command).stdout
    again = document(project)["jobs"]
    assert [{**job, "reused": False} for job in again] == first
    old = first[-1]["run_id"]
    (artifact,) = (project.folder / "mlartifacts").glob(f"**/{old}/artifacts/valid_wrong.json")
    artifact.unlink()
    assert "not compared: 1 job" in project.stage("train", *command).stdout
    last = document(project)["jobs"][-1]
    assert (last["run_id"], last["valid_error_interval"], last["p_value"], last["tied"]) == (old, None, None, None)
    assert document(project)["jobs"][1]["p_adjusted"] == first[1]["p_value"]  # now it is one of one


def job(words: str, wrong: Sequence[int] | None, data: str = "digest") -> SweepJob:
    """A finished job with these overrides that gets these of ten images wrong."""
    images = np.isin(np.arange(10), range(5) if wrong is None else wrong)
    error = float(images.mean())
    result = Result(words.encode().hex()[:32], words, "", "/nowhere", 1, error, error, 1.0)
    known = None if wrong is None else WrongImages(data, images)
    overrides = words.split()
    return SweepJob(overrides, command_line.settings(overrides), DictConfig({}), result, known)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("significance", [0.0, 0.05, 1.0])
@pytest.mark.parametrize(
    "jobs",
    [
        [],
        [job("train.l2=0", [1])],
        [job("train.l2=0", [1]), job("train.l2=1", [1])],
        [job("train.l2=0", [1]), job("train.l2=1", None), job("train.l2=2", [1, 2], "other")],
        [job("train.l2=0", None), job("train.l2=1", [1])],
        [job(f"train.l2={l2} seed={seed}", [1]) for l2, seed in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 4))],
        [job(f"seed={seed}", [1] * (seed > 1)) for seed in range(1, 20)],
        [job(f"train.l2={l2} seed={seed}", [1]) for l2 in range(9) for seed in (1, 2)],
    ],
    ids=["none", "one", "equal", "not compared", "first not compared", "seeds in part", "seeds", "all equal"],
)
def test_unusual_sweeps_have_a_table(jobs: list[SweepJob], significance: float, tmp_path: Path) -> None:
    """There is no warning of SciPy or Optuna, and the files are written. JSON has neither NaN nor infinity."""
    board = Leaderboard.of(jobs, significance)
    board.write("title", tmp_path, grid=True)
    content = json.loads((tmp_path / "leaderboard.json").read_text(), parse_constant=pytest.fail)
    assert len(content["jobs"]) == len(jobs)
    assert [row["tied"] for row in content["jobs"][:1]] == [True] * bool(jobs)
    if jobs:
        assert len(list(board.lines(10, "leaderboard.csv"))) >= 2


def test_jobs_on_other_images_are_not_compared() -> None:
    """Neither are runs whose images are unknown. The adjustment counts the compared jobs only."""
    jobs = [
        job("train.l2=0", [1]),
        job("train.l2=1", [2, 3]),
        job("train.l2=2", [4, 5], "other"),
        job("train.l2=3", None),
    ]
    rows = {row["settings"]["train.l2"]: row for row in Leaderboard.of(jobs, 0.05).document()["jobs"]}
    assert rows[1.0]["p_adjusted"] == rows[1.0]["p_value"] == pytest.approx(stats.binomtest(1, 3).pvalue)
    assert rows[2.0]["tied"] is None
    assert rows[2.0]["p_value"] is None


def test_seeds_are_paired_where_groups_have_them_in_common() -> None:
    """Groups that share fewer than two seeds are not compared. The best group suggests its first seed."""
    jobs = [
        *(job(f"train.l2=0 seed={seed}", range(wrong)) for seed, wrong in ((5, 2), (6, 1), (7, 3))),
        *(job(f"train.l2=1 seed={seed}", range(wrong)) for seed, wrong in ((6, 4), (7, 5), (8, 9))),
        *(job(f"train.l2=2 seed={seed}", range(wrong)) for seed, wrong in ((5, 8), (9, 8))),
    ]
    board = Leaderboard.of(jobs, 0.05)
    first, second, third = board.document()["groups"]
    assert (first["seeds"], first["mean_valid_error"]) == (3, pytest.approx(0.2))
    assert second["p_value"] == pytest.approx(stats.ttest_rel([0.1, 0.3], [0.4, 0.5]).pvalue)
    assert (third["seeds"], third["p_value"], third["tied"]) == (2, None, None)
    assert board.best is not None
    assert board.best.job is jobs[0]
