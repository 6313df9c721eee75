"""The prepared/ folder: uint8 arrays that can be memory-mapped, and a summary that tells what they are."""

import json
from itertools import chain
from typing import Any, Literal, get_args

import numpy as np
from omegaconf import OmegaConf
from yaml import YAMLError

from pipeline.config import Config, flatten
from pipeline.data.labelled import LabelledImages
from pipeline.errors import UserError
from pipeline.files import write_text, writing
from pipeline.paths import DATA_DVC, PREPARED

Name = Literal["train", "valid", "test"]


def data_md5() -> str:
    """The hash by which data.dvc pins data/."""
    if not DATA_DVC.is_file():
        raise UserError(f"{DATA_DVC} is not there: run the command in a clone of the repository")
    try:
        return str(OmegaConf.select(OmegaConf.load(DATA_DVC), "outs[0].md5"))
    except YAMLError as error:
        raise UserError(f"{DATA_DVC} is not sound YAML: restore it, as with `git checkout data.dvc`") from error


def identity(config: Config) -> dict[str, Any]:
    """What decides the contents of prepared/, by its full keys: the data set, its hashes and its split."""
    files = {key: value for key, value in flatten(config.data.files, "data.files.") if key.endswith("sha256")}
    split = dict(flatten(config.data.split, "data.split."))
    return {"data.name": config.data.name, "data.md5": data_md5(), **files, **split}


def write(sets: dict[Name, LabelledImages], who: dict[str, Any]) -> None:
    """Write the arrays and, last, the summary without which they count as absent."""
    (PREPARED / "summary.json").unlink(missing_ok=True)
    for name, data in sets.items():
        for kind, array in (("images", data.images), ("labels", data.labels)):
            with writing(PREPARED / f"{name}_{kind}.npy") as temporary:
                np.save(temporary, array)
    summary = {"made_from": who} | {str(name): _describe(data) for name, data in sets.items()}
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
    """The classes' names in the order of their labels; the labels themselves where the data have no names.

    Raises:
        UserError: as `read`.
    """
    read(config)
    summary = json.loads((PREPARED / "summary.json").read_text(encoding="utf-8"))
    if "classes" in summary:
        return list(summary["classes"])
    largest = max(int(label) for name in get_args(Name) for label in summary[name]["counts"])
    return [str(label) for label in range(largest + 1)]


def read(config: Config, *names: Name) -> list[LabelledImages]:
    """Memory-map the named sets.

    Raises:
        UserError: prepared/ holds nothing, or other data than the configuration asks for.
    """
    asked = identity(config)
    files = [(PREPARED / f"{name}_images.npy", PREPARED / f"{name}_labels.npy") for name in names]
    if not all(file.is_file() for file in (PREPARED / "summary.json", *chain(*files))):
        raise UserError(f"{PREPARED} holds no prepared data: run `dvc repro preprocess`")
    try:
        found = json.loads((PREPARED / "summary.json").read_text(encoding="utf-8"))["made_from"]
        sets = [LabelledImages(*(np.load(file, mmap_mode="r") for file in pair)) for pair in files]
    except (ValueError, EOFError, KeyError) as error:
        raise UserError(f"{PREPARED} has a damaged file ({error}): run `dvc repro --force preprocess`") from error
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
