"""Files as text in a page."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

TYPES = {".png": "image/png", ".webp": "image/webp"}
MAX_CHARACTERS = 20_000  # of a text: about ten printed pages

Item = TypeVar("Item")


def image(path: Path | None) -> str | None:
    """The image file as a data: URI; None if there is no file."""
    if path is None:
        return None
    return f"data:{TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def text(path: Path | None) -> str | None:
    """The file's text, truncated if it is long; None if there is no file."""
    if path is None:
        return None
    whole = path.read_bytes().decode("utf-8", errors="replace")
    if len(whole) <= MAX_CHARACTERS:
        return whole
    return f"{whole[:MAX_CHARACTERS]}\n... and {len(whole) - MAX_CHARACTERS} characters more"


def spread(items: Sequence[Item], limit: int) -> list[Item]:
    """At most `limit` items (2 or more), evenly spread, including the first and the last."""
    if len(items) <= limit:
        return list(items)
    return [items[round(number * (len(items) - 1) / (limit - 1))] for number in range(limit)]
