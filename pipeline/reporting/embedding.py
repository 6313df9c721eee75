"""Files as text within a page."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

TYPES = {".png": "image/png", ".webp": "image/webp"}
MOST_LETTERS = 20_000  # of a text: some ten printed pages

Item = TypeVar("Item")


def image(path: Path | None) -> str | None:
    """The image file as a data: URI; None where there is no file."""
    if path is None:
        return None
    return f"data:{TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def text(path: Path | None) -> str | None:
    """The file's text, cut where it is long; None where there is no file."""
    if path is None:
        return None
    whole = path.read_bytes().decode("utf-8", errors="replace")
    if len(whole) <= MOST_LETTERS:
        return whole
    return f"{whole[:MOST_LETTERS]}\n... and {len(whole) - MOST_LETTERS} characters more"


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]
