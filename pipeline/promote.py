"""Make a run's model the champion in MLflow's registry, if the run passes the gate.

python -m pipeline.promote RUN [--force]

The gate asks for test figures. The validation error of a sweep's best job is no estimate of its error on new images: it
is the lowest of many, partly by luck.

A run passes if it was evaluated, has at least promotion.min_accuracy (conf/promotion/gate.yaml), and is not
significantly worse than the champion on the same test data. Exit code 1: it did not pass.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pipeline.core.config import Config
from pipeline.core.paths import ROOT, relative_to_cwd
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pipeline.runs.run_info import RunOrModel

# The run's metrics and tags that become tags of the version, for readers of the registry.
METRICS = ("test/error", "test/error_low", "test/error_high", "test/loss", "test/calibration_error", "best/valid_error")
EXAMPLE = ROOT / "docs" / "digits" / "thin-7.png"  # a picture for the champion
TAGS = ("data.md5", "git.commit", "git.dirty", "config.hash", "model.sha256")


def arguments() -> command_line.Parser:
    """The command line."""
    document = '{"promoted", "run_id", "model", "version", "replaced", "unchanged", "forced", "reasons"}'
    parser = command_line.Parser(__doc__ or "", "promote", document)
    parser.add_argument("run", metavar="RUN", help=command_line.RUN)
    parser.add_argument("--force", action="store_true", help="promote even if the gate refuses, and record that")
    return parser


class Outcome(NamedTuple):
    """The outcome of a promotion; with --json it is the document.

    `replaced` is the version that was the champion. `reasons` are those of the gate against the run.
    """

    promoted: bool
    run_id: str
    model: str
    version: int | None = None
    replaced: int | None = None
    unchanged: bool = False
    forced: bool = False
    reasons: Sequence[str] = ()


def main(args: argparse.Namespace, config: Config) -> int:
    """Promote the run, or print why not."""
    outcome = promote(args.run, config, force=args.force)
    if not outcome.promoted:
        sys.stderr.write("".join(f"error: not promoted: {reason}\n" for reason in outcome.reasons))
    if args.json:
        command_line.print_json(outcome._asdict(), args.json)
    elif outcome.promoted:
        sys.stdout.write(f"{_sentence(outcome)}\n")
        command_line.suggest(args, "predict", "--model", "champion", relative_to_cwd(EXAMPLE))
    return 0 if outcome.promoted else 1


def promote(name: str, config: Config, *, force: bool) -> Outcome:
    """Promote the run with this name, if it passes the gate or with `force`."""
    from pipeline.comparison import gate
    from pipeline.runs import registry
    from pipeline.runs.lookup import Lookup
    from pipeline.runs.run_info import RunOrModel

    lookup = Lookup(config)
    run = RunOrModel(name, lookup.run(name))
    model = config.promotion.model
    old = registry.champion(lookup.client, model)
    if old is not None and old.run_id == run.id:
        return Outcome(promoted=True, run_id=run.id, model=model, version=int(old.version), unchanged=True)
    champion = None if old is None else lookup.run_of_version(old)
    reasons = gate.reasons_against(lookup, run, champion, config.promotion)
    if reasons and not force:
        return Outcome(promoted=False, run_id=run.id, model=model, reasons=reasons)
    lookup.model_file(run)  # a run without a model cannot be registered, even with --force
    assert run.run is not None
    new = registry.register(lookup.client, model, run.run, _tags(run, reasons))
    return Outcome(
        promoted=True,
        run_id=run.id,
        model=model,
        version=int(new.version),
        replaced=None if old is None else int(old.version),
        forced=bool(reasons),
        reasons=reasons,
    )


def _sentence(outcome: Outcome) -> str:
    if outcome.unchanged:
        return f"run {outcome.run_id} is the champion already: version {outcome.version} of {outcome.model}"
    replaced = "" if outcome.replaced is None else f", which was version {outcome.replaced}"
    forced = f" by force, though {'; '.join(outcome.reasons)}" if outcome.forced else ""
    new = f"version {outcome.version} of {outcome.model} and its champion"
    return f"run {outcome.run_id} is now {new}{replaced}{forced}"


def _tags(run: "RunOrModel", reasons: list[str]) -> dict[str, str]:
    metrics = {key: f"{run.metrics[key]:.6g}" for key in METRICS if key in run.metrics}
    tags = {key: run.tags[key] for key in TAGS if key in run.tags}
    return {**metrics, **tags, **({"forced": "; ".join(reasons)} if reasons else {})}


if __name__ == "__main__":
    command_line.run_command(main, arguments())
