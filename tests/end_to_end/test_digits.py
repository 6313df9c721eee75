"""The pipeline as a user drives it with DVC, on the bundled digits: no network, seconds."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.stores import runs


def ran(output: str) -> set[str]:
    """The stages that `dvc repro` ran."""
    return set(re.findall(r"^Running stage '(\w+)':$", output, re.MULTILINE))


def test_second_repro_has_nothing_to_do(changeable: Project) -> None:
    """And says so."""
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0
    assert ran(done.stdout) == set()
    assert "Data and pipelines are up to date." in done.stdout


def test_dag_is_the_chain_with_data_dvc(changeable: Project) -> None:
    """Beside compose: fetch -> data.dvc -> preprocess -> train -> evaluate."""
    graph = changeable.run("dvc", "dag", "--mermaid").stdout
    nodes = dict(re.findall(r'(node\d+)\["(.+?)"\]', graph))
    edges = {(nodes[a], nodes[b]) for a, b in re.findall(r"(node\d+)-->(node\d+)", graph)}
    chain = ["fetch", "data.dvc", "preprocess", "train", "evaluate"]
    assert set(pairwise(chain)) <= edges
    assert ("compose", "train") in edges


def test_training_setting_reruns_compose_train_and_evaluate_only(changeable: Project) -> None:
    """DVC watches the composed values, not the files of conf/."""
    changeable.set("conf/config.yaml", "learning_rate: 0.1", "learning_rate: 0.2")
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert ran(done.stdout) == {"compose", "train", "evaluate"}
    difference = json.loads(changeable.run("dvc", "params", "diff", "--json").stdout)
    assert difference["params.yaml"] == {"train.learning_rate": {"old": 0.1, "new": 0.2, "diff": 0.1}}


def test_comment_in_conf_reruns_compose_only(changeable: Project) -> None:
    """What composes to the same values changes nothing."""
    changeable.set("conf/train/sgd.yaml", "# at most", "# no more than that")
    assert ran(changeable.run("dvc", "repro").stdout) == {"compose"}


@pytest.mark.repro
def test_same_inputs_give_the_same_lock(changeable: Project) -> None:
    """Trained again, everything is byte for byte what it was, though the MLflow run is another one.

    It is the run that evaluate writes into, and not a later one with the same model, as a sweep's over these settings.
    """
    before = (changeable.folder / "dvc.lock").read_bytes()
    first = (changeable.folder / "models/run_id").read_text()
    again = ("dvc", "repro", "--force", "--single-item")
    for command in ([*again, "train"], [sys.executable, "-m", "pipeline.train"], [*again, "evaluate"]):
        done = changeable.run(*command)
        assert done.returncode == 0, done.stderr
    assert (changeable.folder / "dvc.lock").read_bytes() == before
    twin, made = runs(changeable.folder)
    assert (changeable.folder / "models/run_id").read_text().strip() == made.info.run_id != first.strip()
    assert twin.data.tags["model.sha256"] == made.data.tags["model.sha256"]
    assert "test/error" in made.data.metrics
    assert "test/error" not in twin.data.metrics


def test_metrics_and_plots_are_shown(changeable: Project) -> None:
    """`dvc metrics show` and `dvc plots show` work."""
    metrics = changeable.run("dvc", "metrics", "show", "--json")
    assert "failed" not in metrics.stderr
    files = json.loads(metrics.stdout)[""]["data"]
    assert 0 < files["reports/metrics.json"]["data"]["test/error"] < 0.2
    assert files["prepared/summary.json"]["data"]["train"]["images"] == 1200
    plots = changeable.run("dvc", "plots", "show", "--out", "dvc_plots")
    assert plots.returncode == 0, plots.stderr
    assert "failed" not in plots.stderr
    page = (changeable.folder / "dvc_plots/index.html").read_text()
    for title in ("Mean negative log-likelihood", "Error", "Test images by true and predicted class", "F1 of each"):
        assert title in page
    for name in ("weights", "learning_curves", "confusion", "mistakes", "calibration", "classes"):
        assert f"{name}.png" in page


@pytest.mark.repro
def test_experiment_in_a_temporary_workspace_keeps_its_run(changeable: Project) -> None:
    """`dvc exp run --temp` deletes its workspace; the run is in the project's own store."""
    done = changeable.run("dvc", "exp", "run", "--temp", "-S", "conf/config.yaml:train.learning_rate=0.2")
    assert done.returncode == 0, done.stderr
    (run,) = runs(changeable.folder)
    assert run.info.run_name == "lr=0.2 batch=64"
    assert run.info.status == "FINISHED"
    assert "test/error" in run.data.metrics
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(changeable.folder / "mlartifacts")


def test_setting_given_to_params_yaml_is_refused_and_not_lost(changeable: Project) -> None:
    """`-S KEY=VALUE` without a file edits params.yaml, which compose would overwrite without a word."""
    done = changeable.run("dvc", "exp", "run", "-S", "train.learning_rate=0.2")
    assert done.returncode != 0
    assert "dvc exp run -S conf/config.yaml:train.learning_rate=0.2" in done.stderr
    assert "learning_rate: 0.2" in (changeable.folder / "params.yaml").read_text()
    (changeable.folder / "params.yaml").unlink()
    assert changeable.run("dvc", "repro").returncode == 0


def test_project_in_a_folder_with_spaces_and_accents_from_any_folder(digits: Project, tmp_path: Path) -> None:
    """MLflow's addresses quote such letters; no stray quoted folder may appear. All files land in the project."""
    moved, elsewhere = digits.copy(tmp_path / "my proj é"), tmp_path / "é dir"
    elsewhere.mkdir()
    for stage in ("train", "evaluate"):
        done = moved.run(sys.executable, "-m", f"pipeline.{stage}", "hydra.job.chdir=true", cwd=elsewhere)
        assert done.returncode == 0, done.stderr
    (run,) = runs(moved.folder)
    assert "test/error" in run.data.metrics
    assert Path(run.data.tags["output_dir"]).is_relative_to(moved.folder / "outputs" / "train")
    assert (moved.folder / "mlartifacts" / "digits" / run.info.run_id / "artifacts" / "weights.png").is_file()
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"my proj é", "é dir"}


@pytest.mark.repro
def test_failing_stage_leaves_nothing_for_git_to_take(changeable: Project) -> None:
    """DVC takes earlier outputs back out of its .gitignore entries; ours cover them."""
    changeable.set("conf/config.yaml", "learning_rate: 0.1", "learning_rate: 1e38")
    done = changeable.run("dvc", "repro")
    assert done.returncode != 0
    assert "choose a train.learning_rate below 1e+38" in done.stderr
    changed = {line[3:] for line in changeable.git("status", "--porcelain").splitlines()}
    assert changed <= {"conf/config.yaml", "dvc.lock", "params.yaml"}


SETTINGS = [
    ("conf/data/digits.yaml", "  - scikit-learn:digits", "  - scikit-learn:digits\n  - /nowhere", {"fetch"}),
    ("conf/data/digits.yaml", "validation: 300", "validation: 299", {"preprocess", "train", "evaluate"}),
    ("conf/model/softmax.yaml", "pixel_divisor: 255 ", "pixel_divisor: 256 ", {"train", "evaluate"}),
    ("conf/train/sgd.yaml", "l2: 0 ", "l2: 0.001 ", {"train", "evaluate"}),
    ("conf/train/sgd.yaml", "shuffle: true ", "shuffle: false", {"train", "evaluate"}),
    ("conf/tracking/sqlite.yaml", "weight_images_every: 10 ", "weight_images_every: 0 ", {"train", "evaluate"}),
    ("conf/config.yaml", "seed: 1 ", "seed: 2 ", {"train", "evaluate"}),
]


@pytest.mark.parametrize(("file", "old", "new", "stages"), SETTINGS, ids=[row[2].strip() for row in SETTINGS])
def test_each_setting_concerns_the_stages_that_read_it(
    file: str, old: str, new: str, stages: set[str], changeable: Project
) -> None:
    """A key that is missing from `params:` would leave a stale result called up to date."""
    changeable.set(file, old, new)
    assert changeable.run("dvc", "repro", "compose").returncode == 0
    status = json.loads(changeable.run("dvc", "status", "--json").stdout)
    concerned = {name for name, changes in status.items() if any("params.yaml" in str(change) for change in changes)}
    assert concerned == stages


def test_starts_in_the_same_second_have_folders_of_their_own(changeable: Project) -> None:
    """Hydra's own names count seconds, and two starts would share one folder."""
    command = [sys.executable, "-m", "pipeline.preprocess"]
    processes = [subprocess.Popen(command, cwd=changeable.folder, env=changeable.environment()) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(list((changeable.folder / "outputs/preprocess").iterdir())) >= 3


def test_wrong_interpreter_is_told(digits: Project) -> None:
    """`dvc repro` without the activated environment runs whatever `python` is first on PATH."""
    done = digits.run(sys.executable, "-S", "-m", "pipeline.compose")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "make setup" in done.stderr


@pytest.mark.parametrize("option", ["--help", "--cfg=job"])
def test_help_and_configuration_are_printed(option: str, digits: Project) -> None:
    """Hydra's own options work."""
    done = digits.stage("train", option)
    assert done.returncode == 0
    assert "learning_rate: 0.1" in done.stdout
