"""A picture of the user's pictures, of the images that the model saw, and of its answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.atomic import atomic_write
from pipeline.core.text import printable

MAX_COLUMNS = 4
PICTURE = 140  # pixels of the square for a picture
GAP = 12  # pixels
LINE = 20  # pixels of a line of text
WIDTH, HEIGHT = 2 * PICTURE + 3 * GAP, PICTURE + 2 * LINE + 3 * GAP  # pixels of an answer
HEADER = LINE + 2 * GAP
GREY, LIGHT = "#666666", "#dddddd"


@dataclass(frozen=True)
class Answer:
    """A picture's name, a small copy, the image that the model saw, uint8 (side, side), and the class probabilities."""

    name: str
    picture: Image.Image
    seen: npt.NDArray[np.uint8]
    probabilities: list[float]

    @property
    def digit(self) -> int:
        """The most probable class."""
        return int(np.argmax(self.probabilities))

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return max(self.probabilities)


def draw(answers: Sequence[Answer], path: Path) -> None:
    """Write a PNG file with every picture (left), the image that the model saw (right), and the answer."""
    columns = min(MAX_COLUMNS, len(answers))
    rows = math.ceil(len(answers) / columns)
    sheet = Image.new("RGB", (columns * WIDTH, HEADER + rows * HEIGHT), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, GAP), "Left: as given. Right: what the model saw.", "black", ImageFont.load_default(14))
    for number, answer in enumerate(answers):
        row, column = divmod(number, columns)
        _draw_answer(sheet, answer, column * WIDTH + GAP, HEADER + row * HEIGHT)
    with atomic_write(path) as temporary:
        sheet.save(temporary, "PNG")


def _draw_answer(sheet: Image.Image, answer: Answer, left: int, top: int) -> None:
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    pen.text((left, top), _last_part(printable(answer.name), font, WIDTH - 2 * GAP), GREY, font)
    side = PICTURE // len(answer.seen) * len(answer.seen) or PICTURE  # every pixel of the same size, if they fit
    seen = Image.fromarray(answer.seen).resize((side, side), Image.Resampling.NEAREST)
    picture = answer.picture.copy()
    picture.thumbnail((PICTURE, PICTURE))
    right = left + PICTURE + GAP
    for image, start in ((picture, left), (seen, right)):
        width, height = image.size
        x, y = start + (PICTURE - width) // 2, top + LINE + (PICTURE - height) // 2
        sheet.paste(image, (x, y))
        pen.rectangle((x - 1, y - 1, x + width, y + height), outline=LIGHT)
    text = f"{answer.digit} ({100 * answer.probability:.0f} %)"
    pen.text((right, top + LINE + PICTURE + GAP // 2), text, "black", ImageFont.load_default(16))


def _last_part(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """As much of the end of the text as fits into the width in pixels."""
    while font.getlength(text) > width:
        text = "..." + text.removeprefix("...")[1:]
    return text
