"""What a torture found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.rounds import markdown
from pipeline.core.progress import line


@dataclass
class Report:
    """How often what was done and found, and what was measured of it.

    `faults` are what must not have happened, and `notes` tell of them.
    """

    title: str
    tried: Sequence[str]
    faults: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    measured: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def tell(self, done: int, of: int) -> None:
        """A line of progress."""
        line(f"{done} of {of}: {dict(self.counts)}")

    @property
    def lost(self) -> int:
        """How many faults there were."""
        return sum(self.counts[fault] for fault in self.faults)

    def markdown(self) -> str:
        """A titled table."""
        tried, faults = ([(what, str(self.counts[what])) for what in names] for names in (self.tried, self.faults))
        return markdown(self.title, ("what", "how many"), [*tried, *self.measured.items(), *faults])
