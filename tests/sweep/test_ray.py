"""Sweeps over a Ray cluster of two nodes, both on this machine: results, failures and interrupts."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
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

# The nodes listen on loopback. They end when their standard input closes, so that killed tests leave none behind.
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
# Without the first setting Ray replaces 127.0.0.1 by this machine's network address, where the nodes do not listen.
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


pytestmark = pytest.mark.launchers


@dataclass(frozen=True)
class Nodes:
    """The cluster's address, and the process that is the ancestor of all of its processes."""

    address: str
    process: int

    def command(self, *overrides: str) -> list[str]:
        """Return the command of a sweep over the cluster."""
        launcher = ["hydra/launcher=ray", f"hydra.launcher.address={self.address}"]
        return [sys.executable, "-m", "pipeline.train", "-m", *launcher, *overrides]

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes that train a bank now."""
        descendants = psutil.Process(self.process).children(recursive=True)
        return [process for process in descendants if process.cmdline()[:1] == ["ray::_run_in_worker"]]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes with one CPU each. Their environment does not contain the project."""
    command = [sys.executable, "-c", NODES]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["RAY_worker_niceness"] = "0"  # by default Ray's workers get less CPU time than other running tests
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


def test_jobs_are_split_over_the_nodes_with_the_same_bytes(nodes: Nodes, changeable: Project) -> None:
    """Every node trains jobs, even if one bank could hold them all. Workers use the driver's tracking URI."""
    sweep = ["train.learning_rate=0.1,0.2,0.3,0.4", "train.epochs=3"]
    store = changeable.folder / "store"
    store.mkdir()
    command = nodes.command(*sweep, f"hydra.sweep.dir={changeable.folder}/ray")
    environment = LOOPBACK | {"MLFLOW_TRACKING_URI": f"sqlite:///{store}/mlflow.db"}
    done = changeable.run(*command, cwd=None, **environment)
    assert done.returncode == 0, done.stderr
    assert "Launching 4 jobs in 2 banks" in done.stdout
    assert "4 of 4 jobs finished" in done.stdout
    assert sorted(line.split(":")[0] for line in done.stdout.splitlines() if ", run " in line) == [
        f"job {number}" for number in range(4)
    ]
    used_nodes = [run.data.tags["ray.node"] for run in runs(store)]
    assert sorted(used_nodes.count(node) for node in set(used_nodes)) == [2, 2]
    local = changeable.stage("train", "-m", *sweep, f"hydra.sweep.dir={changeable.folder}/bank")
    assert local.returncode == 0, local.stderr
    assert len(list((changeable.folder / "bank").glob("*/model.keras"))) == 4
    for folder in (changeable.folder / "bank").glob("*_lr*"):
        for name in ("model.keras", "history.csv", "weights.png", ".hydra/config.yaml"):
            assert (folder / name).read_bytes() == (changeable.folder / "ray" / folder.name / name).read_bytes()


@pytest.mark.postgres
def test_two_nodes_and_one_process_log_the_same_to_a_server(nodes: Nodes, digits: Project, tmp_path: Path) -> None:
    """With an MLflow server on PostgreSQL: equal metrics to the last bit, the same best run, and one parent run."""
    grid = ("train.learning_rate=0.1,1e38,0.3", "train.batch_size=48,64", "train.epochs=3")
    with postgresql() as database, mlflow_server(tmp_path / "server", "--backend-store-uri", database) as url:
        results = []
        for launcher in ("bank", "ray"):
            project = digits.copy(tmp_path / launcher)
            overrides = [f"tracking.uri={url}", f"tracking.experiment={launcher}", f"hydra/launcher={launcher}"]
            if launcher == "ray":
                overrides.append(f"hydra.launcher.address={nodes.address}")
            done = project.run(sys.executable, "-m", "pipeline.train", "-m", *grid, *overrides, cwd=None, **LOOPBACK)
            assert done.returncode == 1, done.stderr
            children = {run.info.run_name: run for run in runs_of(MlflowClient(url), launcher)}
            (parent,) = parents_of(MlflowClient(url), launcher)
            assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
            best = next(name for name, run in children.items() if run.info.run_id == parent.data.tags["best_run_id"])
            jobs = {name: (run.info.status, run.data.metrics) for name, run in children.items()}
            results.append((best, jobs, parent.data.metrics))
    assert len(results[0][1]) == 6
    assert results[0] == results[1]


def test_jobs_of_a_worker_that_dies_fail_and_the_others_finish(nodes: Nodes, changeable: Project) -> None:
    """The error names the job in one line. No run stays RUNNING, and Ray does not retry the job."""
    command = nodes.command("train.epochs=1,1000000", "train.patience=1000000")
    with changeable.start(*command, **LOOPBACK) as process:
        until(lambda: statuses(changeable) == ["FINISHED", "RUNNING"] and len(nodes.workers()) == 1, process)
        (worker,) = nodes.workers()
        worker.kill()
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "1 of 2 jobs finished" in stdout
    (line,) = (line for line in stderr.splitlines() if line.startswith("error: job "))
    assert line.startswith("error: job 1 failed: the worker died (killed, or out of memory) (see ")
    assert Path(line.partition("(see ")[2].rstrip(")"), "train.log").is_file()
    assert "Traceback" not in stdout + stderr
    failed, finished = sorted(runs(changeable.folder), key=lambda run: str(run.info.status))
    assert (failed.info.status, finished.info.status) == ("FAILED", "FINISHED")
    assert failed.data.tags["failure"].startswith("the worker died")
    assert not nodes.workers()


def test_interrupted_sweep_ends_the_runs_on_all_nodes(nodes: Nodes, changeable: Project) -> None:
    """The runs are KILLED and keep their metrics. A bank that waits for a node leaves no run."""
    overrides = ("train.epochs=1000000", "train.patience=1000000", "train.batch_size=64,48,32")
    with changeable.start(*nodes.command(*overrides), **LOOPBACK) as process:
        until(lambda: statuses(changeable) == ["RUNNING", "RUNNING"], process)
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 143, stderr
    assert "Traceback" not in stdout + stderr
    children = runs(changeable.folder)
    assert {run.info.status for run in children} == {"KILLED"}
    assert all("valid/error" in run.data.metrics for run in children)


def test_unreachable_cluster_or_missing_ray_is_reported_in_one_line(changeable: Project) -> None:
    """The command fails at once. Ray itself retries for two minutes and prints many lines."""
    unreachable = Nodes("127.0.0.1:9", 0)
    done = changeable.run(*unreachable.command("train.learning_rate=0.1,0.2"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: the Ray cluster at 127.0.0.1:9 cannot be used ([Errno")
    assert done.stderr.count("\n") == 1
    argv = ["train", "-m", "hydra/launcher=ray", "train.learning_rate=0.1,0.2"]
    run_train = f"sys.argv = {argv!r}; runpy.run_module('pipeline.train', run_name='__main__')"
    done = changeable.run(sys.executable, "-c", f"import runpy, sys; sys.modules['ray'] = None; {run_train}")
    assert done.returncode == 2
    assert done.stderr == "error: hydra/launcher=ray is not installed: pip install -e '.[ray]'\n"
    assert "sweep of 2" not in done.stdout


def statuses(project: Project) -> list[str]:
    """Return the sorted statuses of the runs that have metrics; empty until two jobs have finished an epoch."""
    logs = [log.read_text() for log in project.folder.glob("outputs/sweep/*/*_lr*/train.log")]
    if sum("epoch 1: " in log for log in logs) < 2:
        return []  # the store may not exist yet
    return sorted(run.info.status for run in runs(project.folder) if "valid/error" in run.data.metrics)
