"""hydra/launcher=bank: trains a sweep's jobs together where they can share a pass over the data."""

import logging
from collections.abc import Hashable, Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from pipeline.core import signals
from pipeline.core.app import Stage
from pipeline.core.config import Config, flatten
from pipeline.core.errors import UserError
from pipeline.sweep.hydra_job import HydraJob
from pipeline.sweep.sweep_job import SweepJob, settings

log = logging.getLogger(__name__)

# Settings of a head. Jobs of a bank share all other settings, and whatever is added to conf/.
HEAD_SETTINGS = (
    "train.learning_rate",
    "train.l2",
    "train.epochs",
    "train.early_stopping",
    "train.patience",
    "train.update_patience.",
    "train.report_test",
    "model.initializer",
    "model.seed",
    "tracking.",
    "sweep.",
)


class BankLauncher(BasicLauncher):
    """Hydra's basic launcher, but jobs that train models train in banks of at most `heads` heads."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the launcher's settings.

        Raises:
            UserError: `heads` is below 1.
        """
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if self.heads < 1:
            raise UserError(f"hydra.launcher.heads={self.heads} is not allowed: it must be at least 1")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and return their results in the same order."""
        stage = self.task_function
        if not isinstance(stage, Stage) or not stage.trains:
            return super().launch(job_overrides, initial_job_idx)
        assert self.config is not None
        assert self.hydra_context is not None
        jobs = []
        for overrides in map(list, job_overrides):
            composed = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
            jobs.append(SweepJob(overrides, settings(composed), composed))
        return self.launch_composed(jobs, initial_job_idx)

    def launch_composed(self, jobs: Sequence[SweepJob], initial_job_idx: int) -> list[JobReturn]:
        """Run training jobs whose configurations are composed, and return their results in the same order."""
        assert self.config is not None
        assert self.hydra_context is not None
        assert isinstance(self.task_function, Stage)
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        hydra_jobs = []
        for number, job in enumerate(jobs, initial_job_idx):
            with open_dict(job.composed):
                job.composed.hydra.job.id = job.composed.hydra.job.num = number
            hydra_jobs.append(HydraJob(job.composed, job.config, self.task_function, self.hydra_context))
        self.run_jobs(hydra_jobs)
        return [job.returned for job in hydra_jobs]

    def run_jobs(self, jobs: list[HydraJob]) -> None:
        """Run the jobs, bank after bank."""
        assert self.config is not None
        for bank in group_into_banks(jobs, self.heads):
            run_bank(bank)
            configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)


def group_into_banks(jobs: list[HydraJob], heads: int) -> list[list[HydraJob]]:
    """Group the jobs that can train together, at most `heads` in a bank, in the order of their first jobs."""
    groups: dict[Hashable, list[HydraJob]] = {}
    for job in jobs:
        groups.setdefault(id(job) if job.config is None else shared_settings(job.config), []).append(job)
    banks = [group[start : start + heads] for group in groups.values() for start in range(0, len(group), heads)]
    log.info("Launching %d jobs in %d banks", len(jobs), len(banks))
    return banks


def shared_settings(config: Config) -> Hashable:
    """The settings that jobs of a bank share; `seed` is among them where it shuffles the minibatches."""
    own = HEAD_SETTINGS if config.train.shuffle else (*HEAD_SETTINGS, "seed")
    sections = tuple(key for key in own if key.endswith("."))
    return tuple((key, str(value)) for key, value in flatten(config) if key not in own and not key.startswith(sections))


def run_bank(jobs: Sequence[HydraJob], node: str | None = None) -> None:
    """Begin the jobs of a bank, train those whose set-up succeeds, and end them; `node` is that of a Ray cluster."""
    for job in jobs:
        log.info(
            "\t#%s : %s", job.composed.hydra.job.num, " ".join(filter_overrides(job.composed.hydra.overrides.task))
        )
    for job in jobs:
        signals.check()
        job.begin(node)
    if training := [job.training for job in jobs if job.training is not None]:
        from pipeline.training.job import train_jobs

        train_jobs(training)
    for job in jobs:
        job.end()
