"""hydra/launcher=ray: a sweep's banks, spread over the nodes of a Ray cluster."""

import math
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from omegaconf import open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from pipeline.core import signals
from pipeline.core.app import JobFailed
from pipeline.core.errors import Terminated, UserError
from pipeline.core.paths import ROOT
from pipeline.core.text import redact
from pipeline.sweep.bank_launcher import BankLauncher, grouped, run_bank
from pipeline.sweep.hydra_job import BankJob
from pipeline.sweep.sweep_job import tracking_of
from pipeline.tracking import GIVEN_URI

CONNECT_SECONDS = 10
END_SECONDS = 60  # that interrupted workers have to end their runs


class RayLauncher(BankLauncher):
    """The bank launcher, but each bank trains on a node of the cluster, all nodes at the same time."""

    def __init__(self, heads: int, address: str | None) -> None:
        super().__init__(heads)
        self.address = address

    def run(self, jobs: list[BankJob]) -> None:
        """Run the jobs in banks that leave no node without work."""
        with _cluster(self.address) as ray:
            # A node without processors, as the head of a large cluster often is, only directs.
            nodes = [
                node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
            ]
            if not nodes:
                raise UserError("the Ray cluster has no node with a processor: add one with `ray start --address=...`")
            banks = grouped(jobs, min(self.heads, math.ceil(len(jobs) / len(nodes))))
            # A bank uses all of its node, so it asks for all; the smallest node must be able to give it.
            task = ray.remote(
                num_cpus=min(node["CPU"] for node in nodes),
                num_gpus=min(node.get("GPU", 0) for node in nodes),
                max_retries=0,
                scheduling_strategy="SPREAD",
            )(_work)
            state = ray.put((Singleton.get_state(), _settings()))
            _follow(ray, {task.remote(state, bank): bank for bank in banks})


@contextmanager
def _cluster(address: str | None) -> Iterator[ModuleType]:
    """Ray, connected to the cluster."""
    where = os.environ.get("RAY_ADDRESS") if address in (None, "auto") else address
    where = where or address or "local"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if where == "local":
        # Ray's only way to listen on loopback alone, told before it is imported; on the systems of this name it does so
        # by itself. It takes even `_node_ip_address="127.0.0.1"` for this machine's address in its network.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    try:
        import ray
    except ImportError as error:
        raise UserError("hydra/launcher=ray needs Ray: pip install -e '.[ray]'") from error
    try:
        if where not in ("auto", "local") and "://" not in where:
            _knock(where)  # Ray itself would wait for minutes
        ray.init(
            where,
            include_dashboard=False,
            logging_level="error",
            log_to_driver=False,  # what jobs say comes back with their results, without loss at the end
            runtime_env={"env_vars": _environment()},
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the Ray cluster at {where} cannot be used ({reason}): start it with `ray start --head`, set "
            "RAY_AUTH_MODE=token if it has one, or choose another one with hydra.launcher.address or RAY_ADDRESS"
        ) from error
    signals.listen()  # Ray has put its own handler in the place of ours
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _environment() -> dict[str, str]:
    """What workers need when they start, and Ray shows to everybody: where the code is, and which store."""
    told = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    if GIVEN_URI is not None:
        told["MLFLOW_TRACKING_URI"] = GIVEN_URI
    return told


def _settings() -> dict[str, str]:
    """What else they need of this process's environment, which may be secret: how MLflow is reached."""
    kept = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_") or key == "HYDRA_FULL_ERROR"}
    kept.pop("MLFLOW_TRACKING_URI", None)  # which MLflow may have written
    return kept


@dataclass
class _Worked:
    """What became of a bank's jobs, and what they said."""

    returned: list[JobReturn]
    out: str
    err: str


def _work(state: tuple[Any, dict[str, str]], bank: list[BankJob]) -> _Worked:
    """Run a bank in a worker process, made to resemble the one that launched the sweep."""
    import ray

    hydra = bank[0].config.hydra
    os.chdir(hydra.runtime.cwd)
    os.environ["SWEEP_RAY_NODE"] = f"{ray.util.get_node_ip_address()} {ray.get_runtime_context().get_node_id()}"
    setup_globals()
    Singleton.set_state(state[0])
    os.environ.update(state[1])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # with which Ray cancels; behind nohup it would be ignored
    signals.listen()
    out, err = StringIO(), StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            configure_log(hydra.hydra_logging, hydra.verbose)
            run_bank(bank)
    except Terminated:
        sys.exit(1)  # Ray would use the process for the next bank, which the remembered signal would end, too
    return _Worked([job.returned for job in bank], out.getvalue(), err.getvalue())


def _follow(ray: ModuleType, waiting: dict[Any, list[BankJob]]) -> None:
    """Take what becomes of each bank as soon as it has ended."""
    try:
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            _take(ray, done, waiting[done])
            del waiting[done]
    except KeyboardInterrupt:
        for task in waiting:
            ray.cancel(task)  # raises KeyboardInterrupt in the worker
        ray.wait(list(waiting), num_returns=len(waiting), timeout=END_SECONDS)
        signals.check()  # Ray raises a KeyboardInterrupt of its own, whatever the signal
        raise


def _take(ray: ModuleType, task: Any, bank: list[BankJob]) -> None:
    try:
        worked = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        _lose(bank, f"the worker failed: {str(error).strip().splitlines()[-1]}")
    except ray.exceptions.WorkerCrashedError:
        _lose(bank, "the worker died (killed, or out of memory)")
    except ray.exceptions.RayError as error:
        _lose(bank, f"the worker died ({str(error).splitlines()[0]})")
    else:
        for job, returned in zip(bank, worked.returned, strict=True):
            job.returned = returned
        sys.stdout.write(worked.out)
        sys.stdout.flush()
        sys.stderr.write(worked.err)


def _lose(bank: list[BankJob], reason: str) -> None:
    """Let the jobs fail whose worker cannot tell any more what became of them."""
    from pipeline.tracking import processes, store  # imports MLflow

    sys.stdout.flush()
    for job in bank:
        hydra = job.config.hydra
        folder = str(Path(hydra.sweep.dir, hydra.sweep.subdir).absolute())
        with read_write(hydra.runtime), open_dict(hydra.runtime):
            hydra.runtime.output_dir = folder
        sys.stderr.write(f"error: job {hydra.job.num} failed: {redact(reason)} (see {folder})\n")
        words = list(hydra.overrides.task)
        job.returned = JobReturn(overrides=words, hydra_cfg=job.config, status=JobStatus.FAILED)
        job.returned.return_value = JobFailed(reason)
        with suppress(UserError, OmegaConfBaseException):  # where the store cannot be used, no run began
            processes.end_as_failed(store.connect(tracking_of(job.config)), folder, reason)
