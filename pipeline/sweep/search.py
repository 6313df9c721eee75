"""+sweep=search: Optuna samples the jobs, a batch at a time, and learns from their validation errors."""

import json
import logging
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from pipeline.core.atomic import atomic_write
from pipeline.core.errors import UserError
from pipeline.sweep.grid import GridSweeper, by_key, named, values
from pipeline.sweep.sweep import Sweep
from pipeline.training.pruning import TRIAL

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
    """`interval(a,b)`, `tag(log,interval(a,b))` and lists are sampled; all else is as for the grid."""

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
        self.trials, self.sampler, self.seed, self.studies = trials, sampler, seed, Path(studies)
        self.halving: dict[str, int] = dict(halving)

    def run(self, sweep: Sweep, overrides: list[Override]) -> None:
        """Ask for trials and run them, until there are enough.

        Raises:
            UserError: nothing is to be sampled, or a setting of the sweeper is not allowed.
        """
        self._check()
        last = by_key(overrides)
        searched = {key: each for key, each in last.items() if each.is_sweep_override()}
        fixed = [str(each.input_line) for key, each in last.items() if key not in searched]
        if not searched:
            raise UserError("nothing is searched: give a key an interval(a,b) or a list, as +sweep=search does")
        space = {key: _distribution(each, sweep.config) for key, each in searched.items()}
        if sweep.config.sweep.dry_run:
            self._rehearse(sweep, fixed, space)
            return
        told = {key: values(each) for key, each in searched.items()}
        rules = [told, self.trials, self.max_batch_size, self.sampler, self.seed, self.halving]
        name = f"search of {self.trials}: {named(told)}"
        with sweep.open(name, told, [json.dumps(rules, sort_keys=True), sweep.base(fixed)]) as parent:
            study = _study(self._file(parent.id), parent.id)
            self._recall(study, sweep, fixed, parent)
            failed: set[int] = set()
            while not sweep.stopped and (trials := self._next(study, space, failed)):
                jobs = [sweep.plan([*fixed, *_overrides(trial)]) for trial in trials]
                log.info("Trials %d to %d of %d", trials[0].number + 1, trials[-1].number + 1, self.trials)
                sweep.run(jobs, parent, [self._environment(study, trial.number) for trial in trials])
                for trial, job in zip(trials, jobs, strict=True):
                    if job.result is not None:
                        study.tell(trial.number, job.result.valid_error)
                # A pruned trial has told so itself; one that failed is left for the next start, which tries it again.
                failed |= {trial.number for trial, job in zip(trials, jobs, strict=True) if job.left or job.failure}

    def _check(self) -> None:
        for key, value, least in (
            ("trials", self.trials, 1),
            ("max_batch_size", self.max_batch_size, 1),
            ("halving.epochs", self.halving["epochs"], 0),
            ("halving.factor", self.halving["factor"], 2),
        ):
            if value is None or value < least:
                raise UserError(f"hydra.sweeper.{key}={value} is not allowed: it must be at least {least}")
        if self.sampler not in SAMPLERS:
            allowed = ", ".join(SAMPLERS)
            raise UserError(f"hydra.sweeper.sampler={self.sampler} is not allowed: it must be one of {allowed}")

    def _next(self, study: "Study", space: "Space", failed: Collection[int] = ()) -> "list[FrozenTrial]":
        """The trials that an earlier start left unfinished, or a new batch of as many as are wanted."""
        from optuna.trial import TrialState

        left = [each for each in study.get_trials(states=(TrialState.RUNNING,)) if each.number not in failed]
        if left:
            return left
        known = len(study.get_trials(deepcopy=False))
        # Made anew for each batch, so that a search that is continued samples what it would have sampled.
        study.sampler = _sampler(self.sampler, self.seed + known)
        for _ in range(min(self.max_batch_size, self.trials - known)):
            study.ask(space)
        return study.get_trials()[known:]

    def _recall(self, study: "Study", sweep: Sweep, fixed: list[str], parent: "Parent") -> None:
        """Take the trials that an earlier start has ended into the leaderboard."""
        from optuna.trial import TrialState

        ended = [trial for trial in study.get_trials() if trial.state.is_finished()]
        jobs = [sweep.plan([*fixed, *_overrides(trial)]) for trial in ended]
        for trial, job in zip(ended, jobs, strict=True):
            job.pruned = trial.state == TrialState.PRUNED
        sweep.run([job for job in jobs if job.left], parent)

    def _rehearse(self, sweep: Sweep, fixed: list[str], space: "Space") -> None:
        """Tell what the first batch would be; the following ones depend on it."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for trial in self._next(optuna.create_study(), space):
            sweep.plan([*fixed, *_overrides(trial)])
        sweep.rehearse()
        sys.stdout.write(f"of {self.trials} trials: those that follow depend on these\n")

    def _environment(self, study: "Study", trial: int) -> dict[str, str]:
        where = {"storage": _url(self._file(study.study_name)), "study": study.study_name, "trial": trial}
        return {TRIAL: json.dumps({**where, **self.halving})}

    def _file(self, study: str) -> Path:
        return self.studies / f"{study}.db"


def _distribution(override: Override, config: DictConfig) -> "BaseDistribution":
    """What Optuna samples from: numbers of an interval, whole ones where conf/ has a whole one, or a list's values."""
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
    """The study in the file; a new file's tables are made under another name, so that no kill leaves half of them."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not path.is_file():
        with atomic_write(path) as temporary:
            optuna.create_study(study_name=name, storage=_url(temporary))
    return optuna.load_study(study_name=name, storage=_url(path))


def _url(path: Path) -> str:
    braced = str(path.absolute()).replace("{", "{{").replace("}", "}}")  # Optuna formats the address
    return f"sqlite:///{braced}"


def _overrides(trial: "FrozenTrial") -> list[str]:
    return [f"{key}={value}" for key, value in trial.params.items()]
