"""Precision, recall and F1 of each class as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.drawing import typography
from pipeline.drawing.canvas import Canvas

COLOURS = {"precision": "#92c5de", "recall": "#f4a582", "f1": "#404040"}
NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}
MOST_NUMBERED = 20  # classes that have their F1 written over their bars
MOST = 50  # classes that are shown
NAME = 1.2  # inches of the widest name
SIZE = 10  # points

PerClass = Sequence[Mapping[str, float]]


def shown(number: int) -> str:
    """Which of so many classes the picture shows, in words."""
    return "each class" if number <= MOST else f"the {MOST} of {number} classes with the lowest F1"


def lowest(classes: PerClass) -> list[int]:
    """The labels of all classes in their order, or those of the 50 with the lowest F1, the lowest first."""
    if len(classes) <= MOST:
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda label: classes[label]["f1"])[:MOST]


def draw(classes: PerClass, names: Sequence[str], title: str, path: Path) -> None:
    """A PNG file of each class's fractions, as `{"precision": ..., "recall": ..., "f1": ...}`, and its name."""
    labels = lowest(classes)
    number = len(labels)
    width = min(18.0, max(7.0, 0.75 * number + 1.5))
    named = list(typography.captions(names, labels, NAME, SIZE).values())
    turned, below = typography.turned(named, (width - 0.95) / number, SIZE)
    canvas = Canvas(width, 4.8 + below, title)
    axes = canvas.axes((0.75, 0.6 + below, width - 0.95, 3.3))
    places = np.arange(number, dtype=np.float64)
    for shift, (name, colour) in zip((-0.27, 0, 0.27), COLOURS.items(), strict=True):
        heights = [100 * classes[label][name] for label in labels]
        axes.bar(places + shift, heights, 0.26, color=colour, label=NAMES[name])
    if number <= MOST_NUMBERED:
        for place, label in zip(places, labels, strict=True):
            top, f1 = 100 * max(classes[label].values()), 100 * classes[label]["f1"]
            axes.text(place, top + 1, f"F1 {f1:.1f}", ha="center", fontsize=8)
    axes.set_xticks(places, named, fontsize=SIZE, parse_math=False, **turned)
    axes.set_xlim(-0.6, number - 0.4)
    axes.set_ylim(0, 106)
    axes.set_xlabel("class")
    axes.set_ylabel("precision, recall, F1 (%)")
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="0.9")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    canvas.save(path)
