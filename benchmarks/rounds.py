"""Contenders that are measured in turns, so that a busy moment of the machine meets all of them."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

ROUNDS = 3
TURN_SECONDS = 1.0


def seconds(contenders: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The median time of each contender over several rounds.

    A turn's first call is not counted: it compiles, or finds the caches and the threads of the contender before.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            run()
            times[name] += _turn(run)
    return {name: statistics.median(found) for name, found in times.items()}


def _turn(run: Callable[[], object]) -> list[float]:
    """The times of as many calls as begin within a turn's seconds."""
    times: list[float] = []
    end = time.perf_counter() + TURN_SECONDS
    while (start := time.perf_counter()) < end:
        run()
        times.append(time.perf_counter() - start)
    return times


def markdown(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A titled table."""
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]
    return f"## {title}\n\n" + "\n".join(lines)
