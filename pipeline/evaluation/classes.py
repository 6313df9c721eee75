"""A bar chart of precision, recall and F1 by class."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas

COLOURS = {"precision": "#92c5de", "recall": "#f4a582", "f1": "#404040"}
NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}
MAX_NUMBERED = 20  # with more classes, F1 is not written over the bars
MAX_CLASSES = 50  # in the chart
NAME = 1.2  # inches, of the widest name
SIZE = 10  # points

PerClass = Sequence[Mapping[str, float]]


def describe_shown(number: int) -> str:
    """Describe the classes that the chart shows of this number of classes."""
    return "each class" if number <= MAX_CLASSES else f"the {MAX_CLASSES} of {number} classes with the lowest F1"


def lowest(classes: PerClass) -> list[int]:
    """Return all labels in their order, or of more than 50 classes those with the lowest F1, the lowest first."""
    if len(classes) <= MAX_CLASSES:
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda label: classes[label]["f1"])[:MAX_CLASSES]


def draw(classes: PerClass, names: Sequence[str], title: str, path: Path) -> None:
    """Write a PNG file. Each class has its fractions as `{"precision": ..., "recall": ..., "f1": ...}`."""
    labels = lowest(classes)
    number = len(labels)
    width = min(18.0, max(7.0, 0.75 * number + 1.5))
    captions = list(typography.captions(names, labels, NAME, SIZE).values())
    rotation, below = typography.rotate_ticks(captions, (width - 0.95) / number, SIZE)
    canvas = Canvas(width, 4.8 + below, title)
    axes = canvas.axes((0.75, 0.6 + below, width - 0.95, 3.3))
    positions = np.arange(number, dtype=np.float64)
    for shift, (name, colour) in zip((-0.27, 0, 0.27), COLOURS.items(), strict=True):
        heights = [100 * classes[label][name] for label in labels]
        axes.bar(positions + shift, heights, 0.26, color=colour, label=NAMES[name])
    if number <= MAX_NUMBERED:
        for position, label in zip(positions, labels, strict=True):
            top, f1 = 100 * max(classes[label].values()), 100 * classes[label]["f1"]
            axes.text(position, top + 1, f"F1 {f1:.1f}", ha="center", fontsize=8)
    axes.set_xticks(positions, captions, fontsize=SIZE, parse_math=False, **rotation)
    axes.set_xlim(-0.6, number - 0.4)
    axes.set_ylim(0, 106)
    axes.set_xlabel("class")
    axes.set_ylabel("precision, recall, F1 (%)")
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="0.9")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    canvas.save(path)
