"""hydra/launcher=bank: a sweep's jobs, trained together where they can share a pass over the data."""

import logging
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from pipeline.core import signals
from pipeline.core.app import Job
from pipeline.core.errors import UserError
from pipeline.sweep.grouping import shared
from pipeline.sweep.hydra_job import BankJob
from pipeline.sweep.sweep_job import Planned, settings
from pipeline.tracking import upload_queue
from pipeline.training.banked import Banked, train

log = logging.getLogger(__name__)


class BankLauncher(BasicLauncher):
    """Hydra's basic launcher, but for tasks that are `Banked`: of these, `heads` jobs at most train in one bank."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Note what Hydra hands over.

        Raises:
            UserError: a bank would have no head.
        """
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if self.heads < 1:
            raise UserError(f"hydra.launcher.heads={self.heads} is not allowed: it must be at least 1")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs, and give what became of them in their order."""
        job = self.task_function
        if not isinstance(job, Job) or not isinstance(job.task, Banked):
            return super().launch(job_overrides, initial_job_idx)
        assert self.config is not None
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        jobs = [self._job(overrides, number, job) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        self.run(jobs)
        return [each.returned for each in jobs]

    def run(self, jobs: list[BankJob]) -> None:
        """Run the jobs, bank after bank."""
        assert self.config is not None
        for bank in grouped(jobs, self.heads):
            run_bank(bank)
            configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)

    def _job(self, overrides: Sequence[str], number: int, job: Job) -> BankJob:
        assert self.config is not None
        assert self.hydra_context is not None
        if not isinstance(overrides, Planned):
            composed = self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))
            overrides = Planned(overrides, composed, settings(composed))
        with open_dict(overrides.composed):
            overrides.composed.hydra.job.id = overrides.composed.hydra.job.num = number
        return BankJob(overrides, job, self.hydra_context)


def grouped(jobs: list[BankJob], heads: int) -> list[list[BankJob]]:
    """The banks, with so many heads at most, and a line that tells how many there are."""
    banks = list(_banks(jobs, heads))
    log.info("Launching %d jobs in %d banks", len(jobs), len(banks))
    return banks


def _banks(jobs: Iterable[BankJob], heads: int) -> Iterator[list[BankJob]]:
    """The jobs that train together, in the order of their first ones."""
    alike: dict[Hashable, list[BankJob]] = {}
    for job in jobs:
        alike.setdefault(id(job) if job.settings is None else shared(job.settings), []).append(job)
    for group in alike.values():
        for start in range(0, len(group), heads):
            yield group[start : start + heads]


def run_bank(jobs: list[BankJob]) -> None:
    """Begin the jobs of a bank, train the heads of those that begin well, and end them."""
    for job in jobs:
        log.info("\t#%s : %s", job.config.hydra.job.num, " ".join(filter_overrides(job.config.hydra.overrides.task)))
    try:
        for job in jobs:
            signals.check()
            job.begin()
        _train([job for job in jobs if job.head is not None])
    except BaseException as error:
        for job in jobs:
            job.abort(error)
        raise
    finally:
        upload_queue.drain()


def _train(jobs: list[BankJob]) -> None:
    """Train the jobs' heads; each job ends when its head has ended, and is done when its run is written."""
    waiting = dict(enumerate(jobs))
    heads = [job.head for job in jobs if job.head is not None]
    try:
        for number, outcome in train(heads, lambda: [job.conclude for job in jobs if job.written]) if heads else ():
            waiting.pop(number).end(outcome)
    except Exception as error:  # noqa: BLE001 - what breaks the whole bank, as too little memory, fails each job
        for job in waiting.values():
            job.end(error)
    for job in jobs:
        job.conclude()
