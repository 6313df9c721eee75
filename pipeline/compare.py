"""Compare runs: what differs in settings, data and code, and whether the difference in test error is real.

python -m pipeline.compare RUN RUN [...] [--markdown | --csv]

The first run is what the others are held against, with McNemar's exact test on the same test images. A run that was
not evaluated, or a model file, is asked for its predictions on prepared/.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.core.config import Config
from pipeline.core.errors import StoreError, UserError
from pipeline.core.text import redact
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pipeline.comparison.table import Compared


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "compare")
    parser.add_argument("runs", nargs="+", metavar="RUN", help=command_line.RUN)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    return parser


def main(given: argparse.Namespace, config: Config) -> int:
    """Print the table, and what it says of each run against the first."""
    if len(given.runs) == 1:
        raise UserError("there is nothing to compare the run with: name two or more")
    from pipeline.comparison import table

    compared = compare(given.runs, config)
    rows = table.rows(compared)
    if given.csv:
        sys.stdout.write(table.comma_separated(rows) + "\n")
        return 0
    sys.stdout.write((table.markdown(rows) if given.markdown else table.text(rows)) + "\n\n")
    first, *others = compared
    for other in others:
        if other.paired is not None:
            sys.stdout.write(table.verdict(first, other, config.promotion.significance) + "\n")
    return 0


def compare(words: list[str], config: Config) -> "list[Compared]":
    """Look all up, and test each against the first; what cannot be tested is told on stderr and left out."""
    from pipeline.comparison import answers
    from pipeline.comparison.table import Compared
    from pipeline.runs.lookup import Lookup

    lookup = Lookup(config)
    subjects = [lookup.subject(word) for word in words]
    found: list[Compared] = []
    for subject in subjects:
        own = paired = None
        try:
            own = answers.of(lookup, subject, config)
            if found and found[0].answers is not None:
                paired = answers.paired(found[0].answers, own)
        except StoreError:
            raise
        except UserError as error:
            what = f"{'no test error of ' if own is None else ''}{subject.name}"
            sys.stderr.write(f"warning: {what}: {redact(str(error))}\n")
        found.append(Compared(subject, own, paired))
    return found


if __name__ == "__main__":
    command_line.run(main, arguments())
