"""One line for the errors that Hydra and OmegaConf raise over several lines."""

import difflib
import re
from pathlib import Path

from hydra.errors import OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from pipeline.core.config import unknown_key_message
from pipeline.core.paths import CONF

_FULL_KEY = re.compile(r"^\s*full_key: (\S+)$", re.MULTILINE)
_FILE = re.compile(r"^In '(\S+)': .* raised while composing config:$", re.MULTILINE)
_OPTION = re.compile(r"^In '(\S+)': Could not find '(\S+)/(\S+)'$", re.MULTILINE)
_OPTIONS = re.compile(r"^\t(\S+)$", re.MULTILINE)
# Hydra launchers that are not installed by default, and the extra of pyproject.toml that installs them.
_EXTRAS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit"}
_NOISE = re.compile(
    r"^\s*(full_key: |reference_type=|object_type=|See https://hydra|In '\S+': .* raised while composing)"
)


def short_message(error: Exception) -> str:
    """Return the key or file, the reason, and what is allowed, as far as the error says so."""
    if isinstance(error, UnicodeDecodeError):
        return f"{', '.join(map(str, _undecodable_files()))}: {error}: save it as UTF-8"
    if isinstance(error, OverrideParseException):
        form = "it must be KEY=VALUE, with quotes around special characters: 'KEY=\"a: b\"'"
        return f"{error.override} is not understood ({_join(str(error))}): {form}"
    if option := _OPTION.search(str(error)):
        parent, group, name = option.groups()
        return _missing_option(parent, group, name, _OPTIONS.findall(str(error)))
    return _value_error(error)


def _value_error(error: Exception) -> str:
    head = str(error)
    detail = str(error.__cause__) if isinstance(error.__cause__, OmegaConfBaseException) else head
    key, file = _FULL_KEY.search(detail), _FILE.search(head)
    where = f" (in conf/{file[1]}.yaml)" if file else ""
    if key is None:
        return _join(head) + where
    if key[1].startswith("hydra."):
        return _join(head)
    if "is not in struct" in detail or re.search(r"Key '.*' not in", detail):
        return unknown_key_message(key[1]) + where
    return f"{key[1]}: {_join(detail)}{where}"


def _missing_option(parent: str, group: str, name: str, options: list[str]) -> str:
    if not options:
        return f"conf/{group}/{name}.yaml does not exist: restore it, or choose another one in conf/{parent}.yaml"
    if group == "hydra/launcher" and name in _EXTRAS:
        return f"{group}={name} is not installed: pip install -e '.[{_EXTRAS[name]}]'"
    if group == "hydra/launcher":
        options = sorted({*options, *_EXTRAS})
    matches = difflib.get_close_matches(name, options, n=1)
    hint = f" (did you mean {matches[0]}?)" if matches else ""
    return f"there is no {group}/{name}{hint}: choose from {', '.join(options)}"


def _undecodable_files() -> list[Path]:
    """The files in conf/ that are not UTF-8."""
    undecodable = []
    for path in sorted(CONF.rglob("*.yaml")):
        try:
            path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            undecodable.append(path)
    return undecodable


def _join(text: str) -> str:
    """Join the lines of a message, without noise; a line that ends with a colon introduces a list."""
    text = text.partition("Config search path:")[0]
    lines = [line.strip().removesuffix(".") for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    joined, separator = "", ""
    for line in lines:
        joined += separator + line
        separator = " " if line.endswith(":") else ", " if ":" in joined and separator in (" ", ", ") else "; "
    return joined
