"""People's pictures beside what the model saw of them, with its answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.atomic import atomic_write

COLUMNS = 4  # at most
PICTURE = 140  # pixels of the square in which a picture is shown
GAP = 12  # pixels
LINE = 20  # pixels of a line of text
WIDE, HIGH = 2 * PICTURE + 3 * GAP, PICTURE + 2 * LINE + 3 * GAP  # pixels of an answer
HEADER = LINE + 2 * GAP
GREY, LIGHT = "#666666", "#dddddd"


@dataclass(frozen=True)
class Answer:
    """A picture's name, the picture, what the model saw of it, uint8 (side, side), and the classes' probabilities."""

    name: str
    given: Image.Image
    seen: npt.NDArray[np.uint8]
    probabilities: list[float]

    @property
    def digit(self) -> int:
        """The most probable class."""
        return int(np.argmax(self.probabilities))

    @property
    def probability(self) -> float:
        """Its probability."""
        return max(self.probabilities)


def draw(answers: Sequence[Answer], path: Path) -> None:
    """A PNG file with every picture as given (left), what the model saw (right), and its answer."""
    columns = min(COLUMNS, len(answers))
    rows = math.ceil(len(answers) / columns)
    sheet = Image.new("RGB", (columns * WIDE, HEADER + rows * HIGH), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), "Left: as given. Right: what the model saw.", "black", ImageFont.load_default(14))
    for number, answer in enumerate(answers):
        row, column = divmod(number, columns)
        _draw_one(sheet, answer, column * WIDE + GAP, HEADER + row * HIGH)
    with atomic_write(path) as temporary:
        sheet.save(temporary, "PNG")


def _draw_one(sheet: Image.Image, answer: Answer, left: int, top: int) -> None:
    pen = ImageDraw.Draw(sheet)
    name, said = ImageFont.load_default(13), ImageFont.load_default(16)
    pen.text((left, top), _shortened(answer.name, name, WIDE - 2 * GAP), GREY, name)
    side = PICTURE // len(answer.seen) * len(answer.seen) or PICTURE  # every pixel of the same size, if they fit
    seen = Image.fromarray(answer.seen).resize((side, side), Image.Resampling.NEAREST)
    given = answer.given.copy()
    given.thumbnail((PICTURE, PICTURE))
    for image, start in ((given, left), (seen, left + PICTURE + GAP)):
        width, height = image.size
        x, y = start + (PICTURE - width) // 2, top + LINE + (PICTURE - height) // 2
        sheet.paste(image, (x, y))
        pen.rectangle((x - 1, y - 1, x + width, y + height), outline=LIGHT)
    text = f"{answer.digit} ({100 * answer.probability:.0f} %)"
    pen.text((left + PICTURE + GAP, top + LINE + PICTURE + GAP // 2), text, "black", said)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text's end, where all of it is too wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength("..." + text) > width:
        text = text[1:]
    return "..." + text
