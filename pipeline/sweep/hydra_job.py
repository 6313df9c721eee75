"""A job of a bank: it begins as under any launcher, waits while the bank trains, and ends by itself."""

import copy
import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from typing import TYPE_CHECKING, Any, cast

from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, env_override, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from pipeline.core.app import Job, check_stop_mark
from pipeline.core.config import resolve
from pipeline.sweep.sweep_job import Planned
from pipeline.training.banked import Banked, finish

if TYPE_CHECKING:
    from hydra.conf import HydraConf

    from pipeline.training.banked import Rest, Steps
    from pipeline.training.head import Epoch, Fit, Head


class BankJob:
    """One job, as it was planned; `head` is what it wants trained, once it has begun well."""

    def __init__(self, planned: Planned, job: Job, context: HydraContext) -> None:
        self.config = planned.composed
        self.settings = planned.config
        self.job = job
        self.loader = context.config_loader
        self.callbacks = copy.deepcopy(context.callbacks)  # they may remember a job: as in processes, each has its own
        self.returned = JobReturn()
        self.head: Head | None = None
        self._steps: Steps | None = None
        self._rest: Rest | None = None
        self._logs: list[tuple[logging.Logger, logging.FileHandler]] = []

    def begin(self) -> None:
        """Make the job's folder with Hydra's files and its log, and take the first step."""
        self.returned = run_job(
            task_function=self._first_step,
            config=self.config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=HydraContext(self.loader, _WithoutEnd(self.callbacks)),
        )
        self._logs = _detach_files()
        if self.head is None:
            self._ended()

    def _first_step(self, cfg: DictConfig) -> None:
        assert isinstance(self.job.task, Banked)
        with self.job.telling():
            check_stop_mark()
            self._steps = self.job.task.steps(resolve(cfg))
            head = next(self._steps)
            self.head = dataclasses.replace(head, on_epoch=self._epoch(head.on_epoch))

    def _epoch(self, on_epoch: "Callable[[Epoch, Any], Any]") -> "Callable[[Epoch, Any], Any]":
        def inside(*told: Any) -> None:
            with self.current():
                on_epoch(*told)

        return inside

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make what Hydra says of the present job, its log and its environment this job's."""
        hydra_config = HydraConfig.instance()
        before = hydra_config.cfg
        with ExitStack() as stack:
            stack.callback(setattr, hydra_config, "cfg", before)
            hydra_config.cfg = cast("HydraConf", self.returned.hydra_cfg)
            stack.enter_context(env_override(HydraConfig.get().job.env_set))
            stack.enter_context(chdir(str(self.returned.working_dir)))
            for logger, handler in self._logs:
                stack.enter_context(_open(logger, handler))
            yield

    def end(self, outcome: "Fit | Exception") -> None:
        """Take the second step with what became of the head; the rest is left to be concluded."""
        steps = self._let_go()
        assert steps is not None
        with self._failing():
            self._rest = finish(steps, outcome)
        if self._rest is None:
            self._ended()

    @property
    def written(self) -> bool:
        """Whether only the conclusion is left, which has nothing to wait for."""
        return self._rest is not None and self._rest.written()

    def conclude(self) -> None:
        """Wait until the job's run is written, unless the job has failed before."""
        rest, self._rest = self._rest, None
        if rest is not None:
            with self._failing():
                self.returned.return_value = rest.conclude()
            self._ended()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """As Hydra's run_job: what is raised fails the job, and the sweep goes on."""
        try:
            with self.current(), self.job.telling():
                yield
        except Exception as error:  # noqa: BLE001 - any error of a job is that job's end only
            self.returned.status = JobStatus.FAILED
            self.returned.return_value = error.with_traceback(None)  # whose frames would keep the whole bank in memory

    def abort(self, error: BaseException) -> None:
        """End a job that waits, because the process ends."""
        steps = self._let_go()
        if steps is None:
            return
        try:
            with self.current():
                finish(steps, error)
        except BaseException:  # noqa: BLE001, S110 - the caller goes on to raise it
            pass

    def _let_go(self) -> "Steps | None":
        """The waiting steps; they and the head hold memory and open files, of which a long sweep has many."""
        steps, self._steps, self.head = self._steps, None, None
        return steps

    def _ended(self) -> None:
        with self.current():
            self.callbacks.on_job_end(config=self.config, job_return=self.returned)


class _WithoutEnd(Callbacks):
    """Hydra's callbacks, not told of the end that run_job sees: the job only waits then."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self.callbacks = callbacks.callbacks

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Pass over it."""


def _detach_files() -> list[tuple[logging.Logger, logging.FileHandler]]:
    """Close the log files that Hydra has opened for a job, and give them with their loggers."""
    loggers = [logging.getLogger(), *map(logging.getLogger, logging.Logger.manager.loggerDict)]
    files = [
        (logger, handler)
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.FileHandler)
    ]
    for logger, handler in files:
        logger.removeHandler(handler)
        handler.close()
    return files


@contextmanager
def _open(logger: logging.Logger, closed: logging.FileHandler) -> Iterator[None]:
    """Let the logger write on in a log file that was closed."""
    handler = logging.FileHandler(closed.baseFilename, "a", closed.encoding, delay=True)
    handler.setLevel(closed.level)
    handler.setFormatter(closed.formatter)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
