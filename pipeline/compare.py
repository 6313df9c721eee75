"""Compare runs: their settings, data and code, and whether their test errors differ.

python -m pipeline.compare RUN RUN [...] [--json | --markdown | --csv]

The first run is the baseline of McNemar's exact test, on the same test images. A run that was not evaluated, or a model
file, predicts the test images in prepared/ now.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.core import terminal
from pipeline.core.config import Config
from pipeline.core.errors import StoreError, UserError
from pipeline.core.text import redact
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pipeline.comparison.table import Compared


def arguments() -> command_line.Parser:
    """The command line."""
    document = '{"runs": [{"run_id", "test_error", "p_value", ...}, ...], "differences": {KEY: [VALUE, ...]}}'
    parser = command_line.Parser(__doc__ or "", "compare", document)
    parser.add_argument("runs", nargs="+", metavar="RUN", help=command_line.RUN)
    parser.formats.add_argument("--markdown", action="store_true", help="print a Markdown table")
    parser.formats.add_argument("--csv", action="store_true", help="print comma-separated values")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Print the table, and a verdict on each run against the first."""
    if len(args.runs) == 1:
        raise UserError("there is nothing to compare the run with: name two or more")
    from pipeline.comparison import table

    compared = compare(args.runs, config)
    if args.json:
        command_line.print_json(table.document(compared, config.promotion.significance), args.json)
        return 0
    rows = table.rows(compared)
    if args.csv:
        sys.stdout.write(table.comma_separated(rows) + "\n")
        return 0
    if args.markdown:
        sys.stdout.write(table.markdown(rows) + "\n")
        return 0
    sys.stdout.write(table.text(rows, terminal.width()) + "\n\n")
    first, *others = compared
    for other in others:
        if other.test is not None:
            sys.stdout.write(table.verdict(first, other, config.promotion.significance) + "\n")
    if first.run.id:
        command_line.suggest(args, "report", first.run.id[:8])
    return 0


def compare(names: list[str], config: Config) -> "list[Compared]":
    """Look up the runs, and test each against the first; one that cannot be tested gets a warning on stderr."""
    from pipeline.comparison import answers
    from pipeline.comparison.table import Compared
    from pipeline.runs.lookup import Lookup

    lookup = Lookup(config)
    compared: list[Compared] = []
    for run in [lookup.run_or_model(name) for name in names]:
        predictions = test = None
        try:
            predictions = answers.predictions_for(lookup, run, config)
            if compared and compared[0].predictions is not None:
                test = answers.paired_test(compared[0].predictions, predictions)
        except StoreError:
            raise
        except UserError as error:
            missing = "no test error of " if predictions is None else ""
            sys.stderr.write(f"warning: {missing}{run.name}: {redact(str(error))}\n")
        compared.append(Compared(run, predictions, test))
    return compared


if __name__ == "__main__":
    command_line.run_command(main, arguments())
