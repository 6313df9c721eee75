"""What to type so that conf/ says what a job of a sweep said."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from pipeline.core.paths import CONF


def lines(overrides: Sequence[str], choices: Mapping[str, str]) -> list[str]:
    """Lines to follow, the last one a command, for a job's overrides and Hydra's choices of its groups.

    `dvc exp run -S` edits values in conf/, but not which file of a group is chosen.
    """
    edits, words = [], []
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key.startswith(("hydra", "sweep", "tracking")):
            continue
        if key.startswith("~"):
            edits.append(f"remove from conf/: {key[1:]}")
        elif (where := _file(key, choices)) is None:
            edits.append(f"choose in conf/config.yaml, under defaults: {key}: {value}")
        else:
            words += ["-S", shlex.quote(f"{where}={value}")]
    return [*edits, " ".join(["dvc exp run", *words])]


def _file(key: str, choices: Mapping[str, str]) -> str | None:
    """The file of conf/ that has the value, and the key in it."""
    preset = CONF / "experiment" / f"{choices.get('experiment')}.yaml"
    if preset.is_file() and _has(preset, key):  # it has the last word
        return f"{preset.relative_to(CONF.parent)}:{key}"
    if _has(CONF / "config.yaml", key):
        return f"conf/config.yaml:{key}"
    section, _, rest = key.partition(".")
    path = CONF / section / f"{choices.get(section)}.yaml"
    if path.is_file() and _has(path, rest):
        return f"{path.relative_to(CONF.parent)}:{rest}"
    return None


def _has(path: Path, key: str) -> bool:
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in key.split("."):
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True
