"""DVC's experiments and MLflow's runs are one history."""

import json
import subprocess
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.stores import runs
from tests.support.waiting import until

RATES = (0.2, 0.3)


@pytest.mark.repro
def test_queued_experiments_have_the_same_names_and_figures_in_dvc_and_mlflow(changeable: Project) -> None:
    """DVC makes the names when it queues the experiments. They name the runs on the command line, too."""
    rates = f"conf/settings.yaml:train.learning_rate={','.join(map(str, RATES))}"
    settings = ("-S", "conf/settings.yaml:train.epochs=1", "-S", rates)
    queued = changeable.run("dvc", "exp", "run", "--queue", *settings)
    assert queued.returncode == 0, queued.stderr
    run_queue(changeable, len(RATES))
    shown = experiments(changeable)
    stored = {run.data.tags["dvc.experiment"]: run for run in runs(changeable.folder)}
    assert len(runs(changeable.folder)) == len(stored) == len(RATES)
    assert stored.keys() == shown.keys()
    for name, run in stored.items():
        assert run.data.tags["dvc.baseline"] == changeable.git("rev-parse", "HEAD")
        rate = shown[name]["params"]["params.yaml"]["data"]["train"]["learning_rate"]
        assert run.data.params["train.learning_rate"] == str(rate)
        measured = shown[name]["metrics"]["reports/metrics.json"]["data"]
        assert {metric: run.data.metrics[metric] for metric in ("test/error", "test/loss")} == {
            metric: measured[metric] for metric in ("test/error", "test/loss")
        }
    assert {float(run.data.params["train.learning_rate"]) for run in stored.values()} == set(RATES)
    first, second = shown
    compared = changeable.stage("compare", first, second, "--csv")
    assert compared.returncode == 0, compared.stderr
    ids = [stored[name].info.run_id[:8] for name in (first, second)]
    assert f"run,{','.join(ids)}" in compared.stdout.splitlines()


def run_queue(project: Project, count: int) -> None:
    """Run the queued experiments with one worker, and wait until it has ended."""
    celery = project.folder / ".dvc/tmp/exps/celery"
    # Not captured: the worker inherits the streams, and would keep them open until it has waited for more to do.
    subprocess.run(
        ["dvc", "queue", "start", "--jobs", "1"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    until(lambda: len(list((celery / "result").glob("*"))) == count)
    stopped = project.run("dvc", "queue", "stop")
    assert stopped.returncode == 0, stopped.stderr
    until(lambda: json.loads((celery / "dvc-exp-worker-1.json").read_text())["returncode"] is not None)


def experiments(project: Project) -> dict[str, Any]:
    """The experiments of the checkout's commit as `dvc exp show` has them: names, and params and metrics."""
    head = project.git("rev-parse", "HEAD")
    shown = json.loads(project.run("dvc", "exp", "show", "--json").stdout)
    (baseline,) = (entry for entry in shown if entry["rev"] == head)
    revisions = (experiment["revs"][0] for experiment in baseline["experiments"])
    return {revision["name"]: revision["data"] for revision in revisions}
