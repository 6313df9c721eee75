"""The optima that are known: outputs/optimum/, a file for each training set and objective."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.convex.lbfgs import Optimum
from pipeline.core.atomic import write_text
from pipeline.core.paths import home


def path_for(identity: Mapping[str, Any]) -> Path:
    """The file for an objective: `identity` has the data's hash and split, `model.pixel_divisor` and `train.l2`."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return home() / "outputs" / "optimum" / f"{digest[:16]}.json"


def write(path: Path, identity: Mapping[str, Any], optimum: Optimum) -> None:
    """Write the optimum, with the identity of its objective for whoever opens the file."""
    write_text(path, json.dumps({"made_from": identity} | optimum._asdict(), indent=2) + "\n")


def read(path: Path) -> Optimum | None:
    """Read the optimum; None where the file is missing or damaged, so that the optimum is searched again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Optimum(**{name: content[name] for name in Optimum._fields})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
