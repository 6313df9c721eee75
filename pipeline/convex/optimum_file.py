"""optimum/optimum.json: the optimum, and what it is the optimum of."""

import json
from typing import Any

from pipeline.convex.lbfgs import Optimum
from pipeline.core.atomic import write_text
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.paths import OPTIMUM
from pipeline.data import prepared


def write(config: Config, found: Optimum) -> None:
    """Write the file."""
    write_text(OPTIMUM, json.dumps({"made_from": _identity(config)} | found._asdict(), indent=2) + "\n")


def read(config: Config) -> Optimum:
    """Read the file.

    Raises:
        UserError: there is none, or it is of another objective than the configuration's.
    """
    if not OPTIMUM.is_file():
        raise UserError(f"{OPTIMUM} is not there: run `dvc repro optimum`")
    try:
        found = json.loads(OPTIMUM.read_text(encoding="utf-8"))
        made_from = found.pop("made_from")
        optimum = Optimum(**found)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{OPTIMUM} is damaged ({error}): run `dvc repro --force optimum`") from error
    if made_from != _identity(config):
        raise UserError(f"{OPTIMUM} is of other data, pixel_divisor or l2 than asked for: run `dvc repro optimum`")
    return optimum


def _identity(config: Config) -> dict[str, Any]:
    """What decides the optimum, by its full keys."""
    settings = {"model.pixel_divisor": config.model.pixel_divisor, "train.l2": config.train.l2}
    return prepared.identity(config) | settings
