"""Read the digits in pictures of one's own.

python -m pipeline.predict docs/digits/thin-7.png docs/digits/shadow-4.jpg
python -m pipeline.predict --model champion --json scan.png
python -m pipeline.predict --show seen.png photo.jpg

A picture shows one digit, light or dark, as PNG, JPEG, GIF, TIFF, BMP, WebP, AVIF, JPEG 2000, PPM or TGA (of an
animation, the first frame). It is made like MNIST before the model sees it, and --show lets you see that too. So models
of other images read it badly; a model file knows no names: of other classes than digits the number is printed.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.paths import MODELS
from pipeline.core.text import printable
from pipeline.runs.command_line import RUN, Parser, run

MOST_COLUMNS = 10  # of classes in the table
MOST_RANKED = 5

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.recognition.ink import Grey
    from pipeline.recognition.reader import Reader
    from pipeline.recognition.seen import Answer


def arguments() -> Parser:
    """The command line."""
    parser = Parser(__doc__, "predict")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of one digit")
    parser.add_argument("--model", metavar="REF", default=str(MODELS), help=f"{RUN} (the default)")
    parser.add_argument("--json", action="store_true", help='print [{"image", "digit", "probabilities"}, ...]')
    parser.add_argument("--show", metavar="FILE.png", type=Path, help="save a picture of what the model saw")
    return parser


def predict(given: argparse.Namespace, config: Config) -> int:
    """Print the digit in each picture, and the probability of each class; 2 where a picture could not be read."""
    from pipeline.formats import pictures
    from pipeline.recognition import ink

    found = []
    for name in given.images:
        try:
            picture = pictures.read(Path(name))
            found.append((name, picture.small, ink.find(picture.grey)))
        except UserError as error:
            sys.stderr.write(f"error: {printable(name)}: {error}\n")
    answers = _answer(found, given.model, config) if found else []
    if given.json:
        _print_json(answers)
    else:
        _print_table(answers)
    if given.show and answers:
        _show(answers, given.show)
    return 0 if len(answers) == len(given.images) else 2


def _answer(found: "list[tuple[str, Image, Grey]]", model: str, config: Config) -> "list[Answer]":
    """The model's answers to pictures: their names, what to show of them, and their ink."""
    # TensorFlow takes seconds to import: only now that there is something to answer.
    import numpy as np

    from pipeline.recognition.ink import like_mnist
    from pipeline.recognition.seen import Answer

    reader = _reader(model, config)
    images = np.stack([like_mnist(ink, reader.side) for _, _, ink in found])
    probabilities = reader.probabilities(images).tolist()
    return [
        Answer(name, small, image, of_each)
        for (name, small, _), image, of_each in zip(found, images, probabilities, strict=True)
    ]


def _reader(word: str, config: Config) -> "Reader":
    from pipeline.recognition.reader import Reader

    path = Path(word)
    if path.is_dir():
        path /= "model.keras"
    if path.is_file() or path.suffix == ".keras":
        return Reader(path, word)
    from pipeline.runs.lookup import Lookup  # and MLflow, which a file does not need

    lookup = Lookup(config)  # it deletes what it has fetched when it goes
    return Reader(lookup.model_file(lookup.subject(word)), word)


def _print_json(answers: "list[Answer]") -> None:
    rows = [{"image": answer.name, "digit": answer.digit, "probabilities": answer.probabilities} for answer in answers]
    sys.stdout.write(json.dumps(rows) + "\n")


def _print_table(answers: "list[Answer]") -> None:
    if not answers:
        return
    names = [printable(answer.name) for answer in answers]
    width = max(len("picture"), *map(len, names))
    number = len(answers[0].probabilities)
    classes = "".join(f"{digit:5}" for digit in range(number)) if number <= MOST_COLUMNS else "   most probable"
    sys.stdout.write(f"{'picture':{width}}  digit   sure  {classes}  (%)\n")
    for name, answer in zip(names, answers, strict=True):
        said = f"{answer.digit:5}  {100 * answer.probability:3.0f} %"
        sys.stdout.write(f"{name:{width}}  {said}  {_percents(answer.probabilities)}\n")


def _percents(probabilities: list[float]) -> str:
    """The classes' columns; where they are too many, the most probable classes by their numbers, as `17: 93`."""
    if len(probabilities) <= MOST_COLUMNS:
        return "".join(f"{100 * probability:5.0f}" for probability in probabilities)
    ranked = sorted(range(len(probabilities)), key=lambda digit: -probabilities[digit])
    return "   " + ", ".join(f"{digit}: {100 * probabilities[digit]:.0f}" for digit in ranked[:MOST_RANKED])


def _show(answers: "list[Answer]", path: Path) -> None:
    from pipeline.recognition import seen

    try:
        seen.draw([replace(answer, name=printable(answer.name)) for answer in answers], path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file") from error


if __name__ == "__main__":
    run(predict, arguments())
