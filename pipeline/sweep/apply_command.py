"""The command that puts a job's settings into conf/, so that `dvc exp run` trains the same model."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from pipeline.core.config import Config, flatten
from pipeline.core.paths import CONF

SETTINGS = CONF / "settings.yaml"
NOT_APPLIED = ("hydra", "tracking", "sweep", "promotion")  # no model depends on them
WORD = re.compile(r"(?!(?:true|false|null|nan|inf)$)[a-z_][\w-]*", re.IGNORECASE | re.ASCII)


def apply_command(config: Config, choices: Mapping[str, str]) -> str:
    """A `dvc exp run` that writes all differences between a job's settings and conf/.

    It compares values, so it does not matter how the sweep was started: with a preset, another primary config, or
    interpolations.

    Args:
        config: the job's settings.
        choices: the file that the job chose in each group of conf/.
    """
    present = _compose([]).hydra.runtime.choices
    groups = {group: choice for group, choice in choices.items() if _is_applied(group, choice, present)}
    wanted = {key: value for key, value in flatten(config) if not key.startswith(NOT_APPLIED)}
    changed: dict[str, str] = {}
    # First the other settings: one that follows another one, like model.seed, may then be equal already.
    for with_interpolations in (False, True):
        composed = _compose([f"{key}={value}" for key, value in {**groups, **changed}.items()])
        with open_dict(composed):
            del composed["hydra"]  # it has resolvers that only an application registers
        written, values = (dict(_leaves(OmegaConf.to_container(composed, resolve=each))) for each in (False, True))
        for key, value in wanted.items():
            if values.get(key) != value and (with_interpolations or "${" not in str(written.get(key))):
                changed[key] = _hydra_value(value)
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    words = [_edit(key, value, settings, present.get("experiment")) for key, value in changed.items()]
    if groups:
        overridden = {f"override /{group}": choice for group, choice in groups.items()}
        kept = [entry for entry in settings.get("defaults", []) if not set(entry) & set(overridden)]
        entries = [*kept, *({group: choice} for group, choice in overridden.items())]
        chosen = ",".join(f"{{{group}: {choice}}}" for entry in entries for group, choice in entry.items())
        words.insert(0, f"{_path(SETTINGS)}:++defaults=[{chosen}]")
    return " ".join(["dvc exp run", *(f"-S {shlex.quote(word)}" for word in words)])


def _is_applied(group: str, choice: str, present: Mapping[str, str]) -> bool:
    """Whether the file is another one of conf/ than the present one. A preset's values are applied one by one."""
    other = present.get(group) != choice and (CONF / group / f"{choice}.yaml").is_file()
    return other and group != "experiment" and not group.startswith(NOT_APPLIED)


def _compose(overrides: list[str]) -> DictConfig:
    """conf/config.yaml with the overrides. hydra.compose refuses to run inside of a Hydra application."""
    loader = ConfigLoaderImpl(create_config_search_path(str(CONF)))
    return loader.load_configuration("config", overrides, RunMode.RUN)


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _edit(key: str, value: str, settings: Any, experiment: str | None) -> str:
    """An edit for `dvc exp run -S`: of settings.yaml, or of the preset if that sets the key, as it would win."""
    preset = CONF / "experiment" / f"{experiment}.yaml"
    if preset.is_file() and key in dict(_leaves(yaml.safe_load(preset.read_text(encoding="utf-8")))):
        return f"{_path(preset)}:{key}={value}"
    return f"{_path(SETTINGS)}:{'' if key in dict(_leaves(settings)) else '++'}{key}={value}"


def _path(file: Path) -> str:
    return str(file.relative_to(CONF.parent))


def _hydra_value(value: object) -> str:
    """The value in the grammar of Hydra's overrides."""
    if isinstance(value, list):
        return f"[{','.join(map(_hydra_value, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return value if WORD.fullmatch(value) else QuotedString(value, Quote.double).with_quotes()
    return repr(value)
