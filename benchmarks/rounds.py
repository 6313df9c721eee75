"""Measure contenders in turns, so that a busy moment of the machine affects all of them; format tables."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

ROUNDS = 3
TURN_SECONDS = 1.0


@dataclass(frozen=True)
class Seconds:
    """The seconds of a call: minimum, median and maximum of the rounds."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of_rounds(cls, rounds: Sequence[float]) -> Self:
        """From the seconds of each round."""
        return cls(min(rounds), statistics.median(rounds), max(rounds))

    def speed(self, amount: float, digits: int = 1) -> str:
        """An amount a second: the median, and in brackets the slowest and the fastest round."""
        median, slowest, fastest = (
            f"{amount / seconds:.{digits}f}" for seconds in (self.median, self.maximum, self.minimum)
        )
        return f"{median} ({slowest} to {fastest})"

    def __str__(self) -> str:
        """The median, and in brackets the fastest and the slowest round."""
        return f"{self.median:.2f} ({self.minimum:.2f} to {self.maximum:.2f})"


def measure(contenders: Mapping[str, Callable[[], object]]) -> dict[str, Seconds]:
    """Return the seconds of a call of each contender. Those of a round are the median of a turn's calls.

    The first call of a turn is not counted: it compiles, or meets caches and threads of the previous contender.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            contender()
            times[name].append(_turn(contender))
    return {name: Seconds.of_rounds(rounds) for name, rounds in times.items()}


def _turn(contender: Callable[[], object]) -> float:
    """Call the contender for TURN_SECONDS; return the median seconds of a call."""
    times: list[float] = []
    end = time.perf_counter() + TURN_SECONDS
    while (start := time.perf_counter()) < end:
        contender()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def markdown(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a titled Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]
    return f"## {title}\n\n" + "\n".join(lines)
