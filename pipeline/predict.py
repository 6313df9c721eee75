"""Read the digits in your pictures.

python -m pipeline.predict docs/digits/thin-7.png docs/digits/shadow-4.jpg
python -m pipeline.predict --model champion --json scan.png
python -m pipeline.predict --show seen.png photo.jpg

A picture shows one digit, light or dark, as PNG, JPEG, GIF, TIFF, BMP, WebP, AVIF, JPEG 2000, PPM or TGA (the first
frame of an animation). It is made like an image of MNIST before the model sees it; --show saves the result. So models
of other images read it badly. A model file has no names of classes: the number of the class is printed.
"""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from pipeline.core import terminal
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.paths import MODELS
from pipeline.core.progress import line
from pipeline.core.text import printable
from pipeline.runs.command_line import RUN, Parser, print_json, run_command, suggest

MAX_COLUMNS = 10  # of classes in the table
MIN_NAME = 20  # characters of a picture's name, however narrow the terminal is
MAX_RANKED = 5  # classes in a row, where there are more than that

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.recognition.ink import Grey
    from pipeline.recognition.reader import Reader
    from pipeline.recognition.seen import Answer


def arguments() -> Parser:
    """The command line."""
    parser = Parser(__doc__, "predict", '[{"image", "digit", "probabilities"}, ...]')
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of one digit")
    parser.add_argument("--model", metavar="REF", default=str(MODELS), help=f"{RUN} (the default)")
    parser.add_argument("--show", metavar="FILE.png", type=Path, help="save a picture of what the model saw")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Print the digit in each picture, and the probability of each class; return 2 if a picture could not be read."""
    from pipeline.formats import pictures
    from pipeline.recognition import ink

    drawn = []
    for name in args.images:
        try:
            picture = pictures.read(Path(name))
            drawn.append((name, picture.small, ink.find(picture.grey)))
        except UserError as error:
            sys.stderr.write(f"error: {printable(name)}: {error}\n")
    answers = _predict(drawn, args.model, config) if drawn else []
    if args.json:
        rows = [{"image": each.name, "digit": each.digit, "probabilities": each.probabilities} for each in answers]
        print_json(rows, args.json)
    elif answers:
        sys.stdout.write(_table(answers, terminal.width()) + "\n")
    if args.show and answers:
        _show(answers, args.show)
        if not args.json:
            line(f"next: open {printable(shlex.quote(str(args.show)))}: it shows what the model saw")
    elif answers:
        model = [] if args.model == str(MODELS) else ["--model", args.model]
        suggest(args, "predict", "--show", "seen.png", *model, answers[0].name)
    return 0 if len(answers) == len(args.images) else 2


def _predict(drawn: "list[tuple[str, Image, Grey]]", model: str, config: Config) -> "list[Answer]":
    """The model's answers for pictures: their names, small copies, and ink."""
    import numpy as np

    from pipeline.recognition.ink import like_mnist
    from pipeline.recognition.seen import Answer

    reader = _reader(model, config)
    images = np.stack([like_mnist(ink, reader.side) for _, _, ink in drawn])
    probabilities = reader.probabilities(images).tolist()
    return [Answer(name, small, *row) for (name, small, _), *row in zip(drawn, images, probabilities, strict=True)]


def _reader(name: str, config: Config) -> "Reader":
    from pipeline.recognition.reader import Reader

    path = Path(name)
    if path.is_dir():
        path /= "model.keras"
    if path.is_file() or path.suffix == ".keras":
        return Reader(path, name)
    from pipeline.runs.lookup import Lookup  # imports MLflow, which a file does not need

    lookup = Lookup(config)  # deletes its downloads when it is collected
    return Reader(lookup.model_file(lookup.run_or_model(name)), name)


def _table(answers: "list[Answer]", width: int) -> str:
    """A row for each picture, with the classes' probabilities in %.

    Of many classes, and where a row would be longer than `width` characters, it has only the most probable ones. Names
    of pictures are cut.
    """
    all_classes = [None] if len(answers[0].probabilities) <= MAX_COLUMNS else []
    for ranked in [*all_classes, MAX_RANKED, 1]:
        rows = [
            [printable(each.name), str(each.digit), f"{100 * each.probability:.0f} %", *_cells(each, ranked)]
            for each in answers
        ]
        classes = range(len(answers[0].probabilities)) if ranked is None else ["most probable"]
        header = ["picture", "digit", "sure", *map(str, classes)]
        alignment = ["left", *["right"] * (len(header) - 1)]
        table = partial(tabulate, headers=header, tablefmt="plain", disable_numparse=True, colalign=alignment)
        excess = max(map(len, table(rows).splitlines())) - width
        longest = max(len(row[0]) for row in rows) - max(0, excess)
        if longest >= MIN_NAME or excess <= 0:
            break
    return table([[terminal.clip(row[0], max(MIN_NAME, longest)), *row[1:]] for row in rows])


def _cells(answer: "Answer", ranked: int | None) -> list[str]:
    """The probability of each class in %, or those of the most probable classes in one cell."""
    percents = [f"{100 * probability:.0f}" for probability in answer.probabilities]
    if ranked is None:
        return percents
    best = sorted(range(len(percents)), key=lambda digit: -answer.probabilities[digit])[:ranked]
    return [", ".join(f"{digit}: {percents[digit]}" for digit in best)]


def _show(answers: "list[Answer]", path: Path) -> None:
    from pipeline.recognition import seen

    try:
        seen.draw(answers, path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file") from error


if __name__ == "__main__":
    run_command(main, arguments())
