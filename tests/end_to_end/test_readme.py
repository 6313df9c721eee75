"""Run every command of the README in its order in a fresh project, on real MNIST, and check what the README states."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time

import pytest
import requests

from tests.support.environment import link_environment
from tests.support.project import ROOT, Project, create
from tests.support.stores import client_of, parents, runs

pytestmark = pytest.mark.mnist

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
# `make test` runs these tests, the environment is active already, and `make ui` does not end: it has its own test.
EXCLUDED = {"make test", "source .venv/bin/activate", "make ui"}

Typed = tuple[Project, dict[str, str]]  # the project, and the stdout of each command


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """A project in which the README's commands have been run, and the stdout of each command."""
    created = create(tmp_path_factory.mktemp("readme") / "project")
    link_environment(created.folder / ".venv")
    printed = {}
    for command in COMMANDS:
        if command not in EXCLUDED:
            done = created.run(*shlex.split(command))
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            printed[command] = done.stdout
    return created, printed


def test_commands_are_extracted() -> None:
    """The regular expression still extracts the README's commands."""
    assert {"make repro", "make test", "make ui", "python -m pipeline.train +sweep=grid"} <= set(COMMANDS)


def test_repro_on_mnist_reaches_the_stated_error(typed: Typed) -> None:
    """The test error is at most 7.8 %. That leaves some room for the rounding of other processors."""
    project, printed = typed
    error = re.search(r"test error (\S+) %, loss (\S+) nats, over 10000 images", printed["make repro"])
    assert error is not None
    assert float(error[1]) <= 7.8
    summary = json.loads((project.folder / "prepared/summary.json").read_text())
    assert [summary[name]["images"] for name in ("train", "valid", "test")] == [50_000, 10_000, 10_000]


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
    assert line in README
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
    multirun = next(command for command in COMMANDS if "--multirun" in command and "l2" not in command)
    assert "9 of 9 jobs finished, 2 skipped" in printed[multirun]
    assert "9 of 9 jobs finished, 9 skipped" in printed["python -m pipeline.train +sweep=grid"]
    assert "0 of 9 jobs would run" in printed["python -m pipeline.train +sweep=grid sweep.dry_run=true"]
    assert (
        "9 of 9 jobs finished: run" in printed["python -m pipeline.train +sweep=grid train.epochs=2 sweep.rerun=true"]
    )
    sweeps = parents(project.folder, "mnist")
    assert sorted(parent.data.metrics["jobs"] for parent in sweeps) == [9, 9, 48, 64]
    assert {parent.info.status for parent in sweeps} == {"FINISHED"}
    for parent in sweeps:
        counts = {name: parent.data.metrics[f"jobs/{name}"] for name in ("finished", "pruned", "failed")}
        assert counts["failed"] == 0
        assert counts["finished"] + counts["pruned"] == parent.data.metrics["jobs"]


def test_readme_shows_the_commands_that_apply_the_best(typed: Typed) -> None:
    """The README contains the last lines that the sweep prints."""
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
    assert printed["python -m pipeline.promote models"] == f"run {run_id} is now version 1 of mnist and its champion\n"
    assert f"run {run_id} (lr=0.1 batch=64) is identical: " in printed["python -m pipeline.reproduce models"]
    page = project.folder / printed["python -m pipeline.report models"].split()[-1]
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
    lines = "\n".join(printed[command] for command in COMMANDS if "pipeline.predict" in command).splitlines()
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


def test_ui_serves_the_runs(typed: Typed) -> None:
    """`make ui` serves the project's store on loopback."""
    project, _ = typed
    with socket.socket() as port:
        assert port.connect_ex(("127.0.0.1", 5001)) != 0, "port 5001 is taken: stop what listens there"
    process = subprocess.Popen(
        ["make", "ui"], cwd=project.folder, env=project.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        answer = _get_json("http://127.0.0.1:5001/ajax-api/2.0/mlflow/experiments/get-by-name?experiment_name=mnist")
        assert answer["experiment"]["name"] == "mnist"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _get_json(url: str) -> dict[str, dict[str, str]]:
    """Return the server's answer; retry until the server is up."""
    end = time.monotonic() + 120
    while True:
        try:
            answer: dict[str, dict[str, str]] = requests.get(url, timeout=5).json()
        except requests.RequestException:
            assert time.monotonic() < end, f"{url} does not answer within 120 s"
        else:
            return answer


def test_pictures_of_the_readme_exist() -> None:
    """Every image that the README links is in the repository."""
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).stat().st_size > 1000
