"""Every command in the README, typed in its order in a fresh project, on real MNIST; and what it promises of them."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from tests.support import project
from tests.support.project import ROOT, Project
from tests.support.stores import client_of, parents, runs

pytestmark = pytest.mark.mnist

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
# Run by other means: these tests are what `make test` runs, the environment is active here, and the UI does not end.
ELSEWHERE = {"make test", "source .venv/bin/activate", "make ui"}


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, str]]:
    """A project in which the README's commands have been run, and what each printed."""
    made = project.create(tmp_path_factory.mktemp("readme") / "project")
    _lend_environment(made.folder / ".venv")
    printed = {}
    for command in COMMANDS:
        if command not in ELSEWHERE:
            done = made.run(*shlex.split(command))
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            printed[command] = done.stdout
    return made, printed


def _lend_environment(folder: Path) -> None:
    """Programs of the repository's own environment, which make takes for installed and leaves alone."""
    folder.mkdir()
    for part in (ROOT / ".venv").iterdir():
        if not part.name.startswith("installed"):
            (folder / part.name).symlink_to(part)
    for stamp in ("installed", "installed-dev"):
        (folder / stamp).touch()


def test_readme_has_the_commands() -> None:
    """The extraction has not gone blind."""
    assert {"make repro", "make test", "make ui", "python -m pipeline.train +sweep=grid"} <= set(COMMANDS)


def test_repro_on_real_mnist_reaches_the_promised_error(typed: tuple[Project, dict[str, str]]) -> None:
    """At most 7.8 %: what this model can do, with some room for other processors."""
    made, printed = typed
    error = re.search(r"test error (\S+) %, loss (\S+) nats, over 10000 images", printed["make repro"])
    assert error is not None
    assert float(error[1]) <= 7.8
    summary = json.loads((made.folder / "prepared/summary.json").read_text())
    assert [summary[name]["images"] for name in ("train", "valid", "test")] == [50_000, 10_000, 10_000]


def test_second_repro_is_up_to_date(typed: tuple[Project, dict[str, str]]) -> None:
    """Nothing runs."""
    made, printed = typed
    assert "Data and pipelines are up to date." in printed["dvc repro"]
    again = made.run("make", "repro")
    assert "Data and pipelines are up to date." in again.stdout


def test_tutorial_gives_its_published_figures(typed: tuple[Project, dict[str, str]]) -> None:
    """To the last digit, printed and logged."""
    made, printed = typed
    line = "74 epochs, best validation error 7.500000 %, test error 7.489583 %"
    assert line in README
    assert line in printed["python -m pipeline.train experiment=theano_tutorial"].splitlines()
    run = next(run for run in runs(made.folder, "mnist") if "theano_tutorial" in run.info.run_name)
    assert run.data.metrics["best/valid_error"] == 720 / 9600
    assert run.data.metrics["best/epoch"] == 73
    assert run.data.metrics["test/error"] == 719 / 9600
    history = client_of(made.folder).get_metric_history(run.info.run_id, "train/loss")
    assert max(point.step for point in history) == 74


def test_sweeps_leave_finished_runs(typed: tuple[Project, dict[str, str]]) -> None:
    """The command line and the preset name the same grid, which is trained once; no job of any sweep fails."""
    made, printed = typed
    multirun = next(command for command in COMMANDS if "--multirun" in command and "l2" not in command)
    assert "9 of 9 jobs finished, 2 skipped" in printed[multirun]
    assert "9 of 9 jobs finished, 9 skipped" in printed["python -m pipeline.train +sweep=grid"]
    assert "0 of 9 jobs would run" in printed["python -m pipeline.train +sweep=grid sweep.dry_run=true"]
    assert (
        "9 of 9 jobs finished: run" in printed["python -m pipeline.train +sweep=grid train.epochs=2 sweep.rerun=true"]
    )
    found = parents(made.folder, "mnist")
    assert sorted(run.data.metrics["jobs"] for run in found) == [9, 9, 48, 64]
    assert {run.info.status for run in found} == {"FINISHED"}
    for parent in found:
        counts = {name: parent.data.metrics[f"jobs/{name}"] for name in ("finished", "pruned", "failed")}
        assert counts["failed"] == 0
        assert counts["finished"] + counts["pruned"] == parent.data.metrics["jobs"]


def test_told_command_puts_the_best_into_conf(typed: tuple[Project, dict[str, str]]) -> None:
    """The README shows the very lines that the sweep ends with."""
    _, printed = typed
    ends = printed["python -m pipeline.train +sweep=grid"].splitlines()[-3:-1]
    assert all(line.strip() in README for line in ends)


def test_run_of_repro_answers_for_itself(typed: tuple[Project, dict[str, str]]) -> None:
    """What the commands about runs say of the first one: compared, promoted, reproduced to the byte, told on a page."""
    made, printed = typed
    compared = printed['python -m pipeline.compare models "lr=0.3 batch=600"']
    assert re.search(r"^lr=0.3 batch=600 makes .*(evidence of a|real) difference \(p = ", compared, re.MULTILINE)
    assert "| train.batch_size" in printed['python -m pipeline.compare models "lr=0.3 batch=600" --markdown']
    run_id = (made.folder / "models/run_id").read_text().strip()
    assert printed["python -m pipeline.promote models"] == f"run {run_id} is now version 1 of mnist and its champion\n"
    assert f"run {run_id} (lr=0.1 batch=64) is identical: " in printed["python -m pipeline.reproduce models"]
    page = made.folder / printed["python -m pipeline.report models"].split()[-1]
    assert "lr=0.1 batch=64" in page.read_text()
    run = client_of(made.folder).get_run(run_id)
    assert run.data.metrics["test/error_low"] < run.data.metrics["test/error"] < run.data.metrics["test/error_high"]
    assert re.search(
        r"^training objective \S+ nats, at least ", printed["python -m pipeline.optimum models"], re.MULTILINE
    )
    assert 0 < run.data.metrics["train/objective_gap"] < 0.1


def test_pictures_of_digits_are_read(typed: tuple[Project, dict[str, str]]) -> None:
    """As the README shows, by the model of the first run, which is the champion too."""
    made, printed = typed
    drawn = {"thin-7.png": 7, "white-on-black-3.png": 3, "shadow-4.jpg": 4}
    lines = "\n".join(printed[command] for command in COMMANDS if "pipeline.predict" in command).splitlines()
    for name, digit in drawn.items():
        (said,) = {line.split()[1] for line in lines if line.startswith(f"docs/digits/{name}")}
        assert said == str(digit)
    assert (made.folder / "outputs/seen.png").stat().st_size > 1000


def test_shown_results_are_those_of_this_machine_or_near(typed: tuple[Project, dict[str, str]]) -> None:
    """The figures in the README were measured, and stay true to half a point."""
    _, printed = typed
    shown = re.search(r"^test error (\S+) %, loss (\S+) nats", README, re.MULTILINE)
    found = re.search(r"^test error (\S+) %, loss (\S+) nats", printed["make repro"], re.MULTILINE)
    assert shown is not None
    assert found is not None
    assert float(found[1]) == pytest.approx(float(shown[1]), abs=0.5)
    assert float(found[2]) == pytest.approx(float(shown[2]), abs=0.01)


def test_ui_serves_the_runs(typed: tuple[Project, dict[str, str]]) -> None:
    """`make ui`, on loopback, until it is interrupted."""
    made, _ = typed
    with socket.socket() as port:
        assert port.connect_ex(("127.0.0.1", 5001)) != 0, "port 5001 is taken: stop what listens there"
    process = subprocess.Popen(
        ["make", "ui"], cwd=made.folder, env=made.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        found = _when_up("http://127.0.0.1:5001/ajax-api/2.0/mlflow/experiments/get-by-name?experiment_name=mnist")
        assert found["experiment"]["name"] == "mnist"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _when_up(url: str) -> dict[str, dict[str, str]]:
    """The server's answer, once it gives one."""
    end = time.monotonic() + 120
    while True:
        try:
            answer: dict[str, dict[str, str]] = requests.get(url, timeout=5).json()
        except requests.RequestException:
            assert time.monotonic() < end, "the UI does not come up"
        else:
            return answer


def test_pictures_of_the_readme_exist() -> None:
    """A broken picture is the first thing that a visitor sees."""
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (Path(ROOT) / picture).stat().st_size > 1000
