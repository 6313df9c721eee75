"""The prepared/ folder: uint8 arrays that can be memory-mapped, and a summary that tells what they are."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, Literal

import numpy as np
from omegaconf import OmegaConf
from yaml import YAMLError

from pipeline.core.atomic import atomic_write, write_text
from pipeline.core.config import Config, flatten
from pipeline.core.errors import UserError
from pipeline.core.paths import DATA_DVC, PREPARED
from pipeline.data.images import LabelledImages

CLASSES = PREPARED / "classes.json"

Name = Literal["train", "valid", "test"]


def data_md5() -> str:
    """The hash by which data.dvc pins data/."""
    if not DATA_DVC.is_file():
        raise UserError(f"{DATA_DVC} is not there: run the command in a clone of the repository")
    try:
        return str(OmegaConf.select(OmegaConf.load(DATA_DVC), "outs[0].md5"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{DATA_DVC} is not sound YAML: restore it, as with `git checkout data.dvc`") from error


def identity(config: Config) -> dict[str, Any]:
    """What decides the contents of prepared/, by its full keys: the data set, its hashes and its split."""
    of_data = dict(flatten(config.data, "data."))
    elsewhere = {"data.sources", "data.files", "data.path", "data.prefix"}  # these decide what data.md5 is
    told = {
        key: value for key, value in of_data.items() if key not in elsewhere and not key.endswith((".name", ".bytes"))
    }
    return {"data.name": config.data.name, "data.md5": data_md5(), **told}


def write(sets: dict[Name, LabelledImages], classes: list[str], who: dict[str, Any]) -> None:
    """Write the arrays, the classes' names and, last, the summary without which they count as absent."""
    (PREPARED / "summary.json").unlink(missing_ok=True)
    for name, data in sets.items():
        for kind, array in (("images", data.images), ("labels", data.labels)):
            with atomic_write(PREPARED / f"{name}_{kind}.npy") as temporary:
                np.save(temporary, array)
    write_text(CLASSES, json.dumps(classes, ensure_ascii=False) + "\n")
    summary = {"made_from": who} | {str(name): _describe(data) for name, data in sets.items()}
    write_text(PREPARED / "summary.json", json.dumps(summary, indent=2) + "\n")


def classes(config: Config) -> list[str]:
    """The classes' names in the order of the labels.

    Raises:
        UserError: prepared/ holds nothing, or other data than the configuration asks for.
    """
    read(config)
    with _telling_damage():
        names: list[str] = json.loads(CLASSES.read_text(encoding="utf-8"))
    return names


def _describe(data: LabelledImages) -> dict[str, Any]:
    classes, counts = np.unique(data.labels, return_counts=True)
    return {
        "images": len(data),
        "mean": round(float(data.images.mean()), 4),
        "std": round(float(data.images.std()), 4),
        "counts": {str(label): int(count) for label, count in zip(classes, counts, strict=True)},
    }


def read(config: Config, *names: Name) -> list[LabelledImages]:
    """Memory-map the named sets.

    Raises:
        UserError: prepared/ holds nothing, or other data than the configuration asks for.
    """
    asked = identity(config)
    files = [(PREPARED / f"{name}_images.npy", PREPARED / f"{name}_labels.npy") for name in names]
    if not all(file.is_file() for file in (PREPARED / "summary.json", CLASSES, *chain(*files))):
        raise UserError(f"{PREPARED} holds no prepared data: run `dvc repro preprocess`")
    with _telling_damage():
        found = dict(json.loads((PREPARED / "summary.json").read_text(encoding="utf-8"))["made_from"])
        sets = [LabelledImages(*(np.load(file, mmap_mode="r") for file in pair)) for pair in files]
    differing = [
        f"{key}={found.get(key)} instead of {value}" for key, value in asked.items() if found.get(key) != value
    ]
    if differing:
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        raise UserError(
            f"{PREPARED} holds other data than this run asks for ({differing[0]}{more}): "
            "choose the data in conf/config.yaml and run `dvc repro preprocess`"
        )
    return sets


@contextmanager
def _telling_damage() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, EOFError, KeyError) as error:
        raise UserError(f"{PREPARED} has a damaged file ({error}): run `dvc repro --force preprocess`") from error
