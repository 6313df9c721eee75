"""Make a run's model the champion: a version in MLflow's model registry, if the run passes the gate.

python -m pipeline.promote RUN [--force]

The gate: the run was evaluated, has at least promotion.min_accuracy (conf/promotion/gate.yaml), and is not
significantly worse than the champion on the same test data. Exit code 1: it did not pass.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from pipeline.core.config import Config
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pipeline.runs.run_info import RunOrModel

# The run's metrics and tags that become tags of the version, for readers of the registry.
METRICS = ("test/error", "test/error_low", "test/error_high", "test/loss", "test/calibration_error", "best/valid_error")
TAGS = ("data.md5", "git.commit", "git.dirty", "config.hash", "model.sha256")


def arguments() -> command_line.Parser:
    """The command line."""
    parser = command_line.Parser(__doc__ or "", "promote")
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    parser.add_argument("--force", action="store_true", help="promote even if the gate refuses, and record that")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Promote the run, or print why not."""
    from pipeline.comparison import gate
    from pipeline.runs import registry
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel

    lookup = Lookup(config)
    run = RunOrModel(args.run, lookup.run(args.run))
    name = config.promotion.model
    old = registry.champion(lookup.client, name)
    if old is not None and old.run_id == run.id:
        sys.stdout.write(f"run {run.id} is the champion already: version {old.version} of {name}\n")
        return 0
    champion = None if old is None else lookup.run_of_version(old)
    reasons = gate.reasons_against(lookup, run, champion, config.promotion)
    if reasons and not args.force:
        sys.stderr.write("".join(f"error: not promoted: {reason}\n" for reason in reasons))
        return 1
    lookup.model_file(run)  # a run without a model cannot be registered, even with --force
    assert run.run is not None
    new = registry.register(lookup.client, name, run.run, _tags(run, reasons))
    replaced = f", which was version {old.version}" if old is not None else ""
    forced = f" by force, though {'; '.join(reasons)}" if reasons else ""
    sys.stdout.write(f"run {run.id} is now version {new.version} of {name} and its champion{replaced}{forced}\n")
    return 0


def _tags(run: "RunOrModel", reasons: list[str]) -> dict[str, str]:
    metrics = {key: f"{run.metrics[key]:.6g}" for key in METRICS if key in run.metrics}
    tags = {key: run.tags[key] for key in TAGS if key in run.tags}
    return {**metrics, **tags, **({"forced": "; ".join(reasons)} if reasons else {})}


if __name__ == "__main__":
    command_line.run_command(main, arguments())
