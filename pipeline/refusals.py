"""Hydra's and OmegaConf's many-line refusals of a command line or of conf/, told in one line."""

import re

from omegaconf.errors import OmegaConfBaseException

from pipeline.validation import unknown_key

_FULL_KEY = re.compile(r"^\s*full_key: (\S+)$", re.MULTILINE)
_FILE = re.compile(r"^In '(\S+)': .* raised while composing config:$", re.MULTILINE)
_NOISE = re.compile(r"^\s*(full_key: |reference_type=|object_type=|In '\S+': .* raised while composing)")


def one_line(error: Exception) -> str:
    """What was refused, what is allowed, and in which file, where the error tells."""
    head = str(error)
    detail = str(error.__cause__) if isinstance(error.__cause__, OmegaConfBaseException) else head
    key, file = _FULL_KEY.search(detail), _FILE.search(head)
    where = f" (in conf/{file[1]}.yaml)" if file else ""
    if key is None:
        return _join(head) + where
    if key[1].startswith("hydra."):
        return _join(head)
    if "is not in struct" in detail or re.search(r"Key '.*' not in", detail):
        return unknown_key(key[1]) + where
    return f"{key[1]}: {_join(detail)}{where}"


def _join(text: str) -> str:
    """The telling lines of a message in one: a line that ends with a colon introduces a list."""
    text = text.partition("Config search path:")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    joined, separator = "", ""
    for line in lines:
        joined += separator + line
        separator = " " if line.endswith(":") else ", " if ":" in joined and separator in (" ", ", ") else "; "
    return joined
