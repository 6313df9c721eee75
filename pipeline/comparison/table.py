"""A table with a column for each run: the settings, data and code that differ, and the metrics."""

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tabulate import tabulate

from pipeline.comparison.answers import Answers
from pipeline.evaluation.stats import McNemar, wilson_interval

if TYPE_CHECKING:
    from pipeline.runs.run_info import RunOrModel

# Tags in which runs may differ; the settings are params.
TAGS = ("data.md5", "code.hash", "git.commit", "git.dirty", "model.sha256")
HASH_LENGTH = 12  # characters of a hash that are shown
UNKNOWN = "-"


class Compared(NamedTuple):
    """A run or model, its predictions for the test images, and its paired test against the first; None if missing."""

    run: "RunOrModel"
    predictions: Answers | None
    test: McNemar | None


Row = list[str]


def rows(compared: Sequence[Compared]) -> list[Row]:
    """A header and rows: the row's name, and then a cell for each run."""
    return [
        ["", *(item.run.name for item in compared)],
        ["run", *(item.run.id[:8] or UNKNOWN for item in compared)],
        *_differences(compared),
        ["best epoch", *(_metric(item, "best/epoch", "g") for item in compared)],
        ["validation error", *(_metric(item, "best/valid_error", ".2%") for item in compared)],
        ["validation loss (nats)", *(_metric(item, "best/valid_loss", ".4f") for item in compared)],
        ["test error", *(_error(item) for item in compared)],
        ["95 % interval", *(_interval(item) for item in compared)],
        ["wrong where the first is right", UNKNOWN, *(_test(item, "only_second", "d") for item in compared[1:])],
        ["right where the first is wrong", UNKNOWN, *(_test(item, "only_first", "d") for item in compared[1:])],
        ["p-value (McNemar, exact)", UNKNOWN, *(_test(item, "p_value", ".3g") for item in compared[1:])],
    ]


def _differences(compared: Sequence[Compared]) -> list[Row]:
    """The params, in the order of conf/, and tags in which the runs differ."""
    keys = dict.fromkeys(key for item in compared for key in item.run.params)
    params = [[key, *(item.run.params.get(key, UNKNOWN) for item in compared)] for key in keys]
    tags = [[key, *(item.run.tags.get(key, UNKNOWN)[:HASH_LENGTH] for item in compared)] for key in TAGS]
    return [row for row in params + tags if len(set(row[1:])) > 1]


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


def text(table: Sequence[Row]) -> str:
    """The table for a terminal."""
    return _format(table, "simple")


def markdown(table: Sequence[Row]) -> str:
    """The table in Markdown. Names are untrusted: they must not make a link, an element or a further cell."""
    return _format([[re.sub(r"[\\|<\[`]", r"\\\g<0>", cell) for cell in row] for row in table], "github")


def comma_separated(table: Sequence[Row]) -> str:
    """The table for a spreadsheet."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(table)
    return lines.getvalue().rstrip("\n")


def _format(table: Sequence[Row], style: str) -> str:
    alignment = ["left", *["right"] * (len(table[0]) - 1)]
    return tabulate(table[1:], table[0], style, disable_numparse=True, colalign=alignment)
