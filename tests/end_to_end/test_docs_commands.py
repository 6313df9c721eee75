"""Run every command of README and docs/ in its order in a fresh project, on real MNIST, and check what they state."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.support.environment import link_environment
from tests.support.pages import READER_PAGES, commands, text
from tests.support.project import ROOT, Project, create
from tests.support.servers import wait_for
from tests.support.stores import client_of, parents, runs

pytestmark = pytest.mark.mnist

README = text(READER_PAGES[0])
DOCS = "\n".join(map(text, READER_PAGES))
NOT_RUN = {
    "source .venv/bin/activate": "the environment is active already",
    "MLFLOW_TRACKING_URI=sqlite:///mlflow.db mlflow models serve -m models:/mnist@champion --env-manager local "
    "--port 5003": "tests/comparison serves the champion",
    **{f"pip install -e '.[{extra}]'": "the development environment has it" for extra in ("joblib", "ray")},
    "pip install -e '.[submitit]'": "no Slurm cluster is here",
    "make bench": "it takes eighteen minutes; tests/test_benchmarks.py runs parts of it",
}
RESTORES = "dvc repro"  # the one command that is worth running again: data.md brings MNIST back with it
# Commands that run until they are interrupted, and an address that answers while they do.
SERVERS = {
    "make ui": "http://127.0.0.1:5001/ajax-api/2.0/mlflow/experiments/get-by-name?experiment_name=mnist",
    "mkdir -p ../mlflow-server && cd ../mlflow-server && mlflow server --port 5002": "http://127.0.0.1:5002/health",
}

Typed = tuple[Project, dict[str, str]]  # the project, and the stdout of each command


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """A project in which the commands have been run, each once, and the stdout of each command."""
    created = create(tmp_path_factory.mktemp("docs") / "project")
    link_environment(created.folder / ".venv")
    printed: dict[str, str] = {}
    for page in READER_PAGES:
        with ExitStack() as servers:
            for command in commands(page):
                if command in SERVERS:
                    printed[command] = servers.enter_context(serving(created, command))
                elif command not in NOT_RUN and (command not in printed or command == RESTORES):
                    done = created.run("bash", "-c", command)
                    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
                    printed.setdefault(command, done.stdout)
    return created, printed


@contextmanager
def serving(project: Project, command: str) -> Iterator[str]:
    """Run a server's command, and yield its first answer."""
    with pytest.raises(requests.RequestException):
        requests.get(SERVERS[command], timeout=5)  # else another program has its port
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=project.folder, env=project.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(SERVERS[command], process)
        yield requests.get(SERVERS[command], timeout=5).text
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def test_exceptions_are_commands_of_the_pages() -> None:
    """A command that is no longer in a page needs no exception."""
    assert {*NOT_RUN, *SERVERS} <= {command for page in READER_PAGES for command in commands(page)}


def test_repro_on_mnist_reaches_the_stated_error(typed: Typed) -> None:
    """The test error is at most 7.8 %. That leaves some room for the rounding of other processors."""
    _, printed = typed
    error = re.search(r"test error (\S+) %, loss (\S+) nats, over 10000 images", printed["make repro"])
    assert error is not None
    assert float(error[1]) <= 7.8


def test_second_repro_is_up_to_date(typed: Typed) -> None:
    """After the README's commands, neither `dvc repro` nor `make repro` runs a stage."""
    project, printed = typed
    assert "Data and pipelines are up to date." in printed["dvc repro"]
    done = project.run("make", "repro")
    assert "Data and pipelines are up to date." in done.stdout


def test_tutorial_preset_gives_the_stated_metrics(typed: Typed) -> None:
    """The printed line and the logged metrics of the preset equal the README's, to the last digit."""
    project, printed = typed
    line = "74 epochs, best validation error 7.500000 %, test error 7.489583 %"
    assert line in DOCS
    assert line in printed["python -m pipeline.train experiment=theano_tutorial"].splitlines()
    run = next(run for run in runs(project.folder, "mnist") if "theano_tutorial" in run.info.run_name)
    assert run.data.metrics["best/valid_error"] == 720 / 9600
    assert run.data.metrics["best/epoch"] == 73
    assert run.data.metrics["test/error"] == 719 / 9600
    history = client_of(project.folder).get_metric_history(run.info.run_id, "train/loss")
    assert max(point.step for point in history) == 74


def test_sweeps_leave_finished_runs(typed: Typed) -> None:
    """The command line and the preset name the same grid, which is trained once. No job of any sweep fails."""
    project, printed = typed
    multirun = "python -m pipeline.train --multirun train.learning_rate=0.03,0.1,0.3 train.batch_size=64,256,600"
    assert "9 of 9 jobs finished, 1 skipped" in printed["python -m pipeline.train +sweep=grid"]
    assert "9 of 9 jobs finished, 9 skipped" in printed[multirun]
    assert "0 of 9 jobs would run" in printed["python -m pipeline.train +sweep=grid sweep.dry_run=true"]
    assert (
        "9 of 9 jobs finished: run" in printed["python -m pipeline.train +sweep=grid train.epochs=1 sweep.rerun=true"]
    )
    sweeps = parents(project.folder, "mnist")
    assert sorted(parent.data.metrics["jobs"] for parent in sweeps) == [4, 9, 9, 10, 16, 16]
    assert {parent.info.status for parent in sweeps} == {"FINISHED"}
    for parent in sweeps:
        counts = {name: parent.data.metrics[f"jobs/{name}"] for name in ("finished", "pruned", "failed")}
        assert counts["failed"] == 0
        assert counts["finished"] + counts["pruned"] == parent.data.metrics["jobs"]


def test_experiment_in_a_temporary_workspace_keeps_its_run(typed: Typed) -> None:
    """`dvc exp run --temp` deletes its workspace. The run and its artifacts are in the project's store."""
    project, _ = typed
    (run,) = (run for run in runs(project.folder, "mnist") if "dvc.experiment" in run.data.tags)
    assert run.info.run_name == "lr=0.3 batch=64"
    assert run.info.status == "FINISHED"
    assert "test/error" in run.data.metrics
    assert Path(run.info.artifact_uri.removeprefix("file://")).is_relative_to(project.folder / "mlartifacts")
    assert project.git("status", "--short", "conf") == ""


def test_reference_has_what_runs_have(typed: Typed) -> None:
    """Every metric, tag and artifact of the runs is in docs/reference.md."""
    project, _ = typed
    page, client = text(ROOT / "docs/reference.md"), client_of(project.folder)
    for run in [*runs(project.folder, "mnist"), *parents(project.folder, "mnist")]:
        names = [re.sub(r"/\d+$", "/LABEL", name) for name in run.data.metrics]
        names += [name for name in run.data.tags if not name.startswith("mlflow.")]
        names += [f"{file.path}/" if file.is_dir else file.path for file in client.list_artifacts(run.info.run_id)]
        missing = {re.sub(r"^importance/.*", "importance/SETTING", name) for name in names}
        assert {name for name in missing if f"`{name}`" not in page} == set(), run.info.run_name


def test_readme_shows_the_commands_that_apply_the_best(typed: Typed) -> None:
    """README contains the last lines that the sweep prints."""
    _, printed = typed
    last_lines = printed["python -m pipeline.train +sweep=grid"].splitlines()[-3:-1]
    assert all(line.strip() in README for line in last_lines)


def test_commands_about_runs_work_on_the_first_run(typed: Typed) -> None:
    """compare, promote, reproduce, report and optimum print what the README states."""
    project, printed = typed
    compared = printed['python -m pipeline.compare models "lr=0.3 batch=600"']
    assert re.search(r"^lr=0.3 batch=600 makes .*(evidence of a|real) difference \(p = ", compared, re.MULTILINE)
    assert "| train.batch_size" in printed['python -m pipeline.compare models "lr=0.3 batch=600" --markdown']
    run_id = (project.folder / "models/run_id").read_text().strip()
    promoted = f"run {run_id} is now version 1 of mnist and its champion\n"
    assert printed["python -m pipeline.promote models"].startswith(promoted)
    assert f"run {run_id} (lr=0.1 batch=64) is identical: " in printed["python -m pipeline.reproduce models"]
    page = project.folder / printed["python -m pipeline.report models"].splitlines()[0]
    assert "lr=0.1 batch=64" in page.read_text()
    run = client_of(project.folder).get_run(run_id)
    assert run.data.metrics["test/error_low"] < run.data.metrics["test/error"] < run.data.metrics["test/error_high"]
    assert re.search(
        r"^training objective \S+ nats, at least ", printed["python -m pipeline.optimum models"], re.MULTILINE
    )
    assert 0 < run.data.metrics["train/objective_gap"] < 0.1


def test_digits_in_pictures_are_predicted(typed: Typed) -> None:
    """The model of the first run and the champion recognize the README's example pictures."""
    project, printed = typed
    digits = {"thin-7.png": 7, "white-on-black-3.png": 3, "shadow-4.jpg": 4}
    lines = "\n".join(printed[command] for command in printed if "pipeline.predict" in command).splitlines()
    for name, digit in digits.items():
        (predicted,) = {line.split()[1] for line in lines if line.startswith(f"docs/digits/{name}")}
        assert predicted == str(digit)
    assert (project.folder / "outputs/seen.png").stat().st_size > 1000


def test_stated_test_error_and_loss_are_near_the_measured_ones(typed: Typed) -> None:
    """The test error is within 0.5 percentage points of the README's, and the loss within 0.01 nats."""
    _, printed = typed
    stated = re.search(r"^test error (\S+) %, loss (\S+) nats", README, re.MULTILINE)
    measured = re.search(r"^test error (\S+) %, loss (\S+) nats", printed["make repro"], re.MULTILINE)
    assert stated is not None
    assert measured is not None
    assert float(measured[1]) == pytest.approx(float(stated[1]), abs=0.5)
    assert float(measured[2]) == pytest.approx(float(stated[2]), abs=0.01)


def test_servers_answer(typed: Typed) -> None:
    """`make ui` serves the project's store on loopback, and a run is uploaded to the server of machines.md."""
    project, printed = typed
    assert json.loads(printed["make ui"])["experiment"]["name"] == "mnist"
    (run,) = runs(project.folder.parent / "mlflow-server", "mnist")
    assert run.info.status == "FINISHED"
    assert printed["python -m pipeline.upload models"].startswith("nothing is left to be written in models\n")


def test_data_of_another_set_leave_no_trace(typed: Typed) -> None:
    """The commands of data.md train on the digits, and bring MNIST back."""
    project, printed = typed
    assert "1200 training, 300 validation and 297 test images" in printed["python -m pipeline.preprocess data=digits"]
    summary = json.loads((project.folder / "prepared/summary.json").read_text())
    assert [summary[name]["images"] for name in ("train", "valid", "test")] == [50_000, 10_000, 10_000]
    assert project.git("status", "--short", "data.dvc") == ""
