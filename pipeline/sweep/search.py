"""+sweep=search: Optuna samples the jobs, batch after batch, and learns from their validation errors."""

import json
import logging
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from pipeline.core.atomic import atomic_write
from pipeline.core.errors import UserError
from pipeline.core.paths import expand_home
from pipeline.sweep.grid import GridSweeper, by_key, key_names, values
from pipeline.sweep.sweep import Sweep

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from pipeline.runs.parent_run import Parent

    Space = dict[str, BaseDistribution]

log = logging.getLogger(__name__)

SAMPLERS = ("tpe", "random")


class SearchSweeper(GridSweeper):
    """Samples `interval(a,b)`, `tag(log,interval(a,b))` and lists; everything else is as for the grid."""

    grid = False

    def __init__(  # noqa: PLR0913 - the keys of conf/sweep/search.yaml
        self,
        *,
        trials: int,
        max_batch_size: int,
        sampler: str,
        seed: int,
        halving: DictConfig,
        studies: str,
        params: dict[str, str] | None,
    ) -> None:
        super().__init__(None, params)
        self.max_batch_size: int = max_batch_size
        self.trials, self.sampler, self.seed, self.studies = trials, sampler, seed, Path(expand_home(studies))
        self.halving: dict[str, int] = dict(halving)

    def run(self, sweep: Sweep, overrides: list[Override]) -> None:
        """Ask Optuna for trials and run them, until there are enough.

        Raises:
            UserError: there is nothing to sample, or a setting of the sweeper is not allowed.
        """
        self._check_settings()
        last = by_key(overrides)
        searched = {key: override for key, override in last.items() if override.is_sweep_override()}
        fixed = [str(override.input_line) for key, override in last.items() if key not in searched]
        if not searched:
            raise UserError("nothing is searched: give a key an interval(a,b) or a list, like the preset +sweep=search")
        space = {key: _distribution(override, sweep.config) for key, override in searched.items()}
        if sweep.config.sweep.dry_run:
            self._dry_run(sweep, fixed, space)
            return
        ranges = {key: values(override) for key, override in searched.items()}
        rules = [ranges, self.trials, self.max_batch_size, self.sampler, self.seed, self.halving]
        name = f"search of {self.trials}: {key_names(ranges)}"
        with sweep.open(name, ranges, [json.dumps(rules, sort_keys=True), sweep.base_hash(fixed)]) as parent:
            study = _study(self._file(parent.id), parent.id)
            self._restore(study, sweep, fixed, parent)
            failed: set[int] = set()
            while not sweep.stopped and (trials := self._next(study, space, failed)):
                jobs = [sweep.plan([*fixed, *_overrides(trial)]) for trial in trials]
                log.info("Trials %d to %d of %d", trials[0].number + 1, trials[-1].number + 1, self.trials)
                sweep.run(jobs, parent, [self._context(study, trial.number) for trial in trials])
                for trial, job in zip(trials, jobs, strict=True):
                    if job.result is not None:
                        study.tell(trial.number, job.result.valid_error)
                # A pruned trial is PRUNED in the study already. The next start repeats one that failed.
                failed |= {
                    trial.number for trial, job in zip(trials, jobs, strict=True) if job.unfinished or job.failure
                }

    def _check_settings(self) -> None:
        for key, value, minimum in (
            ("trials", self.trials, 1),
            ("max_batch_size", self.max_batch_size, 1),
            ("halving.epochs", self.halving["epochs"], 0),
            ("halving.factor", self.halving["factor"], 2),
        ):
            if value is None or value < minimum:
                raise UserError(f"hydra.sweeper.{key}={value} is not allowed: it must be at least {minimum}")
        if self.sampler not in SAMPLERS:
            allowed = ", ".join(SAMPLERS)
            raise UserError(f"hydra.sweeper.sampler={self.sampler} is not allowed: it must be one of {allowed}")

    def _next(self, study: "Study", space: "Space", failed: Collection[int] = ()) -> "list[FrozenTrial]":
        """The trials that an earlier start left unfinished, or a new batch."""
        from optuna.trial import TrialState

        unfinished = [trial for trial in study.get_trials(states=(TrialState.RUNNING,)) if trial.number not in failed]
        if unfinished:
            return unfinished
        known = len(study.get_trials(deepcopy=False))
        # A new sampler for each batch: a search that was interrupted samples what it would have sampled.
        study.sampler = _sampler(self.sampler, self.seed + known)
        for _ in range(min(self.max_batch_size, self.trials - known)):
            study.ask(space)
        return study.get_trials()[known:]

    def _restore(self, study: "Study", sweep: Sweep, fixed: list[str], parent: "Parent") -> None:
        """Add the trials that an earlier start has ended to the leaderboard."""
        from optuna.trial import TrialState

        ended = [trial for trial in study.get_trials() if trial.state.is_finished()]
        jobs = [sweep.plan([*fixed, *_overrides(trial)]) for trial in ended]
        for trial, job in zip(ended, jobs, strict=True):
            job.pruned = trial.state == TrialState.PRUNED
        sweep.run([job for job in jobs if job.unfinished], parent)

    def _dry_run(self, sweep: Sweep, fixed: list[str], space: "Space") -> None:
        """Print the first batch. The following ones depend on it."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for trial in self._next(optuna.create_study(), space):
            sweep.plan([*fixed, *_overrides(trial)])
        sweep.dry_run()
        sys.stdout.write(f"of {self.trials} trials: those that follow depend on these\n")

    def _context(self, study: "Study", number: int) -> dict[str, Any]:
        storage = _url(self._file(study.study_name))
        return {"trial": {"storage": storage, "study": study.study_name, "number": number, **self.halving}}

    def _file(self, study: str) -> Path:
        return self.studies / f"{study}.db"


def _distribution(override: Override, config: DictConfig) -> "BaseDistribution":
    """Optuna's distribution of an override: an interval (integers where conf/ has one), or a list of values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    if not isinstance(value, IntervalSweep):
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    assert value.start is not None
    assert value.end is not None
    log_scale = "log" in value.tags
    try:
        if isinstance(OmegaConf.select(config, str(override.get_key_element())), int):
            return IntDistribution(int(value.start), int(value.end), log=log_scale)
        return FloatDistribution(value.start, value.end, log=log_scale)
    except ValueError as error:
        raise UserError(f"{override.input_line} cannot be searched: {error}") from error


def _sampler(name: str, seed: int) -> "BaseSampler":
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _study(path: Path, name: str) -> "Study":
    """Load the study, creating its file under a temporary name, so that no kill leaves a file without all tables."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not path.is_file():
        with atomic_write(path) as temporary:
            optuna.create_study(study_name=name, storage=_url(temporary))
    return optuna.load_study(study_name=name, storage=_url(path))


def _url(path: Path) -> str:
    braced = str(path.absolute()).replace("{", "{{").replace("}", "}}")  # Optuna formats the URL
    return f"sqlite:///{braced}"


def _overrides(trial: "FrozenTrial") -> list[str]:
    return [f"{key}={value}" for key, value in trial.params.items()]
