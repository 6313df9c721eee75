"""Is a composed configuration sound? Unknown keys and values outside their limits are refused in one line."""

import difflib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.core.config import Config, Data, Train, flatten, keys, whole_batches
from pipeline.core.errors import UserError

EARLY_STOPPING = ("epochs", "updates")
ON_FAILURE = ("continue", "stop")
FEWEST_CLASSES, MOST_CLASSES = 2, 1000
SHA256 = re.compile("[0-9a-f]{64}")
MOST_LETTERS = 500  # of an experiment's name: MLflow's own limit
INITIALIZERS = ("zeros", "glorot_uniform", "he_normal", "random_normal")


@dataclass(frozen=True)
class _Limit:
    key: str
    holds: Callable[[Any], bool]
    allowed: str


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _is_part(value: float) -> bool:
    return value >= 1 if isinstance(value, int) else 0 < value < 1


def _are_names(value: list[str] | None) -> bool:
    if value is None:
        return True
    # OmegaConf checks no element's type.
    named = all(isinstance(name, str) and name.strip() and name.isprintable() for name in value)
    return named and FEWEST_CLASSES <= len(value) == len(set(value)) <= MOST_CLASSES


_LIMITS = (
    _Limit("seed", lambda v: 0 <= v < 2**31, "0 to 2147483647"),  # first: model.seed follows it
    _Limit("data.name", bool, "not empty"),
    *(
        limit
        for file in ("train_images", "train_labels", "test_images", "test_labels")
        for limit in (
            _Limit(f"data.files.{file}.name", lambda v: bool(v) and Path(v).name == v, "a file name without a folder"),
            _Limit(f"data.files.{file}.bytes", lambda v: v >= 1, "at least 1"),
            _Limit(f"data.files.{file}.sha256", lambda v: bool(SHA256.fullmatch(v)), "64 digits 0-9, a-f"),
        )
    ),
    _Limit("data.first_label", lambda v: v >= 0, "at least 0"),
    _Limit("data.classes", _are_names, f"null, or {FEWEST_CLASSES} to {MOST_CLASSES} different names of one line each"),
    _Limit("data.split.validation", _is_part, "a number of images, at least 1, or a share of them between 0 and 1"),
    _Limit("data.split.test", lambda v: 0 < v < 1, "a share between 0 and 1"),
    _Limit("model.initializer", lambda v: v in INITIALIZERS, "one of " + ", ".join(INITIALIZERS)),
    _Limit("model.pixel_divisor", _positive, "a finite number above 0"),
    _Limit("train.learning_rate", _positive, "a finite number above 0"),
    _Limit("train.l2", lambda v: math.isfinite(v) and v >= 0, "a finite number of at least 0"),
    _Limit("train.batch_size", lambda v: v >= 1, "at least 1"),
    _Limit("train.epochs", lambda v: v >= 1, "at least 1"),
    _Limit("train.early_stopping", lambda v: v in EARLY_STOPPING, "one of " + ", ".join(EARLY_STOPPING)),
    _Limit("train.patience", lambda v: v >= 1, "at least 1"),
    _Limit("train.update_patience.updates", lambda v: v >= 1, "at least 1"),
    _Limit("train.update_patience.increase", lambda v: math.isfinite(v) and v >= 1, "a finite number of at least 1"),
    _Limit("train.update_patience.improvement", lambda v: 0 < v <= 1, "above 0 and at most 1"),
    _Limit("tracking.uri", lambda v: v.rstrip("/") not in ("", "sqlite:"), "an address, as sqlite:///mlflow.db"),
    _Limit("tracking.experiment", lambda v: bool(v.strip()) and len(v) <= MOST_LETTERS, f"1 to {MOST_LETTERS} letters"),
    _Limit("tracking.weight_images_every", lambda v: v >= 0, "at least 0; 0 means none"),
    _Limit("tracking.weight_image_limit", _positive, "a finite number above 0"),
    _Limit("sweep.on_failure", lambda v: v in ON_FAILURE, "one of " + ", ".join(ON_FAILURE)),
    _Limit("tracking.system_metrics_every", lambda v: math.isfinite(v) and v >= 0, "at least 0 seconds; 0 means none"),
    _Limit("promotion.model", lambda v: bool(v.strip()) and not set(v) & set("/:"), "a name without / and :"),
    _Limit("promotion.min_accuracy", lambda v: 0 <= v <= 1, "a fraction, 0 to 1"),
    _Limit("promotion.significance", lambda v: 0 < v < 1, "above 0 and below 1"),
    _Limit("data.split.seed", lambda v: 0 <= v < 2**31, "0 to 2147483647"),
    _Limit("model.seed", lambda v: 0 <= v < 2**31, "0 to 2147483647"),
)


def resolve(cfg: DictConfig) -> Config:
    """The composed configuration as plain dataclasses, every value within its limits.

    Raises:
        UserError: a key is unknown (Hydra lets `+key=value` pass), a value is missing or outside its limits; the
            message names the key, the value and what is allowed.
    """
    known = set(keys())
    for key in _given(cfg):
        if key not in known:
            raise UserError(unknown_key(key))
    missing = OmegaConf.missing_keys(cfg)
    if missing:
        raise UserError(f"{', '.join(sorted(missing))}: no value in conf/")
    config = OmegaConf.to_object(cfg)
    assert isinstance(config, Config)
    values = dict(flatten(config))
    for limit in _LIMITS:
        if limit.key in values and not limit.holds(values[limit.key]):
            raise UserError(f"{limit.key}={values[limit.key]} is not allowed: it must be {limit.allowed}")
    _check_origin(config.data)
    return config


def _check_origin(data: Data) -> None:
    """Refuse data that are both published and one's own, or neither."""
    if data.path is not None and not data.path.strip():
        raise UserError("data.path= is not allowed: it must be a folder or an .npz file")
    if data.path is not None and data.files is not None:
        raise UserError(
            f"data.path={data.path} is for data of one's own, as data=folder; data={data.name} is published"
        )
    if data.path is None and data.files is None:
        raise UserError(f"data.path has no value: give data={data.name} a folder or an .npz file")
    if data.files is not None and not data.sources:
        raise UserError("data.sources=[] is not allowed: it must be at least one mirror, npm package or folder")


def _given(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    """Every dotted key that was given, sections included."""
    for key in map(str, cfg):
        yield f"{prefix}{key}"
        if not OmegaConf.is_missing(cfg, key) and OmegaConf.is_dict(cfg[key]):
            yield from _given(cfg[key], f"{prefix}{key}.")


def check_batch_size(train: Train, **images: int) -> None:
    """Refuse a minibatch that is larger than one of the named sets.

    Raises:
        UserError: there is such a set.
    """
    for name, number in images.items():
        if train.batch_size > number:
            raise UserError(
                f"train.batch_size={train.batch_size} is not allowed: the {name} set has {number} images, "
                f"so it must be at most {number}"
            )


def check_update_patience(train: Train, images: int) -> None:
    """Refuse a patience in updates that would end training within its first epoch, with nothing validated.

    Raises:
        UserError: it is shorter than an epoch of so many training images.
    """
    updates = math.ceil(whole_batches(images, train) / train.batch_size)
    if train.early_stopping == "updates" and train.update_patience.updates < updates:
        raise UserError(
            f"train.update_patience.updates={train.update_patience.updates} is not allowed: an epoch has {updates} "
            f"updates, so it must be at least {updates}"
        )


def unknown_key(key: str) -> str:
    """What to say of a key that conf/ does not have, with the nearest one of its section or all of them."""
    section, _, name = key.rpartition(".")
    beside = [known for known in keys() if known.rpartition(".")[0] == section]
    by_name = {known.rpartition(".")[2]: known for known in beside}
    near = [by_name[found] for found in difflib.get_close_matches(name, by_name, n=1)]
    if not beside:
        near = difflib.get_close_matches(key, list(keys()), n=1)
    if near:
        return f"{key} is not a setting; did you mean {near[0]}?"
    return f"{key} is not a setting; there are {', '.join(beside or keys())}"
