"""Make a run's model the champion: a version in MLflow's model registry, if it passes the gate.

python -m pipeline.promote RUN [--force]

The gate: evaluated, at least promotion.min_accuracy (conf/promotion/gate.yaml), and on the same test data not
significantly worse than the champion. Exit code 1 says that it did not pass.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.core.config import Config
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pipeline.runs.run_info import Subject

# Of the run, as the version's own tags: what somebody who looks at the registry wants to know.
FIGURES = ("test/error", "test/error_low", "test/error_high", "test/loss", "test/calibration_error", "best/valid_error")
KEPT = ("data.md5", "git.commit", "git.dirty", "config.hash", "model.sha256")


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "promote")
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    parser.add_argument("--force", action="store_true", help="promote whatever the gate says, and record that")
    return parser


def main(given: argparse.Namespace, config: Config) -> int:
    """Promote the run, or tell why not."""
    from pipeline.comparison import gate
    from pipeline.runs import registry
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import Subject

    lookup = Lookup(config)
    run = Subject(given.run, lookup.run(given.run))
    name = config.promotion.model
    version = registry.champion(lookup.client, name)
    if version is not None and version.run_id == run.id:
        sys.stdout.write(f"run {run.id} is the champion already: version {version.version} of {name}\n")
        return 0
    champion = None if version is None else lookup.of_version(version)
    refused = gate.reasons(lookup, run, champion, config.promotion)
    if refused and not given.force:
        sys.stderr.write("".join(f"error: not promoted: {reason}\n" for reason in refused))
        return 1
    lookup.model_file(run)  # what has no model cannot be registered, whatever --force says
    assert run.run is not None
    made = registry.register(lookup.client, name, run.run, _tags(run, refused))
    was = f", which was version {version.version}" if version is not None else ""
    forced = f" by force, though {'; '.join(refused)}" if refused else ""
    sys.stdout.write(f"run {run.id} is now version {made.version} of {name} and its champion{was}{forced}\n")
    return 0


def _tags(run: "Subject", forced: list[str]) -> dict[str, str]:
    figures = {key: f"{run.metrics[key]:.6g}" for key in FIGURES if key in run.metrics}
    kept = {key: run.tags[key] for key in KEPT if key in run.tags}
    return {**figures, **kept, **({"forced": "; ".join(forced)} if forced else {})}


if __name__ == "__main__":
    command_line.run(main, arguments())
