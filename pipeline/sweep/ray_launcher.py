"""hydra/launcher=ray: spreads a sweep's banks over the nodes of a Ray cluster."""

import importlib.util
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
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from pipeline.core import signals
from pipeline.core.app import JobFailed
from pipeline.core.errors import Terminated, UserError
from pipeline.core.paths import ROOT
from pipeline.core.text import redact
from pipeline.sweep.bank_launcher import BankLauncher, group_into_banks, run_bank
from pipeline.sweep.hydra_job import HydraJob
from pipeline.sweep.sweep_job import tracking_section
from pipeline.tracking import ENVIRONMENT_URI

CONNECT_SECONDS = 10
END_SECONDS = 60  # for interrupted workers to end their runs


class RayLauncher(BankLauncher):
    """The bank launcher, but each bank trains on a node of the cluster, all nodes at the same time."""

    def __init__(self, heads: int, address: str | None) -> None:
        super().__init__(heads)
        self.address = address

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check that Ray is installed, before the sweep has a run.

        Raises:
            UserError: it is not.
        """
        if importlib.util.find_spec("ray") is None:
            raise UserError("hydra/launcher=ray is not installed: pip install -e '.[ray]'")
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def run_jobs(self, jobs: list[HydraJob]) -> None:
        """Run the jobs in banks, at least one for each node."""
        with _cluster(self.address) as ray:
            # A node without processors, often the head of a large cluster, runs no tasks.
            nodes = [
                node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
            ]
            if not nodes:
                raise UserError("the Ray cluster has no node with a processor: add one with `ray start --address=...`")
            banks = group_into_banks(jobs, min(self.heads, math.ceil(len(jobs) / len(nodes))))
            # A bank uses its whole node. It requests what the smallest node has.
            task = ray.remote(
                num_cpus=min(node["CPU"] for node in nodes),
                num_gpus=min(node.get("GPU", 0) for node in nodes),
                max_retries=0,
                scheduling_strategy="SPREAD",
            )(_run_in_worker)
            state = ray.put((Singleton.get_state(), _settings()))
            _collect(ray, {task.remote(state, bank): bank for bank in banks})


@contextmanager
def _cluster(address: str | None) -> Iterator[ModuleType]:
    """Connect to the cluster, and yield the module `ray`."""
    where = os.environ.get("RAY_ADDRESS") if address in (None, "auto") else address
    where = where or address or "local"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if where == "local":
        # Set before the import, it is Ray's only way to listen on loopback alone. Ray replaces even
        # `_node_ip_address="127.0.0.1"` by this machine's address in its network.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    try:
        if where not in ("auto", "local") and "://" not in where:
            _check_reachable(where)  # Ray itself would wait for minutes
        ray.init(
            where,
            include_dashboard=False,
            logging_level="error",
            log_to_driver=False,  # the output of jobs is returned with their results: Ray would lose its end
            runtime_env={"env_vars": _environment()},
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the Ray cluster at {where} cannot be used ({reason}): start it with `ray start --head`, set "
            "RAY_AUTH_MODE=token if it has one, or choose another one with hydra.launcher.address or RAY_ADDRESS"
        ) from error
    signals.listen()  # Ray has replaced our handlers by its own
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def _environment() -> dict[str, str]:
    """Variables that workers need when they start: where the code is, and which store. Ray lists them publicly."""
    env = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    if ENVIRONMENT_URI is not None:
        env["MLFLOW_TRACKING_URI"] = ENVIRONMENT_URI
    return env


def _settings() -> dict[str, str]:
    """Further variables, which may be secret: how to reach MLflow."""
    env = {key: value for key, value in os.environ.items() if key.startswith("MLFLOW_") or key == "HYDRA_FULL_ERROR"}
    env.pop("MLFLOW_TRACKING_URI", None)  # MLflow may have written it
    return env


@dataclass
class _BankOutput:
    """The results of a bank's jobs, and what they printed."""

    returned: list[JobReturn]
    out: str
    err: str


def _run_in_worker(state: tuple[Any, dict[str, str]], bank: list[HydraJob]) -> _BankOutput:
    """Run a bank in a worker process, with the state of the process that launched the sweep."""
    import ray

    hydra = bank[0].composed.hydra
    os.chdir(hydra.runtime.cwd)
    setup_globals()
    Singleton.set_state(state[0])
    os.environ.update(state[1])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ray cancels with it; nohup would ignore it
    signals.listen()
    out, err = StringIO(), StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            configure_log(hydra.hydra_logging, hydra.verbose)
            run_bank(bank, f"{ray.util.get_node_ip_address()} {ray.get_runtime_context().get_node_id()}")
    except Terminated:
        sys.exit(1)  # else Ray reuses the process, and the remembered signal ends the next bank, too
    return _BankOutput([job.returned for job in bank], out.getvalue(), err.getvalue())


def _collect(ray: ModuleType, waiting: dict[Any, list[HydraJob]]) -> None:
    """Collect the results of each bank as soon as it has ended."""
    try:
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            _collect_bank(ray, done, waiting[done])
            del waiting[done]
    except KeyboardInterrupt:
        for task in waiting:
            ray.cancel(task)  # raises KeyboardInterrupt in the worker
        ray.wait(list(waiting), num_returns=len(waiting), timeout=END_SECONDS)
        signals.check()  # Ray raises a KeyboardInterrupt of its own, whatever the signal
        raise


def _collect_bank(ray: ModuleType, task: Any, bank: list[HydraJob]) -> None:
    try:
        output = ray.get(task)
    except ray.exceptions.RayTaskError as error:
        _mark_failed(bank, f"the worker failed: {str(error).strip().splitlines()[-1]}")
    except ray.exceptions.WorkerCrashedError:
        _mark_failed(bank, "the worker died (killed, or out of memory)")
    except ray.exceptions.RayError as error:
        _mark_failed(bank, f"the worker died ({str(error).splitlines()[0]})")
    else:
        for job, returned in zip(bank, output.returned, strict=True):
            job.returned = returned
        sys.stdout.write(output.out)
        sys.stdout.flush()
        sys.stderr.write(output.err)


def _mark_failed(bank: list[HydraJob], reason: str) -> None:
    """Fail the jobs of a bank whose worker died or failed."""
    from pipeline.tracking import processes, store  # imports MLflow

    sys.stdout.flush()
    for job in bank:
        hydra = job.composed.hydra
        folder = str(Path(hydra.sweep.dir, hydra.sweep.subdir).absolute())
        with read_write(hydra.runtime), open_dict(hydra.runtime):
            hydra.runtime.output_dir = folder
        sys.stderr.write(f"error: job {hydra.job.num} failed: {redact(reason)} (see {folder})\n")
        words = list(hydra.overrides.task)
        job.returned = JobReturn(overrides=words, hydra_cfg=job.composed, status=JobStatus.FAILED)
        job.returned.return_value = JobFailed(reason)
        with suppress(UserError, OmegaConfBaseException):  # without a usable store no run has started
            processes.mark_failed(store.connect(tracking_section(job.composed)), folder, reason)
