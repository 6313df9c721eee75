"""Runs as the columns of a table: what differs in settings, data and code, and what they came to."""

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tabulate import tabulate

from pipeline.evaluation.predictions import Predictions
from pipeline.evaluation.stats import McNemar, wilson_interval

if TYPE_CHECKING:
    from pipeline.runs.run_info import Subject

# Tags that tell runs apart; the settings are params, one by one.
TOLD = ("data.md5", "code.hash", "git.commit", "git.dirty", "model.sha256")
SHORT = 12  # letters of a hash
UNKNOWN = "-"


class Compared(NamedTuple):
    """A run or model, its predictions of the test images, and the test of it against the first one, where there are."""

    subject: "Subject"
    answers: Predictions | None
    paired: McNemar | None


Row = list[str]


def rows(compared: Sequence[Compared]) -> list[Row]:
    """A header and rows: the subject of the row, and then a cell for each run."""
    return [
        ["", *(item.subject.name for item in compared)],
        ["run", *(item.subject.id[:8] or UNKNOWN for item in compared)],
        *_differing(compared),
        *_measured(compared),
    ]


def _differing(compared: Sequence[Compared]) -> list[Row]:
    """Params, in the order of conf/, and tags, in which the runs differ."""
    keys = dict.fromkeys(key for item in compared for key in item.subject.params)
    found = [[key, *(item.subject.params.get(key, UNKNOWN) for item in compared)] for key in keys]
    found += [[key, *(item.subject.tags.get(key, UNKNOWN)[:SHORT] for item in compared)] for key in TOLD]
    return [row for row in found if len(set(row[1:])) > 1]


def _measured(compared: Sequence[Compared]) -> list[Row]:
    """The best epoch's validation figures, and the test error with what is known of its exactness."""
    return [
        ["best epoch", *(_metric(item, "best/epoch", "g") for item in compared)],
        ["validation error", *(_metric(item, "best/valid_error", ".2%") for item in compared)],
        ["validation loss (nats)", *(_metric(item, "best/valid_loss", ".4f") for item in compared)],
        ["test error", *(_error(item) for item in compared)],
        ["95 % interval", *(_interval(item) for item in compared)],
        ["wrong where the first is right", UNKNOWN, *(_paired(item, "only_second", "d") for item in compared[1:])],
        ["right where the first is wrong", UNKNOWN, *(_paired(item, "only_first", "d") for item in compared[1:])],
        ["p-value (McNemar, exact)", UNKNOWN, *(_paired(item, "p_value", ".3g") for item in compared[1:])],
    ]


def _metric(item: Compared, name: str, form: str) -> str:
    value = item.subject.metrics.get(name)
    return UNKNOWN if value is None else f"{value:{form}}"


def _error(item: Compared) -> str:
    return UNKNOWN if item.answers is None else f"{item.answers.wrong.mean():.2%}"


def _interval(item: Compared) -> str:
    if item.answers is None:
        return UNKNOWN
    low, high = wilson_interval(int(item.answers.wrong.sum()), len(item.answers.wrong))
    return f"{low:.2%} to {high:.2%}"


def _paired(item: Compared, name: str, form: str) -> str:
    return UNKNOWN if item.paired is None else f"{getattr(item.paired, name):{form}}"


def verdict(first: Compared, other: Compared, significance: float) -> str:
    """Whether the difference in test error is real, in a sentence."""
    assert first.answers is not None
    assert other.answers is not None
    assert other.paired is not None
    difference = float(other.answers.wrong.mean() - first.answers.wrong.mean())
    real = other.paired.p_value < significance
    told = "more" if difference > 0 else "fewer"
    amount = f"{abs(100 * difference):.2f} points {told} errors than {first.subject.name}"
    if not difference:
        amount = f"as many errors as {first.subject.name}"
    conclusion = "a real difference" if real else "no evidence of a difference"
    return f"{other.subject.name} makes {amount}: {conclusion} (p = {other.paired.p_value:.3g})"


def text(table: Sequence[Row]) -> str:
    """For a terminal."""
    return tabulate(table[1:], table[0], "simple", disable_numparse=True, colalign=_alignment(table))


def markdown(table: Sequence[Row]) -> str:
    """For a page on Git's hosts. Names come from elsewhere: they make no link, no element and no further cell."""
    safe = [[re.sub(r"[\\|<\[`]", r"\\\g<0>", cell) for cell in row] for row in table]
    return tabulate(safe[1:], safe[0], "github", disable_numparse=True, colalign=_alignment(table))


def comma_separated(table: Sequence[Row]) -> str:
    """For a spreadsheet."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(table)
    return written.getvalue().rstrip("\n")


def _alignment(table: Sequence[Row]) -> list[str]:
    return ["left", *["right"] * (len(table[0]) - 1)]
