"""The typed schema of conf/, and what is derived from a composed configuration.

conf/ holds every default; this module holds none, so that a setting is written in one place.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from pipeline.core.paths import ROOT
from pipeline.core.text import redact, truncate


@dataclass
class File:
    """One published file: its name, and the size and SHA-256 of its uncompressed bytes."""

    name: str = MISSING
    bytes: int = MISSING
    sha256: str = MISSING


@dataclass
class Files:
    """The four IDX files of a data set."""

    train_images: File = MISSING
    train_labels: File = MISSING
    test_images: File = MISSING
    test_labels: File = MISSING


@dataclass
class Split:
    """How validation images are taken from the training set, and test images where there is no test set.

    `validation` is a number of images or, below 1, a share of them, as `test` is.
    """

    validation: int | float = MISSING
    test: float = MISSING
    shuffle: bool = MISSING
    seed: int = MISSING


@dataclass
class Data:
    """A data set: its name, where it can be had, how it is laid out, and its split.

    A published one has `sources` and `files`, one's own a `path`.
    """

    name: str = MISSING
    sources: list[str] = MISSING
    files: Files | None = MISSING
    path: str | None = MISSING
    prefix: str = MISSING
    transposed: bool = MISSING
    first_label: int = MISSING
    classes: list[str] | None = MISSING
    # Not MISSING: OmegaConf fails to fill a missing section in which a value may be of two types.
    split: Split = dataclasses.field(default_factory=Split)


@dataclass
class Model:
    """The softmax model's own settings; its shape follows the data."""

    initializer: str = MISSING
    seed: int = MISSING
    pixel_divisor: float = MISSING


@dataclass
class UpdatePatience:
    """The tutorial's early stopping, counted in minibatch updates."""

    updates: int = MISSING
    increase: float = MISSING
    improvement: float = MISSING


@dataclass
class Train:
    """Minibatch SGD and its early stopping."""

    learning_rate: float = MISSING
    l2: float = MISSING
    batch_size: int = MISSING
    epochs: int = MISSING
    early_stopping: str = MISSING
    patience: int = MISSING
    update_patience: UpdatePatience = MISSING
    shuffle: bool = MISSING
    drop_last: bool = MISSING
    report_test: bool = MISSING


@dataclass
class Tracking:
    """Where MLflow keeps runs, and how often weight images go there."""

    uri: str = MISSING
    experiment: str = MISSING
    weight_images_every: int = MISSING
    weight_image_limit: float = MISSING
    system_metrics_every: float = MISSING


@dataclass
class Sweep:
    """How a sweep is run; it determines no job's result."""

    on_failure: str = MISSING
    rerun: bool = MISSING
    dry_run: bool = MISSING


@dataclass
class Promotion:
    """What `python -m pipeline.promote` asks of a run; it determines no run's result."""

    model: str = MISSING
    min_accuracy: float = MISSING
    significance: float = MISSING


@dataclass
class Config:
    """Everything in conf/ but Hydra's own section."""

    data: Data = dataclasses.field(default_factory=Data)
    model: Model = MISSING
    train: Train = MISSING
    tracking: Tracking = MISSING
    sweep: Sweep = MISSING
    promotion: Promotion = MISSING
    seed: int = MISSING


# At import, so that the worker processes of a launcher know them too.
ConfigStore.instance().store(name="schema", node=Config)
OmegaConf.register_new_resolver("root", lambda: str(ROOT), replace=True)
# Cached, so that every job of a sweep sees the process id of the one that started it.
OmegaConf.register_new_resolver("pid", os.getpid, use_cache=True, replace=True)


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration with their dotted keys, as `("train.learning_rate", 0.1)`."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from flatten(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def params(config: Config) -> dict[str, str]:
    """What MLflow shows of a run's settings: all of them, but how its sweep was run and what promotion asks."""
    shown = ((key, value) for key, value in flatten(config) if not key.startswith(("sweep.", "promotion.")))
    return {key: truncate(redact(str(value)), "provenance/config.yaml") for key, value in shown}


def keys(schema: Any = Config, prefix: str = "") -> Iterator[str]:
    """Every dotted key that conf/ may hold, sections included."""
    for field in dataclasses.fields(schema):
        yield prefix + field.name
        section = next(filter(dataclasses.is_dataclass, (field.type, *get_args(field.type))), None)
        if section:
            yield from keys(section, f"{prefix}{field.name}.")


def whole_batches(images: int, train: Train) -> int:
    """How many of the images are looked at: all, or with `drop_last` those that fill whole minibatches."""
    return images // train.batch_size * train.batch_size if train.drop_last else images


def config_hash(config: Config) -> str:
    """SHA-256 of all settings that determine a training result; where data come from and runs go to do not."""
    sections = dataclasses.asdict(config)
    del sections["tracking"], sections["sweep"], sections["promotion"]
    del sections["data"]["sources"], sections["data"]["path"], sections["data"]["prefix"]
    return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()
