"""Inject faults into the pipeline, count what is lost, and write benchmarks/reliability.md.

python -m benchmarks.torture
python -m benchmarks.torture stages    one part, which is printed and not written
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

PARTS = {"inputs": inputs.measure, "stages": stages.measure, "sweeps": sweeps.measure, "store": store.measure}


def main() -> int:
    """Run the parts one after the other. Returns 1 if there was any fault, and 0 otherwise."""
    # In a shell's background job SIGINT is ignored, and child processes would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reports: list[Report] = []
    for name in sys.argv[1:]:
        if name not in PARTS:
            sys.exit(f"error: there is no part {name}: choose from {', '.join(PARTS)}")
    for name in sys.argv[1:] or PARTS:
        start = time.monotonic()
        report = PARTS[name]()
        for note in report.notes:
            line(note)
        line(f"{report.markdown()}\n\n{name}: {(time.monotonic() - start) / 60:.0f} minutes\n")
        reports.append(report)
    if not sys.argv[1:]:
        tables = [report.markdown() for report in reports]
        sections = ["# Reliability", f"`make torture` on {machine.description()}", *tables]
        write_text(ROOT / "benchmarks" / "reliability.md", "\n\n".join(sections) + "\n")
    return int(any(report.faults_found for report in reports))


if __name__ == "__main__":
    sys.exit(main())
