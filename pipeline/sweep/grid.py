"""hydra/sweeper=grid: Hydra's basic sweeper, of which the jobs have one parent run and are not repeated in vain."""

from collections.abc import Container, Iterable
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from pipeline.core.app import Job
from pipeline.core.errors import UserError
from pipeline.sweep.sweep import Sweep
from pipeline.training.banked import Banked


class GridSweeper(BasicSweeper):
    """Every combination of the values given; tasks that are not `Banked` are swept as by Hydra's own."""

    grid = True

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Note what Hydra hands over."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep, and give what became of the jobs that were launched.

        Raises:
            JobFailed: a job has failed.
            UserError: all jobs would be refused, or the store cannot be used.
        """
        if not isinstance(self.task, Job) or not isinstance(self.task.task, Banked):
            return super().sweep(arguments)
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        sweep = Sweep(self.config, self.hydra_context, self.launcher, grid=self.grid)
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        self.run(sweep, parser.parse_overrides([*self._parse_config(), *arguments]))
        return [sweep.returned]

    def run(self, sweep: Sweep, overrides: list[Override]) -> None:
        """Plan all jobs, so that what is refused is refused at once, and run them.

        Raises:
            UserError: values of a key cannot be counted.
        """
        if self.max_batch_size is not None and self.max_batch_size < 1:
            raise UserError(f"hydra.sweeper.max_batch_size={self.max_batch_size} is not allowed: it must be at least 1")
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise UserError(f"{override.input_line} is no grid: give a list, or let +sweep=search sample it")
        ranges = {key for key, each in by_key(overrides).items() if each.is_range_sweep()}
        batches = [
            [sweep.plan([_tidy(word, ranges) for word in job]) for job in batch]
            for batch in self.split_arguments(overrides, self.max_batch_size)
        ]
        sweep.check()
        if sweep.config.sweep.dry_run:
            sweep.rehearse()
            return
        swept = {key: values(each) for key, each in by_key(overrides).items() if each.is_sweep_override()}
        name = f"sweep of {len(sweep.jobs)}: {named(swept)}"
        with sweep.open(name, swept, sorted(job.identity for job in sweep.jobs)) as parent:
            for batch in batches:
                if not sweep.stopped:
                    sweep.run(batch, parent)


def by_key(overrides: Iterable[Override]) -> dict[str, Override]:
    """The overrides by their keys; the last one of a key is the one that counts."""
    return {str(each.key_or_group): each for each in overrides}


def named(keys: Iterable[str]) -> str:
    """What is varied, without its sections."""
    return " x ".join(key.rpartition(".")[2] for key in keys) or "one job"


def _tidy(word: str, ranges: Container[str]) -> str:
    """A value of a range as one would type it: counting by 0.1, Hydra comes to 0.30000000000000004."""
    key, _, value = word.partition("=")
    return f"{key}={float(value):.12g}" if key in ranges and "." in value else word


def values(override: Override) -> str:
    """What the override's key varies over, as it was typed."""
    return str(override.input_line).partition("=")[2]
