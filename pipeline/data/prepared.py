"""The prepared/ folder: uint8 arrays that can be memory-mapped, and a summary that describes them."""

import functools
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
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
    """Return the hash of data/ that data.dvc pins.

    Raises:
        UserError: data.dvc is missing, or is not valid YAML.
    """
    if not DATA_DVC.is_file():
        raise UserError(f"{DATA_DVC} is not there: run the command in a clone of the repository")
    try:
        return _md5_in(DATA_DVC.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{DATA_DVC} is not valid YAML: restore it (`git checkout data.dvc`)") from error


@functools.lru_cache(maxsize=1)  # each job of a sweep asks, and to parse YAML takes a millisecond
def _md5_in(text: str) -> str:
    return str(OmegaConf.select(OmegaConf.create(text), "outs[0].md5"))


def identity(config: Config) -> dict[str, Any]:
    """Return the settings that determine prepared/, by their full keys: the data set, its hashes and its split."""
    in_md5 = {"data.sources", "data.files", "data.path", "data.prefix"}  # they determine data/, and so data.md5
    settings = {
        key: value
        for key, value in flatten(config.data, "data.")
        if key not in in_md5 and not key.endswith((".name", ".bytes"))
    }
    return {"data.name": config.data.name, "data.md5": data_md5(), **settings}


def digest(config: Config) -> str:
    """Return a SHA-256 that is equal for equal contents of prepared/."""
    return hashlib.sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()


def write(sets: dict[Name, LabelledImages], classes: list[str], made_from: dict[str, Any]) -> None:
    """Write the arrays, the class names and, last, the summary: without it, the data count as missing."""
    (PREPARED / "summary.json").unlink(missing_ok=True)
    for name, data in sets.items():
        for kind, array in (("images", data.images), ("labels", data.labels)):
            with atomic_write(PREPARED / f"{name}_{kind}.npy") as temporary:
                np.save(temporary, array)
    write_text(CLASSES, json.dumps(classes, ensure_ascii=False) + "\n")
    summary = {"made_from": made_from} | {str(name): _describe(data) for name, data in sets.items()}
    write_text(PREPARED / "summary.json", json.dumps(summary, indent=2) + "\n")


def _describe(data: LabelledImages) -> dict[str, Any]:
    classes, counts = np.unique(data.labels, return_counts=True)
    return {
        "images": len(data),
        "mean": round(float(data.images.mean()), 4),
        "std": round(float(data.images.std()), 4),
        "counts": {str(label): int(count) for label, count in zip(classes, counts, strict=True)},
    }


def classes(config: Config) -> list[str]:
    """Return the class names in the order of the labels.

    Raises:
        UserError: prepared/ is missing or damaged, or was made from other data or settings.
    """
    read(config)
    with _report_damage():
        names: list[str] = json.loads(CLASSES.read_text(encoding="utf-8"))
    return names


def read(config: Config, *names: Name) -> list[LabelledImages]:
    """Memory-map the named sets.

    Raises:
        UserError: prepared/ is missing or damaged, or was made from other data or settings.
    """
    expected = identity(config)
    files = [(PREPARED / f"{name}_images.npy", PREPARED / f"{name}_labels.npy") for name in names]
    if not all(file.is_file() for file in (PREPARED / "summary.json", CLASSES, *chain(*files))):
        raise UserError(f"{PREPARED} holds no prepared data: run `dvc repro preprocess`")
    with _report_damage():
        made_from = dict(json.loads((PREPARED / "summary.json").read_text(encoding="utf-8"))["made_from"])
        sets = [LabelledImages(*map(_memory_map, pair)) for pair in files]
    differences = [
        f"{key}={made_from.get(key)} instead of {value}"
        for key, value in expected.items()
        if made_from.get(key) != value
    ]
    if differences:
        more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
        raise UserError(
            f"{PREPARED} holds other data than this run needs ({differences[0]}{more}): "
            "set them in conf/ and run `dvc repro preprocess`"
        )
    return sets


_maps: WeakValueDictionary[tuple[Path, int, int, int], npt.NDArray[Any]] = WeakValueDictionary()


def _memory_map(file: Path) -> npt.NDArray[Any]:
    """Memory-map an array. The jobs of a sweep share a map, because each map keeps a file descriptor open."""
    status = file.stat()
    key = file, status.st_ino, status.st_size, status.st_mtime_ns
    array = _maps.get(key)
    if array is None:
        array = _maps[key] = np.load(file, mmap_mode="r")
    return array


@contextmanager
def _report_damage() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, EOFError, KeyError) as error:
        raise UserError(f"{PREPARED} has a damaged file ({error}): run `dvc repro --force preprocess`") from error
