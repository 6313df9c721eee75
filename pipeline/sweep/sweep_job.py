"""A sweep's jobs: what each is to train, and what has become of it."""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from pipeline.core.app import JobDiverged
from pipeline.core.config import Config, Tracking, config_hash, flatten, resolve
from pipeline.core.errors import Pruned, Stopped, UserError
from pipeline.core.text import redact

if TYPE_CHECKING:
    from pipeline.tracking.queries import Result


NUMBER = re.compile(r"^    num: (\d+)$", re.MULTILINE)  # a job's, in the file that Hydra writes about it


class Planned(list[str]):
    """A job's overrides, for any launcher, and what they compose to, for one that need not compose it again."""

    def __init__(self, overrides: Sequence[str], composed: DictConfig, config: Config | None) -> None:
        super().__init__(overrides)
        self.composed = composed
        self.config = config


@dataclass
class SweepJob:
    """One job. `config` is absent where its settings will be refused; `reused` is a run that finished before."""

    overrides: list[str]
    config: Config | None
    composed: DictConfig
    result: "Result | None" = None
    reused: bool = False
    trained: bool = False  # to its end, by this sweep
    failure: str | None = None  # why it failed
    diverged: bool = False
    pruned: bool = False  # by a search
    folder: str = ""

    @property
    def identity(self) -> str:
        """Equal for jobs that would train the same."""
        return " ".join(sorted(self.overrides)) if self.config is None else config_hash(self.config)

    @property
    def choices(self) -> dict[str, str]:
        """Which file of each group of conf/ is used."""
        return {str(group): str(choice) for group, choice in self.composed.hydra.runtime.choices.items()}

    def planned(self, environment: Mapping[str, str]) -> Planned:
        """What a launcher is given, with variables for the job's environment, in whichever process that is."""
        with read_write(self.composed), open_dict(self.composed):
            self.composed.hydra.job.env_set.update(environment)
        quoted = {name: QuotedString(value, Quote.single).with_quotes() for name, value in environment.items()}
        exported = [f"++hydra.job.env_set.{name}={value}" for name, value in quoted.items()]
        return Planned([*self.overrides, *exported], self.composed, self.config)

    @property
    def left(self) -> bool:
        """Whether nothing has become of it: the sweep ended before, or was stopped."""
        return self.result is None and self.failure is None and not self.pruned

    @property
    def final(self) -> bool:
        """Whether the same command would not change what has become of it."""
        return not self.left and (self.failure is None or self.diverged or self.config is None)

    @property
    def told(self) -> str:
        """Its overrides, as one would type them, without those of the sweep and without passwords of URLs."""
        words = filter_overrides(self.overrides)
        return " ".join(redact(word) for word in words if not word.startswith("sweep."))

    def note(self, returned: JobReturn) -> None:
        """Take note of what a launcher gave back; a result is in the store."""
        value = returned._return_value  # noqa: SLF001 - the property would print to stderr and raise
        if returned.hydra_cfg is not None:
            self.folder = str(returned.hydra_cfg.hydra.runtime.output_dir)
        if isinstance(value, Stopped):
            self.pruned = isinstance(value, Pruned)
        elif returned.status == JobStatus.FAILED:
            self.failure = str(value) or type(value).__name__
            self.diverged = isinstance(value, JobDiverged)
        else:
            self.trained = True


def settings(composed: DictConfig, *, refuse: bool = False) -> Config | None:
    """A composed job's settings without Hydra's own; those that are refused raise the reason, or are None."""
    config = copy.deepcopy(composed)
    with read_write(config), open_dict(config):
        del config["hydra"]
    try:
        return resolve(config)
    except (UserError, OmegaConfBaseException):
        if refuse:
            raise
        return None


def tracking_of(composed: DictConfig) -> Tracking:
    """The section of a composed configuration, the rest of which may be refused."""
    tracking = OmegaConf.to_object(composed.tracking)
    assert isinstance(tracking, Tracking)
    return tracking


def next_number(folder: Path) -> int:
    """One more than the highest of the jobs in a sweep's folder; some may be missing below it."""
    found = (NUMBER.search(path.read_text(encoding="utf-8")) for path in folder.rglob(".hydra/hydra.yaml"))
    return 1 + max((int(each[1]) for each in found if each), default=-1)


def varied(jobs: Sequence[SweepJob]) -> list[str]:
    """The keys in which the jobs differ, learning rate and batch size first; these two where there are none."""
    first = ["train.learning_rate", "train.batch_size"]
    values: dict[str, set[str]] = {}
    for job in jobs:
        for key, value in flatten(job.config) if job.config else ():
            values.setdefault(key, set()).add(str(value))
    found = [key for key, of_key in values.items() if len(of_key) > 1 and not key.startswith(("tracking.", "sweep."))]
    return sorted(found, key=lambda key: (key not in first, first.index(key) if key in first else 0)) or first


def counts(jobs: Sequence[SweepJob]) -> dict[str, float]:
    """How many jobs there are and what has become of them, as the parent run's metrics."""
    return {
        "jobs": len(jobs),
        "jobs/finished": len(finished(jobs)),
        "jobs/skipped": sum(job.reused for job in jobs),
        "jobs/pruned": sum(job.pruned for job in jobs),
        "jobs/failed": sum(bool(job.failure) for job in jobs),
    }


def finished(jobs: Sequence[SweepJob]) -> list[tuple[SweepJob, "Result"]]:
    """Jobs with a result, the best first: by validation error, loss, and then the name."""
    found = [(job, job.result) for job in jobs if job.result is not None]
    return sorted(found, key=lambda pair: (pair[1].valid_error, pair[1].valid_loss, pair[1].name))
