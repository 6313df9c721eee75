"""A sweep over a Ray cluster of two nodes, both on this machine: banks on each, and no end that is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from tests.support.postgres import postgresql
from tests.support.project import Project
from tests.support.servers import mlflow_server
from tests.support.stores import parents_of, runs, runs_of
from tests.support.waiting import until

# The nodes listen on loopback, and end with their standard input: also where the tests are killed.
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster()
for _ in range(2):
    cluster.add_node(num_cpus=1, node_ip_address="127.0.0.1", include_dashboard=False)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
# Without it Ray takes 127.0.0.1 for this machine's address in its network, where these nodes do not listen.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


pytestmark = pytest.mark.launchers


@dataclass(frozen=True)
class Nodes:
    """The cluster's address, and the process below which all of its processes are."""

    address: str
    process: int

    def command(self, *words: str) -> list[str]:
        """A sweep over the cluster."""
        ray = ["hydra/launcher=ray", f"hydra.launcher.address={self.address}"]
        return [sys.executable, "-m", "pipeline.train", "-m", *ray, *words]

    def workers(self) -> list[psutil.Process]:
        """The processes that train a bank now."""
        below = psutil.Process(self.process).children(recursive=True)
        return [process for process in below if process.cmdline()[:1] == ["ray::_work"]]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes of one processor each, which know nothing of the project."""
    command = [sys.executable, "-c", NODES]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["RAY_worker_niceness"] = "0"  # Ray's workers would wait for all other tests, of which one runs beside
    with subprocess.Popen(
        command,
        cwd=tmp_path_factory.mktemp("nodes"),
        env=environment | LOOPBACK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield Nodes(process.stdout.readline().strip(), process.pid)
        process.communicate(timeout=120)


def test_a_group_is_split_over_the_nodes_with_the_same_bytes(nodes: Nodes, changeable: Project) -> None:
    """Every node has work, also where one bank would hold all; MLflow is the one that the driver was given."""
    swept = ["train.learning_rate=0.1,0.2,0.3,0.4", "train.epochs=3"]
    given = changeable.folder / "given"
    given.mkdir()
    command = nodes.command(*swept, f"hydra.sweep.dir={changeable.folder}/ray")
    environment = LOOPBACK | {"MLFLOW_TRACKING_URI": f"sqlite:///{given}/mlflow.db"}
    done = changeable.run(*command, cwd=None, **environment)
    assert done.returncode == 0, done.stderr
    assert "Launching 4 jobs in 2 banks" in done.stdout
    assert "4 of 4 jobs finished" in done.stdout
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines() if ", run " in line) == [
        f"job {number}" for number in range(4)
    ]
    trained = [run.data.tags["ray.node"] for run in runs(given)]
    assert sorted(trained.count(node) for node in set(trained)) == [2, 2]
    alone = changeable.stage("train", "-m", *swept, f"hydra.sweep.dir={changeable.folder}/bank")
    assert alone.returncode == 0, alone.stderr
    assert len(list((changeable.folder / "bank").glob("*/model.keras"))) == 4
    for folder in (changeable.folder / "bank").glob("*_lr*"):
        for name in ("model.keras", "history.csv", "weights.png", ".hydra/config.yaml"):
            assert (folder / name).read_bytes() == (changeable.folder / "ray" / folder.name / name).read_bytes()


@pytest.mark.postgres
def test_two_nodes_give_on_a_server_what_one_process_does(nodes: Nodes, digits: Project, tmp_path: Path) -> None:
    """On PostgreSQL: the same metrics to the last bit, the same best, children of one parent."""
    grid = ("train.learning_rate=0.1,1e38,0.3", "train.batch_size=48,64", "train.epochs=3")
    with postgresql() as database, mlflow_server(tmp_path / "server", "--backend-store-uri", database) as url:
        described = []
        for launcher in ("bank", "ray"):
            project = digits.copy(tmp_path / launcher)
            where = (f"tracking.uri={url}", f"tracking.experiment={launcher}", f"hydra/launcher={launcher}")
            more = [f"hydra.launcher.address={nodes.address}"] if launcher == "ray" else []
            done = project.run(sys.executable, "-m", "pipeline.train", "-m", *grid, *where, *more, cwd=None, **LOOPBACK)
            assert done.returncode == 1, done.stderr
            found = {run.info.run_name: run for run in runs_of(MlflowClient(url), launcher)}
            (parent,) = parents_of(MlflowClient(url), launcher)
            assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}
            best = next(name for name, run in found.items() if run.info.run_id == parent.data.tags["best_run_id"])
            jobs = {name: (run.info.status, run.data.metrics) for name, run in found.items()}
            described.append((best, jobs, parent.data.metrics))
    assert len(described[0][1]) == 6
    assert all(each == described[0] for each in described)


def test_jobs_of_a_worker_that_dies_fail_and_the_others_finish(nodes: Nodes, changeable: Project) -> None:
    """By name and in one line, as from too little memory; nothing is left RUNNING, nothing is tried again."""
    command = nodes.command("train.epochs=1,1000000", "train.patience=1000000")
    with started(changeable, command) as process:
        until(lambda: seen(changeable) == ["FINISHED", "RUNNING"] and len(nodes.workers()) == 1, process)
        (worker,) = nodes.workers()
        worker.kill()
        printed, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "1 of 2 jobs finished" in printed
    (line,) = (line for line in told.splitlines() if line.startswith("error: job "))
    assert line.startswith("error: job 1 failed: the worker died (killed, or out of memory) (see ")
    assert Path(line.partition("(see ")[2].rstrip(")"), "train.log").is_file()
    assert "Traceback" not in printed + told
    failed, finished = sorted(runs(changeable.folder), key=lambda run: str(run.info.status))
    assert (failed.info.status, finished.info.status) == ("FAILED", "FINISHED")
    assert failed.data.tags["failure"].startswith("the worker died")
    assert not nodes.workers()


def test_interrupted_sweep_ends_the_runs_on_all_nodes(nodes: Nodes, changeable: Project) -> None:
    """As KILLED, with what was measured; a bank that still waited for a node leaves no run."""
    words = ("train.epochs=1000000", "train.patience=1000000", "train.batch_size=64,48,32")
    with started(changeable, nodes.command(*words)) as process:
        until(lambda: seen(changeable) == ["RUNNING", "RUNNING"], process)
        process.send_signal(signal.SIGTERM)
        printed, told = process.communicate(timeout=120)
    assert process.returncode == 143, told
    assert "Traceback" not in printed + told
    found = runs(changeable.folder)
    assert {run.info.status for run in found} == {"KILLED"}
    assert all("valid/error" in run.data.metrics for run in found)


def test_what_keeps_ray_from_working_is_told_in_one_line(changeable: Project) -> None:
    """At once: Ray alone tries for two minutes, over many lines."""
    unreachable = Nodes("127.0.0.1:9", 0).command("train.learning_rate=0.1,0.2")
    done = changeable.run(*unreachable)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the Ray cluster at 127.0.0.1:9 cannot be used ([Errno")
    assert done.stderr.count("\n") == 1
    words = ["train", "-m", "hydra/launcher=ray", "train.learning_rate=0.1,0.2"]
    start = f"sys.argv = {words!r}; runpy.run_module('pipeline.train', run_name='__main__')"
    done = changeable.run(sys.executable, "-c", f"import runpy, sys; sys.modules['ray'] = None; {start}")
    assert done.returncode == 2
    assert done.stderr == "error: hydra/launcher=ray needs Ray: pip install -e '.[ray]'\n"


@contextmanager
def started(project: Project, command: list[str]) -> "Iterator[subprocess.Popen[str]]":
    """The command, which does not outlive the test."""
    with subprocess.Popen(
        command,
        cwd=project.folder,
        env=project.environment(**LOOPBACK),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def seen(project: Project) -> list[str]:
    """The states of the runs that have metrics, once two jobs have come to their first epoch."""
    logs = [log.read_text() for log in project.folder.glob("outputs/sweep/*/*_lr*/train.log")]
    if sum("epoch 1: " in log for log in logs) < 2:
        return []  # the store may not be there yet
    return sorted(run.info.status for run in runs(project.folder) if "valid/error" in run.data.metrics)
