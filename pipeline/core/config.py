"""The typed schema of conf/, the check of a composed configuration, and what is derived from it.

conf/ holds every default. This module holds none, so that a default is written in one place.
"""

import dataclasses
import difflib
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from pipeline.core.docstrings import docstring
from pipeline.core.errors import UserError
from pipeline.core.paths import ROOT
from pipeline.core.text import redact, truncate

MIN_CLASSES, MAX_CLASSES = 2, 1000
ABBREVIATIONS = {"lr": "train.learning_rate", "batch": "train.batch_size"}  # in the names of runs
MAX_EXPERIMENT_NAME = 500  # characters: MLflow's own limit


def setting(allowed: str, holds: Callable[[Any], bool]) -> Any:
    """A field without a default whose values must satisfy `holds`; an error says what is `allowed`."""
    return dataclasses.field(default=MISSING, metadata={"allowed": allowed, "holds": holds})


def one_of(*options: str) -> Any:
    """A field whose value is one of the options."""
    return setting("one of " + ", ".join(options), lambda v: v in options)


def seed() -> Any:
    """A field for the seed of a random generator."""
    return setting("0 to 2147483647", lambda v: 0 <= v < 2**31)


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _is_number_or_share(value: float | None) -> bool:
    return value is None or (value >= 1 if isinstance(value, int) else 0 < value < 1)


def _are_class_names(value: list[str] | None) -> bool:
    if value is None:
        return True
    # OmegaConf does not check the types of a list's elements.
    valid = all(isinstance(name, str) and name.strip() and name.isprintable() for name in value)
    return valid and MIN_CLASSES <= len(value) == len(set(value)) <= MAX_CLASSES


@dataclass
class File:
    """One published file: its name, and the size and SHA-256 of its uncompressed bytes."""

    name: str = setting("a file name without a folder", lambda v: bool(v) and Path(v).name == v)
    bytes: int = setting("at least 1", lambda v: v >= 1)
    sha256: str = setting("64 digits 0-9, a-f", lambda v: bool(re.fullmatch("[0-9a-f]{64}", v)))


@dataclass
class Files:
    """The four IDX files of a data set."""

    train_images: File = MISSING
    train_labels: File = MISSING
    test_images: File = MISSING
    test_labels: File = MISSING


@dataclass
class Split:
    """How validation and test images are taken from the training set where the data have no set for them.

    `validation` null: the data's own validation set, or else a fifth of the training images.
    """

    validation: int | float | None = setting(
        "null, a number of images, at least 1, or a share between 0 and 1", _is_number_or_share
    )
    test: float = setting("a share between 0 and 1", lambda v: 0 < v < 1)
    shuffle: bool = MISSING
    seed: int = seed()


@dataclass
class Data:
    """A data set: its name, its origin, its layout and its split.

    A published data set has `sources` and `files`; the user's own data have a `path`.
    """

    name: str = setting("not empty", bool)
    sources: list[str] = MISSING
    files: Files | None = MISSING
    path: str | None = setting("a folder or an .npz file", lambda v: v is None or bool(v.strip()))
    prefix: str = MISSING
    transposed: bool = MISSING
    first_label: int = setting("at least 0", lambda v: v >= 0)
    classes: list[str] | None = setting(  # noqa: RUF009 - a dataclass field, like the other settings
        f"null, or {MIN_CLASSES} to {MAX_CLASSES} different names of one line each", _are_class_names
    )
    # Not MISSING: OmegaConf fails to fill a missing section with a field of type `int | float`.
    split: Split = dataclasses.field(default_factory=Split)


@dataclass
class Model:
    """The settings of the softmax model; its shape follows the data."""

    initializer: str = one_of("zeros", "glorot_uniform", "he_normal", "random_normal")
    seed: int = seed()
    pixel_divisor: float = setting("a finite number above 0", _is_positive)


@dataclass
class UpdatePatience:
    """The tutorial's early stopping, counted in minibatch updates."""

    updates: int = setting("at least 1", lambda v: v >= 1)
    increase: float = setting("a finite number of at least 1", lambda v: math.isfinite(v) and v >= 1)
    improvement: float = setting("above 0 and at most 1", lambda v: 0 < v <= 1)


@dataclass
class Train:
    """Minibatch SGD and its early stopping."""

    learning_rate: float = setting("a finite number above 0", _is_positive)
    l2: float = setting("a finite number of at least 0", lambda v: math.isfinite(v) and v >= 0)
    batch_size: int = setting("at least 1", lambda v: v >= 1)
    epochs: int = setting("at least 1", lambda v: v >= 1)
    early_stopping: str = one_of("epochs", "updates")
    patience: int = setting("at least 1", lambda v: v >= 1)
    update_patience: UpdatePatience = MISSING
    shuffle: bool = MISSING
    drop_last: bool = MISSING
    report_test: bool = MISSING


@dataclass
class Tracking:
    """Where MLflow stores runs, and how often weight images and system metrics are logged."""

    uri: str = setting("an address such as sqlite:///mlflow.db", lambda v: v.rstrip("/") not in ("", "sqlite:"))
    experiment: str = setting(
        f"1 to {MAX_EXPERIMENT_NAME} characters", lambda v: bool(v.strip()) and len(v) <= MAX_EXPERIMENT_NAME
    )
    weight_images_every: int = setting("at least 0; 0 means none", lambda v: v >= 0)
    weight_image_limit: float = setting("a finite number above 0", _is_positive)
    system_metrics_every: float = setting("at least 0 seconds; 0 means none", lambda v: math.isfinite(v) and v >= 0)


@dataclass
class Sweep:
    """How a sweep runs and compares its jobs; no result depends on it."""

    on_failure: str = one_of("continue", "stop")
    rerun: bool = MISSING
    dry_run: bool = MISSING
    significance: float = setting("0 to 1", lambda v: 0 <= v <= 1)


@dataclass
class Promotion:
    """What `python -m pipeline.promote` requires of a run; no result depends on it."""

    model: str = setting("a name without / and :", lambda v: bool(v.strip()) and not set(v) & set("/:"))
    min_accuracy: float = setting("a fraction, 0 to 1", lambda v: 0 <= v <= 1)
    significance: float = setting("above 0 and below 1", lambda v: 0 < v < 1)


@dataclass
class Config:
    """Everything in conf/ except Hydra's own section."""

    data: Data = dataclasses.field(default_factory=Data)
    model: Model = MISSING
    train: Train = MISSING
    tracking: Tracking = MISSING
    sweep: Sweep = MISSING
    promotion: Promotion = MISSING
    seed: int = seed()


# At import, so that a launcher's worker processes register them too.
ConfigStore.instance().store(name="schema", node=Config)
OmegaConf.register_new_resolver("root", lambda: str(ROOT), replace=True)
OmegaConf.register_new_resolver("docstring", docstring, replace=True)
# Cached, so that all jobs of a sweep share the process id of the sweep's command.
OmegaConf.register_new_resolver("pid", os.getpid, use_cache=True, replace=True)


def resolve(cfg: DictConfig) -> Config:
    """Convert a composed configuration into dataclasses, and check every value.

    A primary config of the user's own, and config.yaml in a run's .hydra/, need no `- schema`.

    Raises:
        UserError: a key is unknown (Hydra lets `+key=value` pass), a value is missing, or a value is outside its
            limits; the message names the key, the value and what is allowed.
    """
    schema = dict(_fields())
    for key in _composed_keys(cfg):
        if key not in schema:
            raise UserError(unknown_key_message(key))
    if OmegaConf.get_type(cfg) is not Config:
        merged = OmegaConf.merge(OmegaConf.structured(Config), cfg)
        assert isinstance(merged, DictConfig)
        cfg = merged
    missing = OmegaConf.missing_keys(cfg)
    if missing:
        raise UserError(f"{', '.join(sorted(missing))}: no value in conf/")
    config = OmegaConf.to_object(cfg)
    assert isinstance(config, Config)
    for key, value in sorted(flatten(config), key=lambda leaf: "." in leaf[0]):  # first `seed`: model.seed follows it
        limit = schema[key].metadata
        if limit and not limit["holds"](value):
            raise UserError(f"{key}={value} is not allowed: it must be {limit['allowed']}")
    _check_origin(config.data)
    return config


def _check_origin(data: Data) -> None:
    """Raise UserError unless the data are either published or the user's own."""
    if data.path is not None and data.files is not None:
        raise UserError(f"data.path={data.path} is for your own data, with data=folder; data={data.name} is published")
    if data.path is None and data.files is None:
        raise UserError(f"data.path has no value: give data={data.name} a folder or an .npz file")
    if data.files is not None and not data.sources:
        raise UserError("data.sources=[] is not allowed: it must be at least one mirror, npm package or folder")


def check_batch_size(train: Train, **images: int) -> None:
    """Check that a minibatch is at most as large as each named set of images.

    Raises:
        UserError: a set is smaller.
    """
    for name, number in images.items():
        if train.batch_size > number:
            raise UserError(
                f"train.batch_size={train.batch_size} is not allowed: the {name} set has {number} images, "
                f"so it must be at most {number}"
            )


def check_update_patience(train: Train, images: int) -> None:
    """Check that early stopping by updates cannot end training before the first validation.

    Raises:
        UserError: the patience is shorter than an epoch over `images` training images.
    """
    updates = math.ceil(whole_batches(images, train) / train.batch_size)
    if train.early_stopping == "updates" and train.update_patience.updates < updates:
        raise UserError(
            f"train.update_patience.updates={train.update_patience.updates} is not allowed: an epoch has {updates} "
            f"updates, so it must be at least {updates}"
        )


def unknown_key_message(key: str) -> str:
    """Return the error message for a key that conf/ does not have: the closest key of its section, or all of them."""
    section, _, name = key.rpartition(".")
    siblings = {known.rpartition(".")[2]: known for known in keys() if known.rpartition(".")[0] == section}
    if siblings:
        matches = [siblings[match] for match in difflib.get_close_matches(name, siblings, n=1)]
    else:
        matches = difflib.get_close_matches(key, list(keys()), n=1)
    if not matches and not section:  # a setting without its section, or as runs are named
        leaves = {**{known.rpartition(".")[2]: known for known in reversed(list(keys()))}, **ABBREVIATIONS}
        matches = [leaves[match] for match in difflib.get_close_matches(name, leaves, n=1)]
    if matches:
        return f"{key} is not a setting; did you mean {matches[0]}?"
    return f"{key} is not a setting; there are {', '.join(siblings.values() or keys())}"


def keys() -> Iterator[str]:
    """Every dotted key of the schema, sections included."""
    return (key for key, _ in _fields())


def _fields(schema: Any = Config, prefix: str = "") -> Iterator[tuple[str, "dataclasses.Field[Any]"]]:
    for field in dataclasses.fields(schema):
        yield prefix + field.name, field
        section = next(filter(dataclasses.is_dataclass, (field.type, *get_args(field.type))), None)
        if section:
            yield from _fields(section, f"{prefix}{field.name}.")


def _composed_keys(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, cfg):
        yield f"{prefix}{key}"
        if not OmegaConf.is_missing(cfg, key) and OmegaConf.is_dict(cfg[key]):
            yield from _composed_keys(cfg[key], f"{prefix}{key}.")


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a configuration with their dotted keys, for example `("train.learning_rate", 0.1)`."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from flatten(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def params(config: Config) -> dict[str, str]:
    """The MLflow params of a run: all settings except those of the sweep and of promotion."""
    logged = ((key, value) for key, value in flatten(config) if not key.startswith(("sweep.", "promotion.")))
    return {key: truncate(redact(str(value)), "provenance/config.yaml") for key, value in logged}


def config_hash(config: Config) -> str:
    """SHA-256 of all settings that determine a training result: not the data's origin, not the store of the runs."""
    sections = dataclasses.asdict(config)
    del sections["tracking"], sections["sweep"], sections["promotion"]
    del sections["data"]["sources"], sections["data"]["path"], sections["data"]["prefix"]
    return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()


def whole_batches(images: int, train: Train) -> int:
    """The number of images that are used: all, or with `drop_last` those that fill whole minibatches."""
    return images // train.batch_size * train.batch_size if train.drop_last else images
