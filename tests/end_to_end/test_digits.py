"""The pipeline under DVC on the bundled digits: needs no network and takes seconds."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.stores import runs


def stages_run(output: str) -> set[str]:
    """Return the stages that `dvc repro` ran."""
    return set(re.findall(r"^Running stage '(\w+)':$", output, re.MULTILINE))


def test_second_repro_has_nothing_to_do(changeable: Project) -> None:
    """`dvc repro` runs no stage if nothing has changed."""
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0
    assert stages_run(done.stdout) == set()
    assert "Data and pipelines are up to date." in done.stdout


def test_dag_is_the_chain_with_data_dvc(changeable: Project) -> None:
    """The DAG contains fetch -> data.dvc -> preprocess -> train -> evaluate, and compose -> train."""
    graph = changeable.run("dvc", "dag", "--mermaid").stdout
    nodes = dict(re.findall(r'(node\d+)\["(.+?)"\]', graph))
    edges = {(nodes[tail], nodes[head]) for tail, head in re.findall(r"(node\d+)-->(node\d+)", graph)}
    chain = ["fetch", "data.dvc", "preprocess", "train", "evaluate"]
    assert set(pairwise(chain)) <= edges
    assert ("compose", "train") in edges


@pytest.mark.repro
def test_training_setting_reruns_compose_train_and_evaluate_only(changeable: Project) -> None:
    """Stages depend on the composed values in params.yaml, not on the files in conf/."""
    changeable.set("conf/settings.yaml", "learning_rate: 0.1", "learning_rate: 0.2")
    done = changeable.run("dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert stages_run(done.stdout) == {"compose", "train", "evaluate"}
    difference = json.loads(changeable.run("dvc", "params", "diff", "--json").stdout)
    assert difference["params.yaml"] == {"train.learning_rate": {"old": 0.1, "new": 0.2, "diff": 0.1}}


def test_comment_in_conf_reruns_compose_only(changeable: Project) -> None:
    """If the composed values do not change, no other stage is stale."""
    changeable.set("conf/train/sgd.yaml", "# epochs without", "# no more epochs without")
    assert stages_run(changeable.run("dvc", "repro").stdout) == {"compose"}


@pytest.mark.repro
def test_same_inputs_give_the_same_lock(changeable: Project) -> None:
    """Training again leaves dvc.lock unchanged, although it makes a new MLflow run.

    evaluate logs into the run that made the model, not into a later run with the same model, for example of a sweep.
    """
    before = (changeable.folder / "dvc.lock").read_bytes()
    first = (changeable.folder / "models/run_id").read_text()
    repeat = ("dvc", "repro", "--force", "--single-item")
    for command in ([*repeat, "train"], [sys.executable, "-m", "pipeline.train"], [*repeat, "evaluate"]):
        done = changeable.run(*command)
        assert done.returncode == 0, done.stderr
    assert (changeable.folder / "dvc.lock").read_bytes() == before
    later, evaluated = runs(changeable.folder)
    assert (changeable.folder / "models/run_id").read_text().strip() == evaluated.info.run_id != first.strip()
    assert later.data.tags["model.sha256"] == evaluated.data.tags["model.sha256"]
    assert "test/error" in evaluated.data.metrics
    assert "test/error" not in later.data.metrics


def test_metrics_and_plots_are_shown(changeable: Project) -> None:
    """`dvc metrics show` and `dvc plots show` show all metrics, plots and figures."""
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


def test_edited_params_yaml_is_refused_and_not_overwritten(changeable: Project) -> None:
    """`-S KEY=VALUE` without a file edits params.yaml. compose must not overwrite the value silently."""
    done = changeable.run("dvc", "exp", "run", "-S", "train.learning_rate=0.2")
    assert done.returncode != 0
    assert "dvc exp run -S conf/settings.yaml:train.learning_rate=0.2" in done.stderr
    assert "learning_rate: 0.2" in (changeable.folder / "params.yaml").read_text()
    (changeable.folder / "params.yaml").unlink()
    assert changeable.run("dvc", "repro").returncode == 0


def test_project_in_a_folder_with_spaces_and_accents_from_any_folder(digits: Project, tmp_path: Path) -> None:
    """MLflow's URIs percent-encode such characters. All files are in the project, and no encoded folder appears."""
    project, cwd = digits.copy(tmp_path / "my proj é"), tmp_path / "é dir"
    cwd.mkdir()
    for stage in ("train", "evaluate"):
        done = project.run(sys.executable, "-m", f"pipeline.{stage}", "hydra.job.chdir=true", cwd=cwd)
        assert done.returncode == 0, done.stderr
    (run,) = runs(project.folder)
    assert "test/error" in run.data.metrics
    assert Path(run.data.tags["output_dir"]).is_relative_to(project.folder / "outputs" / "train")
    assert (project.folder / "mlartifacts" / "digits" / run.info.run_id / "artifacts" / "weights.png").is_file()
    assert list(cwd.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"my proj é", "é dir"}


@pytest.mark.repro
def test_failing_stage_leaves_no_untracked_outputs(changeable: Project) -> None:
    """DVC removes the outputs of a failed stage from its .gitignore entries. The project's .gitignore covers them."""
    changeable.set("conf/settings.yaml", "learning_rate: 0.1", "learning_rate: 1e38")
    done = changeable.run("dvc", "repro")
    assert done.returncode != 0
    assert "choose a train.learning_rate below 1e+38" in done.stderr
    changed = {line[3:] for line in changeable.git("status", "--porcelain").splitlines()}
    assert changed <= {"conf/settings.yaml", "dvc.lock", "params.yaml"}


SETTINGS = [
    ("conf/data/digits.yaml", "  - scikit-learn:digits", "  - scikit-learn:digits\n  - /nowhere", {"fetch"}),
    ("conf/data/digits.yaml", "validation: 300", "validation: 299", {"preprocess", "train", "evaluate"}),
    ("conf/model/softmax.yaml", "pixel_divisor: 255 ", "pixel_divisor: 256 ", {"train", "evaluate"}),
    ("conf/train/sgd.yaml", "l2: 0 ", "l2: 0.001 ", {"train", "evaluate"}),
    ("conf/train/sgd.yaml", "shuffle: true ", "shuffle: false", {"train", "evaluate"}),
    ("conf/tracking/sqlite.yaml", "weight_images_every: 10 ", "weight_images_every: 0 ", {"train", "evaluate"}),
    ("conf/settings.yaml", "seed: 1 ", "seed: 2 ", {"train", "evaluate"}),
]


@pytest.mark.parametrize(("file", "old", "new", "stages"), SETTINGS, ids=[row[2].strip() for row in SETTINGS])
def test_setting_makes_the_stages_that_read_it_stale(
    file: str, old: str, new: str, stages: set[str], changeable: Project
) -> None:
    """If a key were missing from `params:` in dvc.yaml, DVC would call a stale result up to date."""
    changeable.set(file, old, new)
    assert changeable.run("dvc", "repro", "compose").returncode == 0
    status = json.loads(changeable.run("dvc", "status", "--json").stdout)
    stale = {name for name, changes in status.items() if any("params.yaml" in str(change) for change in changes)}
    assert stale == stages


def test_simultaneous_starts_have_separate_output_folders(changeable: Project) -> None:
    """Hydra's default folder names have a resolution of one second. Two starts would share one."""
    command = [sys.executable, "-m", "pipeline.preprocess"]
    processes = [subprocess.Popen(command, cwd=changeable.folder, env=changeable.environment()) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(list((changeable.folder / "outputs/preprocess").iterdir())) >= 3


def test_wrong_interpreter_is_reported(digits: Project) -> None:
    """Without the activated environment, `dvc repro` runs the first `python` on PATH. One line names the remedy."""
    done = digits.run(sys.executable, "-S", "-m", "pipeline.compose")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "make setup" in done.stderr


@pytest.mark.parametrize("option", ["--help", "--cfg=job"])
def test_help_and_configuration_are_printed(option: str, digits: Project) -> None:
    """Hydra's options --help and --cfg work."""
    done = digits.stage("train", option)
    assert done.returncode == 0
    assert "learning_rate: 0.1" in done.stdout
