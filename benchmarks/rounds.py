"""Measure contenders in turns, so that a busy moment of the machine affects all of them; format tables."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

ROUNDS = 3
TURN_SECONDS = 1.0


def median_seconds(contenders: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of a call of each contender, over several rounds.

    The first call of a turn is not counted: it compiles, or meets caches and threads of the previous contender.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            contender()
            times[name] += _turn(contender)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def _turn(contender: Callable[[], object]) -> list[float]:
    """Call the contender for TURN_SECONDS; return the seconds of each call."""
    times: list[float] = []
    end = time.perf_counter() + TURN_SECONDS
    while (start := time.perf_counter()) < end:
        contender()
        times.append(time.perf_counter() - start)
    return times


def markdown(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a titled Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]
    return f"## {title}\n\n" + "\n".join(lines)
