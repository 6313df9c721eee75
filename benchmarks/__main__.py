"""Run all speed benchmarks, print their tables, and write them to benchmarks/results.md.

python -m benchmarks
"""

import sys

from benchmarks import accuracy, machine, scale, sweep, training, whole_pipeline
from pipeline.core.atomic import write_text
from pipeline.core.paths import ROOT


def main() -> None:
    """Run the benchmarks one after the other."""
    sections = ["# Speed", f"`make bench` on {machine.description()}"]
    for module in (training, accuracy, scale, whole_pipeline, sweep):
        table = module.table()
        sys.stdout.write(table + "\n\n")
        sys.stdout.flush()
        sections.append(table)
    write_text(ROOT / "benchmarks" / "results.md", "\n\n".join(sections) + "\n")


if __name__ == "__main__":
    main()
