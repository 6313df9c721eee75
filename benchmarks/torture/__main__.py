"""Kill, spoil and starve the pipeline, count what was lost, and write benchmarks/reliability.md.

python -m benchmarks.torture
python -m benchmarks.torture stages    one part alone, which is printed and not written
"""

import signal
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.torture import inputs, stages, store, sweeps
from pipeline.core.atomic import write_text
from pipeline.core.paths import ROOT
from pipeline.core.progress import line

if TYPE_CHECKING:
    from benchmarks.torture.report import Report

PARTS = {"inputs": inputs.report, "stages": stages.report, "sweeps": sweeps.report, "store": store.report}


def main() -> int:
    """Run the parts one after the other; 1 where anything was lost."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs would hand down ignored
    found: list[Report] = []
    for name in sys.argv[1:]:
        if name not in PARTS:
            sys.exit(f"error: there is no part {name}: choose from {', '.join(PARTS)}")
    for name in sys.argv[1:] or PARTS:
        began = time.monotonic()
        found.append(PARTS[name]())
        for note in found[-1].notes:
            line(note)
        line(f"{found[-1].markdown()}\n\n{name}: {(time.monotonic() - began) / 60:.0f} minutes\n")
    if not sys.argv[1:]:
        told = ["# Reliability", f"`make torture` on {machine.description()}", *(part.markdown() for part in found)]
        write_text(ROOT / "benchmarks" / "reliability.md", "\n\n".join(told) + "\n")
    return int(any(part.lost for part in found))


if __name__ == "__main__":
    sys.exit(main())
