"""Text in figures: shortened to the available width, without characters that the font lacks.

Figures use the font that comes with matplotlib, DejaVu Sans, and so are the same on every machine.
"""

import functools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.font_manager import FontProperties, findfont, get_font

POINTS = 72  # per inch
MISSING = "\N{WHITE SQUARE}"  # replaces a character that the font lacks
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def width(text: str, size: float) -> float:
    """Return the width of the text in inches, at a font size in points. Kerning is ignored."""
    return sum(map(_advance, text)) * size / POINTS


def line(text: str, max_width: float, size: float) -> str:
    """Return the text in one line of at most `max_width` inches, shortened in the middle, where names differ least."""
    text = "".join(character if _has_glyph(character) else MISSING for character in " ".join(text.split()))
    if width(text, size) <= max_width:
        return text
    kept = bisect_right(range(len(text)), max_width, key=lambda kept: width(_shorten(text, kept), size)) - 1
    return _shorten(text, max(kept, 0))


def captions(names: Sequence[str], labels: Iterable[int], max_width: float, size: float) -> dict[int, str]:
    """Return the names of the classes with these labels, each in one line of at most `max_width` inches.

    A name with characters that the font lacks, such as a Chinese one, becomes `class 7`. Names that are equal after
    shortening get the label as a suffix.
    """
    full = {label: _printable(names[label], label) for label in labels}
    short = {label: line(text, max_width, size) for label, text in full.items()}
    counts = Counter(short.values())
    for label, text in full.items():
        if counts[short[label]] > 1:
            suffix = f" ({label})"
            short[label] = line(text, max_width - width(suffix, size), size) + suffix
    return short


def rotate_ticks(texts: Sequence[str], spacing: float, size: float) -> tuple[dict[str, Any], float]:
    """Return text properties for tick labels that are `spacing` inches apart, and the extra height in inches.

    The labels are rotated by 45 degrees if one is wider than the spacing, and by 90 degrees if they would still touch.
    """
    widest = max(width(text, size) for text in texts)
    if widest <= spacing - 0.05:
        return {}, 0.0
    angle, vertical = (45, "top") if spacing > 2 * size / POINTS else (90, "center")
    properties = {"rotation": angle, "rotation_mode": "anchor", "ha": "right", "va": vertical}
    return properties, widest * math.sin(math.radians(angle))


def _printable(name: str, label: int) -> str:
    name = " ".join(name.split())
    return name if name and all(map(_has_glyph, name)) else f"class {label}"


def _shorten(text: str, kept: int) -> str:
    """Keep this number of characters."""
    return text[: math.ceil(kept / 2)] + ELLIPSIS + text[len(text) - kept // 2 :]


@functools.cache
def _has_glyph(character: str) -> bool:
    return get_font(findfont(FontProperties())).get_char_index(ord(character)) != 0


@functools.cache
def _advance(character: str) -> float:
    """Return the character's width at font size 1."""
    font = get_font(findfont(FontProperties()))
    font.set_size(POINTS, POINTS)
    return float(font.load_char(ord(character)).linearHoriAdvance / 65536 / POINTS)
