"""The result of one part."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.rounds import markdown
from pipeline.core.progress import line


@dataclass
class Report:
    """Counts of what was tried and of the faults that it caused, and measurements.

    `tried` and `faults` are keys of `counts`. Every count of a fault should be 0; `notes` describe single faults.
    """

    title: str
    tried: Sequence[str]
    faults: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    measured: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def print_progress(self, done: int, total: int) -> None:
        """Print a line with the counts so far."""
        line(f"{done} of {total}: {dict(self.counts)}")

    @property
    def faults_found(self) -> int:
        """The number of faults."""
        return sum(self.counts[fault] for fault in self.faults)

    def markdown(self) -> str:
        """Return a titled Markdown table."""
        tried, faults = ([(name, str(self.counts[name])) for name in names] for names in (self.tried, self.faults))
        return markdown(self.title, ("quantity", "value"), [*tried, *self.measured.items(), *faults])
