"""Names as text in figures: short enough for their place, and without letters that the font lacks.

Figures use the one font that comes with matplotlib, DejaVu Sans, so that they are the same on every machine.
"""

import functools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.font_manager import FontProperties, findfont, get_font

POINTS = 72  # of an inch
MISSING = "\N{WHITE SQUARE}"  # in the place of a letter that the font lacks
LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"


def width(text: str, size: float) -> float:
    """The inches that the text takes in so many points, near enough: kerning is left out."""
    return sum(map(_advance, text)) * size / POINTS


def line(text: str, room: float, size: float) -> str:
    """The text in one line that is at most `room` inches wide: shortened in its middle, where names differ least."""
    text = "".join(letter if _has(letter) else MISSING for letter in " ".join(text.split()))
    if width(text, size) <= room:
        return text
    kept = bisect_right(range(len(text)), room, key=lambda letters: width(_cut(text, letters), size)) - 1
    return _cut(text, max(kept, 0))


def captions(names: Sequence[str], labels: Iterable[int], room: float, size: float) -> dict[int, str]:
    """The names of these classes, each in a line that is at most `room` inches wide.

    A name that the font cannot write, as a Chinese one, becomes `class 7`, and names that shortening has made the same
    have the label's number behind them.
    """
    plain = {label: _written(names[label], label) for label in labels}
    found = {label: line(text, room, size) for label, text in plain.items()}
    times = Counter(found.values())
    for label, text in plain.items():
        if times[found[label]] > 1:
            number = f" ({label})"
            found[label] = line(text, room - width(number, size), size) + number
    return found


def turned(texts: Sequence[str], room: float, size: float) -> tuple[dict[str, Any], float]:
    """How to write texts below an axis, each in so many inches, and the height in inches that this takes more.

    They are turned by 45 degrees where one of them is wider than its place, and upright where even so they would touch.
    """
    widest = max(width(text, size) for text in texts)
    if widest <= room - 0.05:
        return {}, 0.0
    angle, aligned = (45, "top") if room > 2 * size / POINTS else (90, "center")
    how = {"rotation": angle, "rotation_mode": "anchor", "ha": "right", "va": aligned}
    return how, widest * math.sin(math.radians(angle))


def _written(name: str, label: int) -> str:
    name = " ".join(name.split())
    return name if name and all(map(_has, name)) else f"class {label}"


def _cut(text: str, letters: int) -> str:
    return text[: math.ceil(letters / 2)] + LEFT_OUT + text[len(text) - letters // 2 :]


@functools.cache
def _has(letter: str) -> bool:
    return get_font(findfont(FontProperties())).get_char_index(ord(letter)) != 0


@functools.cache
def _advance(letter: str) -> float:
    """The letter's width for a font of size 1."""
    font = get_font(findfont(FontProperties()))
    font.set_size(POINTS, POINTS)
    return float(font.load_char(ord(letter)).linearHoriAdvance / 65536 / POINTS)
