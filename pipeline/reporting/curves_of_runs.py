"""The validation error of several runs over their epochs, the best one in front."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.core.atomic import atomic_write

COLOURS = colormaps["viridis"]
LAST_COLOUR = 0.88  # beyond it viridis is too light on white
MOST_LETTERS = 44  # of a name in the legend
DPI = 150  # sharp on a phone, and in print

Curve = tuple[str, Sequence[tuple[int, float]]]  # a run's name, and its epochs with their errors as fractions


def draw(curves: Sequence[Curve], title: str, path: Path) -> None:
    """A PNG file of the curves, which come in the order of their ranks.

    The axis ends at twice the best error, or one that learned nothing would press all others together.
    """
    figure = Figure(figsize=(9, 4.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
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
            label=f"{rank + 1}: {_shortened(name)}",
        )
    every = [100 * error for _, points in curves for _, error in points]
    margin = 0.05 * min(every)
    axes.set_ylim(min(every) - margin, min(max(every), 2 * min(every)) + margin or 1)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("validation error (%)")
    axes.set_title(title, fontsize=11, parse_math=False)
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    legend = figure.legend(loc="outside right upper", fontsize=8, frameon=False, title="rank: run", title_fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")


def _shortened(name: str) -> str:
    plain = " ".join(name.split())
    return plain if len(plain) <= MOST_LETTERS else plain[: MOST_LETTERS - 3] + "..."
