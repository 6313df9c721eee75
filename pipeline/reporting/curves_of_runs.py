"""A figure with the validation error of several runs by epoch, the best run in front."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from pipeline.drawing import canvas, typography

COLOURS = colormaps["viridis"]
LAST_COLOUR = 0.88  # beyond it viridis is too light on white
NAME_WIDTH = 2.6  # inches of a name in the legend
LEGEND_SIZE = 8  # points
DPI = 150  # sharp on a phone, and in print

Curve = tuple[str, Sequence[tuple[int, float]]]  # a run's name, and its epochs with their errors as fractions


def draw(curves: Sequence[Curve], title: str, path: Path) -> None:
    """Write a PNG file of the curves, which are sorted by rank.

    The axis ends at twice the best error: a run that learned nothing would squeeze the other curves together.
    """
    figure = canvas.new_figure(9, 4.2, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    for rank, (name, points) in enumerate(curves):
        epochs, errors = zip(*points, strict=True)
        axes.plot(
            epochs,
            [100 * error for error in errors],
            color=COLOURS(LAST_COLOUR * rank / max(len(curves) - 1, 1)),
            linewidth=1.2 if rank else 2.4,
            marker="o" if len(points) == 1 else None,
            zorder=-rank,
            label=f"{rank + 1}: {typography.line(name, NAME_WIDTH, LEGEND_SIZE)}",
        )
    percents = [100 * error for _, points in curves for _, error in points]
    lowest, highest = min(percents), max(percents)
    axes.set_ylim(0.95 * lowest, min(highest, 2 * lowest) + 0.05 * lowest or 1)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("validation error (%)")
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    sizes = {"fontsize": LEGEND_SIZE, "title_fontsize": LEGEND_SIZE}
    legend = figure.legend(loc="outside right upper", frameon=False, title="rank: run", **sizes)
    for text in legend.get_texts():
        text.set_parse_math(False)
    canvas.save(figure, path)
