"""Measure every table, print it, and write all of them to benchmarks/results.md.

python -m benchmarks
"""

import sys

from benchmarks import accuracy, bank, machine, scale, sweep, training, whole_pipeline
from pipeline.core.atomic import write_text
from pipeline.core.paths import ROOT


def main() -> None:
    """Run the benchmarks one after the other."""
    told = ["# Speed", f"`make bench` on {machine.description()}"]
    for module in (training, bank, accuracy, scale, whole_pipeline, sweep):
        text = module.table()
        sys.stdout.write(text + "\n\n")
        sys.stdout.flush()
        told.append(text)
    write_text(ROOT / "benchmarks" / "results.md", "\n\n".join(told) + "\n")


if __name__ == "__main__":
    main()
