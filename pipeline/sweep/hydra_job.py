"""A job of a bank as Hydra sees it: its folder, its log file, its callbacks, and the JobReturn for its sweeper."""

import copy
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from hydra._internal.callbacks import Callbacks
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from pipeline.core.app import Stage, redact_hydra_files
from pipeline.core.config import Config, resolve
from pipeline.core.job_context import JobContext

if TYPE_CHECKING:
    from pipeline.training.job import TrainingJob


class HydraJob:
    """One job of a bank. `training` is its training job, once its set-up has succeeded."""

    def __init__(self, composed: DictConfig, config: Config | None, stage: Stage, hydra_context: HydraContext) -> None:
        """`composed` has Hydra's section; `config` is the rest, None where it is invalid."""
        self.composed = composed
        self.config = config
        self.stage = stage
        self.loader = hydra_context.config_loader
        self.callbacks = copy.deepcopy(hydra_context.callbacks)  # each job has its own, as they may keep state
        self.returned = JobReturn()
        self.training: TrainingJob | None = None
        self.job_context: JobContext | None = None
        self._log_files: list[tuple[logging.Logger, logging.FileHandler]] = []

    def begin(self, node: str | None = None) -> None:
        """Make the job's folder with Hydra's files and its log, and prepare its training."""

        def prepare(cfg: DictConfig) -> None:
            self.job_context = JobContext.from_hydra(node)
            with self.stage.report_job_errors(self.job_context):
                redact_hydra_files(self.job_context)
                self.training = self._prepare(resolve(cfg), self.job_context)

        self.returned = run_job(
            task_function=prepare,
            config=self.composed,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=HydraContext(self.loader, _WithoutEnd(self.callbacks)),
        )
        self._log_files = _detach_log_files()

    def end(self) -> None:
        """Wait until MLflow has the job's run, and call Hydra's callbacks."""
        training, self.training = self.training, None  # it holds memory and open files
        if training is not None and self.returned.status != JobStatus.FAILED:
            with self._around_step():
                self.returned.return_value = training.result()
        with self._attach_log_files():
            self.callbacks.on_job_end(config=self.composed, job_return=self.returned)

    def _prepare(self, config: Config, job_context: JobContext) -> "TrainingJob":
        from pipeline.training import training_sets

        sets = training_sets.read(config)
        # Late, because TensorFlow and MLflow take seconds to import.
        from pipeline.training.job import TrainingJob

        return TrainingJob(config, sets, job_context, self._around_step)

    @contextmanager
    def _around_step(self) -> Iterator[None]:
        """Attach the job's log file. Report an error and record it in the JobReturn: the sweep goes on."""
        assert self.job_context is not None
        try:
            with self._attach_log_files(), self.stage.report_job_errors(self.job_context):
                yield
        except Exception as error:  # noqa: BLE001 - as in Hydra's run_job
            self.returned.status = JobStatus.FAILED
            # Without its traceback, whose frames would keep the whole bank in memory.
            self.returned.return_value = error.with_traceback(None)

    @contextmanager
    def _attach_log_files(self) -> Iterator[None]:
        """Append log lines to the job's log files."""
        with ExitStack() as stack:
            for logger, closed in self._log_files:
                handler = logging.FileHandler(closed.baseFilename, "a", closed.encoding, delay=True)
                handler.setLevel(closed.level)
                handler.setFormatter(closed.formatter)
                logger.addHandler(handler)
                stack.callback(handler.close)
                stack.callback(logger.removeHandler, handler)
            yield


class _WithoutEnd(Callbacks):
    """Hydra's callbacks without on_job_end, which run_job calls before the job has trained."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self.callbacks = callbacks.callbacks

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        """Do nothing: HydraJob.end() calls it."""


def _detach_log_files() -> list[tuple[logging.Logger, logging.FileHandler]]:
    """Close the log files that Hydra has opened for a job, and return them with their loggers."""
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
