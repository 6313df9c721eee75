"""Precision, recall and F1 of each class as bars."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.figures.canvas import Canvas, ticks

COLOURS = {"precision": "#92c5de", "recall": "#f4a582", "f1": "#404040"}
NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}
MOST_NUMBERED = 20  # classes that have their F1 written over their bars
MOST_TICKS = 50


def draw(classes: Mapping[str, Mapping[str, float]], title: str, path: Path) -> None:
    """A PNG file of fractions by class and name: `{"0": {"precision": ..., "recall": ..., "f1": ...}, ...}`."""
    number = len(classes)
    width = min(18.0, max(7.0, 0.75 * number + 1.5))
    canvas = Canvas(width, 4.8, title)
    axes = canvas.axes((0.75, 0.6, width - 0.95, 3.3))
    places = np.arange(number, dtype=np.float64)
    for shift, (name, colour) in zip((-0.27, 0, 0.27), COLOURS.items(), strict=True):
        heights = [100 * of[name] for of in classes.values()]
        axes.bar(places + shift, heights, 0.26, color=colour, label=NAMES[name])
    if number <= MOST_NUMBERED:
        for place, of in zip(places, classes.values(), strict=True):
            axes.text(place, 100 * max(of.values()) + 1, f"F1 {100 * of['f1']:.1f}", ha="center", fontsize=8)
    labels = list(classes)
    axes.set_xticks(ticks(number, MOST_TICKS), [labels[place] for place in ticks(number, MOST_TICKS)])
    axes.set_xlim(-0.6, number - 0.4)
    axes.set_ylim(0, 106)
    axes.set_xlabel("class")
    axes.set_ylabel("precision, recall, F1 (%)")
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="0.9")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    canvas.save(path)
