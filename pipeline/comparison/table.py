"""A table with a column for each run: the settings, data and code that differ, and the metrics."""

import csv
import io
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tabulate import tabulate

from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.stats import McNemar, wilson_interval

if TYPE_CHECKING:
    from pipeline.runs.run_info import RunOrModel

# Tags in which runs may differ; the settings are params.
TAGS = ("data.md5", "code.hash", "git.commit", "git.dirty", "model.sha256")
HASH_LENGTH = 12  # characters of a hash that are shown
UNKNOWN = "-"
GAP = 2  # spaces between two columns
PADDING = 2  # spaces that tabulate adds to a header


class Compared(NamedTuple):
    """A run or model, its predictions for the test images, and its paired test against the first; None if missing."""

    run: "RunOrModel"
    predictions: Predictions | None
    test: McNemar | None


Row = list[str]


def rows(compared: Sequence[Compared]) -> list[Row]:
    """A header and rows: the row's name, and then a cell for each run."""
    return [
        ["", *(item.run.name for item in compared)],
        ["run", *(item.run.id[:8] or UNKNOWN for item in compared)],
        *([key, *(_shown(key, value) for value in values)] for key, values in _differences(compared).items()),
        ["best epoch", *(_metric(item, "best/epoch", "g") for item in compared)],
        ["validation error", *(_metric(item, "best/valid_error", ".2%") for item in compared)],
        ["validation loss (nats)", *(_metric(item, "best/valid_loss", ".4f") for item in compared)],
        ["test error", *(_error(item) for item in compared)],
        ["95 % interval", *(_interval(item) for item in compared)],
        ["wrong where the first is right", UNKNOWN, *(_test(item, "only_second", "d") for item in compared[1:])],
        ["right where the first is wrong", UNKNOWN, *(_test(item, "only_first", "d") for item in compared[1:])],
        ["p-value (McNemar, exact)", UNKNOWN, *(_test(item, "p_value", ".3g") for item in compared[1:])],
    ]


def document(compared: Sequence[Compared], significance: float) -> dict[str, Any]:
    """The runs, the baseline first, and what differs, for --json; None where a value is unknown."""
    runs = [
        {
            "run_id": item.run.id or None,
            "name": item.run.name,
            "best_epoch": _epoch(item),
            "valid_error": item.run.metrics.get("best/valid_error"),
            "valid_loss": item.run.metrics.get("best/valid_loss"),
            **_test_error(item.predictions),
            **_significance(item.test, significance),
        }
        for item in compared
    ]
    return {"runs": runs, "differences": _differences(compared)}


def _epoch(item: Compared) -> int | None:
    epoch = item.run.metrics.get("best/epoch", math.nan)
    return int(epoch) if math.isfinite(epoch) else None


def _test_error(predictions: Predictions | None) -> dict[str, Any]:
    if predictions is None:
        return dict.fromkeys(("test_images", "test_error", "test_error_interval"))
    wrong, images = int(predictions.wrong.sum()), len(predictions.wrong)
    interval = wilson_interval(wrong, images)
    return {"test_images": images, "test_error": wrong / images, "test_error_interval": interval}


def _significance(test: McNemar | None, significance: float) -> dict[str, Any]:
    if test is None:
        return dict.fromkeys(("wrong_where_first_is_right", "right_where_first_is_wrong", "p_value", "significant"))
    return {
        "wrong_where_first_is_right": test.only_second,
        "right_where_first_is_wrong": test.only_first,
        "p_value": test.p_value,
        "significant": test.p_value < significance,
    }


def _differences(compared: Sequence[Compared]) -> dict[str, list[str | None]]:
    """The params, in the order of conf/, and tags in which the runs differ, with each run's value."""
    keys = dict.fromkeys(key for item in compared for key in item.run.params)
    params = {key: [item.run.params.get(key) for item in compared] for key in keys}
    tags = {key: [item.run.tags.get(key) for item in compared] for key in TAGS}
    return {key: values for key, values in (params | tags).items() if len(set(values)) > 1}


def _shown(key: str, value: str | None) -> str:
    if value is None:
        return UNKNOWN
    return value[:HASH_LENGTH] if key in TAGS else value


def _metric(item: Compared, name: str, spec: str) -> str:
    value = item.run.metrics.get(name)
    return UNKNOWN if value is None else f"{value:{spec}}"


def _error(item: Compared) -> str:
    return UNKNOWN if item.predictions is None else f"{item.predictions.wrong.mean():.2%}"


def _interval(item: Compared) -> str:
    if item.predictions is None:
        return UNKNOWN
    low, high = wilson_interval(int(item.predictions.wrong.sum()), len(item.predictions.wrong))
    return f"{low:.2%} to {high:.2%}"


def _test(item: Compared, name: str, spec: str) -> str:
    return UNKNOWN if item.test is None else f"{getattr(item.test, name):{spec}}"


def verdict(first: Compared, other: Compared, significance: float) -> str:
    """A sentence about the difference in test error, and whether it is significant."""
    assert first.predictions is not None
    assert other.predictions is not None
    assert other.test is not None
    difference = float(other.predictions.wrong.mean() - first.predictions.wrong.mean())
    amount = f"{abs(100 * difference):.2f} points {'more' if difference > 0 else 'fewer'} errors than {first.run.name}"
    if not difference:
        amount = f"as many errors as {first.run.name}"
    conclusion = "a real difference" if other.test.p_value < significance else "no evidence of a difference"
    return f"{other.run.name} makes {amount}: {conclusion} (p = {other.test.p_value:.3g})"


def text(table: Sequence[Row], width: int) -> str:
    """The table for a terminal with lines of `width` characters: several tables where the runs do not fit into one.

    Cells that are too long have several lines.
    """
    names, *runs = zip(*table, strict=True)
    names_width = min(max(map(len, names)), width // 2)
    longest = width - names_width - GAP
    blocks: list[list[Sequence[str]]] = []
    free = -1
    for run in runs:
        needed = GAP + min(longest, max(len(run[0]) + PADDING, *map(len, run)))
        if needed > free:
            blocks.append([names])
            free = GAP + longest
        blocks[-1].append(run)
        free -= needed
    tables = ([list(row) for row in zip(*block, strict=True)] for block in blocks)
    return "\n\n".join(_format(rows, "simple", (names_width, longest - PADDING)) for rows in tables)


def markdown(table: Sequence[Row]) -> str:
    """The table in Markdown. Names are untrusted: they must not make a link, an element or a further cell."""
    return _format([[re.sub(r"[\\|<\[`]", r"\\\g<0>", cell) for cell in row] for row in table], "github")


def comma_separated(table: Sequence[Row]) -> str:
    """The table for a spreadsheet."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(table)
    return lines.getvalue().rstrip("\n")


def _format(table: Sequence[Row], style: str, widths: tuple[int, int] | None = None) -> str:
    """Format the table; `widths` are the largest of the column of names and of the others."""
    others = len(table[0]) - 1
    limits = None if widths is None else [widths[0], *[widths[1]] * others]
    return tabulate(
        table[1:],
        table[0],
        style,
        disable_numparse=True,
        colalign=["left", *["right"] * others],
        maxcolwidths=limits,
        maxheadercolwidths=limits,
    )
