"""What a job knows about itself. Nothing else reads HydraConfig or the job's environment variable."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

# A sweep sets it through `hydra.job.env_set`, so that every launcher carries it to the process of the job. It is JSON
# with the fields `parent_run_id`, `stop_file` and `trial` of a JobContext; what does not apply is left out.
VARIABLE = "SWEEP_JOB"


@dataclass(frozen=True)
class Trial:
    """A trial of a search: its number in an Optuna study, and the settings of successive halving."""

    storage: str
    study: str
    number: int
    epochs: int  # after which trials are compared first; 0: never
    factor: int


@dataclass(frozen=True)
class JobContext:
    """A job of a Hydra app; in a single run `number` and `sweep_dir` are None."""

    name: str  # of the command, such as "train"
    output_dir: Path
    overrides: tuple[str, ...]
    number: int | None = None  # in its sweep
    sweep_dir: Path | None = None
    parent_run_id: str | None = None  # the sweep's MLflow run
    stop_file: Path | None = None  # a job that fails creates it: no further job of the sweep begins
    trial: Trial | None = None
    node: str | None = None  # of a Ray cluster

    @classmethod
    def from_hydra(cls, node: str | None = None) -> Self:
        """The job that Hydra is running in this process now."""
        hydra = HydraConfig.get()
        in_sweep = hydra.mode == RunMode.MULTIRUN
        sweep: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}")) if in_sweep else {}
        # As typed: OmegaConf would resolve an interpolation in an override, such as `seed=${train.epochs}`.
        overrides = OmegaConf.to_container(hydra.overrides.task, resolve=False)
        assert isinstance(overrides, list)
        return cls(
            name=hydra.job.name,
            output_dir=Path(hydra.runtime.output_dir),
            overrides=tuple(map(str, overrides)),
            number=hydra.job.num if in_sweep else None,
            sweep_dir=Path(hydra.sweep.dir) if in_sweep else None,
            parent_run_id=sweep.get("parent_run_id"),
            stop_file=Path(sweep["stop_file"]) if "stop_file" in sweep else None,
            trial=Trial(**sweep["trial"]) if "trial" in sweep else None,
            node=node,
        )

    @property
    def store_options(self) -> list[str]:
        """Options that give a command about runs the store of this job."""
        words = (override.lstrip("+") for override in self.overrides)
        return [word for override in words if override.startswith("tracking") for word in ("-S", override)]


def to_variable(fields: Mapping[str, Any]) -> dict[str, str]:
    """The environment variable that gives a job these fields of its context."""
    return {VARIABLE: json.dumps(fields)}
