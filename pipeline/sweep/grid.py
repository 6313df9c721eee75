"""hydra/sweeper=grid: Hydra's basic sweeper with one parent run for all jobs, which skips jobs that have finished."""

from collections.abc import Container, Iterable
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from pipeline.core.app import Stage
from pipeline.core.errors import UserError
from pipeline.sweep.sweep import Sweep


class GridSweeper(BasicSweeper):
    """Runs every combination of the values; sweeps stages that do not train models as Hydra's own sweeper."""

    grid = True

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the task, which Hydra's basic sweeper does not need."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep, and return the results of the jobs that were launched.

        Raises:
            JobFailed: a job failed.
            UserError: the settings of all jobs are refused, or the store cannot be used.
        """
        if not isinstance(self.task, Stage) or not self.task.trains:
            return super().sweep(arguments)
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        sweep = Sweep(self.config, self.hydra_context, self.launcher, grid=self.grid)
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        self.run(sweep, parser.parse_overrides([*self._parse_config(), *arguments]))
        return [sweep.returned]

    def run(self, sweep: Sweep, overrides: list[Override]) -> None:
        """Plan all jobs, so that a refused override is refused before any job begins, and run them.

        Raises:
            UserError: an override is an interval, which has no list of values, or no job has its data in prepared/.
        """
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise UserError(f"hydra.sweeper.max_batch_size={self.max_batch_size} is not allowed: it must be at least 1")
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(f"{override.input_line} is no grid: give a list, or let +sweep=search sample it")
        ranges = {key for key, override in by_key(overrides).items() if override.is_range_sweep()}
        batches = [
            [sweep.plan([_tidy(word, ranges) for word in job]) for job in batch]
            for batch in self.split_arguments(overrides, self.max_batch_size)
        ]
        sweep.refuse_if_all_invalid()
        if sweep.config.sweep.dry_run:
            sweep.dry_run()
            return
        sweep.refuse_without_data(job.config for job in sweep.jobs if job.config is not None)
        space = {key: values(override) for key, override in by_key(overrides).items() if override.is_sweep_override()}
        name = f"sweep of {len(sweep.jobs)}: {key_names(space)}"
        with sweep.open(name, space, sorted(job.identity for job in sweep.jobs)) as parent:
            for batch in batches:
                if not sweep.stopped:
                    sweep.run(batch, parent)


def by_key(overrides: Iterable[Override]) -> dict[str, Override]:
    """The overrides by their keys; the last one of a key counts."""
    return {str(override.key_or_group): override for override in overrides}


def key_names(keys: Iterable[str]) -> str:
    """The keys without their sections, for example `learning_rate x batch_size`."""
    return " x ".join(key.rpartition(".")[2] for key in keys) or "one job"


def _tidy(word: str, ranges: Container[str]) -> str:
    """A value of a range as a user would type it: counting by 0.1, Hydra arrives at 0.30000000000000004."""
    key, _, value = word.partition("=")
    return f"{key}={float(value):.12g}" if key in ranges and "." in value else word


def values(override: Override) -> str:
    """The values that the override sweeps over, as typed."""
    return str(override.input_line).partition("=")[2]
