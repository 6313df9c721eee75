"""A sweep's jobs: their settings, and how each has ended."""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from pipeline.core import job_context
from pipeline.core.app import JobDiverged
from pipeline.core.config import Config, Tracking, config_hash, flatten, params, resolve
from pipeline.core.errors import Pruned, Stopped, UserError
from pipeline.core.text import redact

if TYPE_CHECKING:
    from pipeline.data.wrong_images import WrongImages
    from pipeline.tracking.queries import Result

FIRST_KEYS = ("train.learning_rate", "train.batch_size")
JOB_NUMBER = re.compile(r"^    num: (\d+)$", re.MULTILINE)  # in the .hydra/hydra.yaml of a job


@dataclass
class SweepJob:
    """One job. `config` is None where its settings are refused; `reused` is a run that finished earlier."""

    overrides: list[str]
    config: Config | None
    composed: DictConfig
    result: "Result | None" = None
    wrong_images: "WrongImages | None" = None  # of its result; None where an earlier version trained it
    reused: bool = False
    trained: bool = False  # to its end, by this sweep
    failure: str | None = None  # why it failed
    diverged: bool = False
    pruned: bool = False  # by a search
    folder: str = ""

    @property
    def identity(self) -> str:
        """Equal for jobs that would train the same model."""
        return " ".join(sorted(self.overrides)) if self.config is None else config_hash(self.config)

    @property
    def choices(self) -> dict[str, str]:
        """The chosen file of each group of conf/."""
        return {str(group): str(choice) for group, choice in self.composed.hydra.runtime.choices.items()}

    def set_context(self, fields: Mapping[str, Any]) -> list[str]:
        """Give the job these fields of its JobContext; return its overrides for a launcher that composes them."""
        variable = job_context.to_variable(fields)
        with read_write(self.composed), open_dict(self.composed):
            self.composed.hydra.job.env_set.update(variable)
        quoted = {name: QuotedString(value, Quote.single).with_quotes() for name, value in variable.items()}
        return [*self.overrides, *(f"++hydra.job.env_set.{name}={value}" for name, value in quoted.items())]

    @property
    def values(self) -> dict[str, object]:
        """The values of its overrides by their keys: of a setting as composed, of a group the name of the file."""
        composed = {} if self.config is None else dict(flatten(self.config))
        typed = (word.lstrip("+").partition("=") for word in filter_overrides(self.overrides))
        return {key: composed.get(key, value) for key, _, value in typed}

    @property
    def unfinished(self) -> bool:
        """Whether it has neither a result nor a failure: the sweep ended before, or was stopped."""
        return self.result is None and self.failure is None and not self.pruned

    @property
    def is_final(self) -> bool:
        """Whether repeating the command would leave this outcome unchanged."""
        return not self.unfinished and (self.failure is None or self.diverged or self.config is None)

    @property
    def command_line(self) -> str:
        """Its overrides as a user would type them, without those of the sweep and without credentials of URLs."""
        words = filter_overrides(self.overrides)
        return " ".join(redact(word) for word in words if not word.startswith("sweep."))

    def record(self, returned: JobReturn) -> None:
        """Record how a launched job has ended. Its result is in the store."""
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
    """The settings of a composed job, without Hydra's section.

    Settings that are refused give None, or raise the reason with `refuse`.
    """
    config = copy.deepcopy(composed)
    with read_write(config), open_dict(config):
        del config["hydra"]
    try:
        return resolve(config)
    except (UserError, OmegaConfBaseException):
        if refuse:
            raise
        return None


def tracking_section(composed: DictConfig) -> Tracking:
    """Section `tracking` of a composed configuration whose other sections may be refused."""
    values = OmegaConf.to_container(composed.tracking, resolve=True)
    tracking = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Tracking), values))
    assert isinstance(tracking, Tracking)
    return tracking


def next_number(folder: Path) -> int:
    """One more than the highest number of the jobs in a sweep's folder. Lower numbers may be missing."""
    matches = (JOB_NUMBER.search(path.read_text(encoding="utf-8")) for path in folder.rglob(".hydra/hydra.yaml"))
    return 1 + max((int(match[1]) for match in matches if match), default=-1)


def varied_keys(jobs: Sequence[SweepJob]) -> list[str]:
    """The keys whose overrides vary: settings, or groups of conf/. A group such as `data` stands for all its settings.

    Learning rate and batch size come first; these two where nothing varies.
    """
    return _varied(job.values for job in jobs if job.config is not None) or list(FIRST_KEYS)


def varied_params(jobs: Sequence[SweepJob]) -> list[str]:
    """The MLflow params of the varied keys. Those of a group are its settings that differ; of data only their name."""
    composed = [params(job.config) for job in jobs if job.config is not None]
    keys = varied_keys(jobs)
    known = [key for key in keys if any(key in values for values in composed)]
    if known == keys:
        return keys
    differing = [key for key in _varied(composed) if key == "data.name" or not key.startswith("data.")]
    return known + [key for key in differing if key not in known] or list(FIRST_KEYS)


def _varied(values: Iterable[Mapping[str, object]]) -> list[str]:
    """The keys with different values, those of FIRST_KEYS first; not those of the store and of the sweep itself."""
    seen: dict[str, set[str]] = {}
    for mapping in values:
        for key, value in mapping.items():
            seen.setdefault(key, set()).add(str(value))
    keys = [
        key for key, different in seen.items() if len(different) > 1 and not key.startswith(("tracking.", "sweep."))
    ]
    return sorted(keys, key=lambda key: FIRST_KEYS.index(key) if key in FIRST_KEYS else len(FIRST_KEYS))


def counts(jobs: Sequence[SweepJob]) -> dict[str, float]:
    """The number of jobs by outcome, as metrics of the parent run."""
    return {
        "jobs": len(jobs),
        "jobs/finished": len(ranked(jobs)),
        "jobs/skipped": sum(job.reused for job in jobs),
        "jobs/pruned": sum(job.pruned for job in jobs),
        "jobs/failed": sum(bool(job.failure) for job in jobs),
    }


def ranked(jobs: Sequence[SweepJob]) -> list[tuple[SweepJob, "Result"]]:
    """Jobs with a result, the best first: by validation error, loss, and then the name."""
    results = [(job, job.result) for job in jobs if job.result is not None]
    return sorted(results, key=lambda pair: (pair[1].valid_error, pair[1].valid_loss, pair[1].name))
