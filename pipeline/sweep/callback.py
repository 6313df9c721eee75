"""What a sweep says at its end."""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from pipeline.config import Tracking
from pipeline.errors import UserError


class SweepCallback(Callback):
    """Hydra's callback that remembers which sweep this process runs; Hydra does not call its end after a failure."""

    current: ClassVar[DictConfig | None] = None
    since: ClassVar[int] = 0

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Note the sweep and its time, in milliseconds."""
        SweepCallback.current = config
        SweepCallback.since = time.time_ns() // 1_000_000


def report() -> None:
    """Print one line about the sweep that this process ran, if it ran one: which run was best, and where it is."""
    if SweepCallback.current is None:
        return
    config = SweepCallback.current
    folder = Path(config.hydra.sweep.dir)
    # Hydra makes a folder for each job that it starts, under any launcher: none where it refused the sweep.
    jobs = sum(1 for _ in folder.glob("*/.hydra"))
    if jobs == 0:
        return
    from pipeline.tracking import provenance, search, store  # imports MLflow

    tracking = Tracking(**{field.name: config.tracking[field.name] for field in dataclasses.fields(Tracking)})
    sweep_id = provenance.sweep_id(config.hydra.sweep.dir)
    try:
        found = search.sweep(store.connect(tracking), sweep_id, SweepCallback.since)
    except UserError:
        return  # each job has told already that the store cannot be used
    line = f"sweep {sweep_id}: {found.finished} of {jobs} jobs finished"
    if found.best is not None:
        tags, metrics = found.best.data.tags, found.best.data.metrics
        line += (
            f"; the best is {found.best.info.run_name} with a validation error of {metrics['best/valid_error']:.2%}: "
            f"run {found.best.info.run_id}, {tags['output_dir']}"
        )
    sys.stdout.write(line + "\n")
