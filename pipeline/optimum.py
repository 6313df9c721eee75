"""Measure how far a model's training objective is above the least possible one.

python -m pipeline.optimum
python -m pipeline.optimum RUN

The objective is the mean negative log-likelihood in nats + l2 * sum(W^2) over the training images in prepared/. It is
convex, and L-BFGS minimizes it once for the data and the L2: outputs/optimum/ keeps the minimum. The run gets the
metrics train/objective and train/objective_gap.
"""

import argparse
import math
import os
from typing import TYPE_CHECKING, Any

from pipeline.core.config import Config, params
from pipeline.core.errors import UserError
from pipeline.core.paths import MODELS
from pipeline.core.progress import iterations_bar, line, on_terminal
from pipeline.runs import command_line

if TYPE_CHECKING:
    from pipeline.convex.lbfgs import Optimum
    from pipeline.convex.objective import Objective
    from pipeline.runs.run_info import RunOrModel

REPORT_EVERY = 50  # iterations, where there is no progress bar


def arguments() -> command_line.Parser:
    """The command line."""
    document = '{"run_id", "objective", "optimum", "gap", "lower_bound", "proven", "iterations"}'
    parser = command_line.Parser(__doc__ or "", "optimum", document)
    parser.add_argument("run", nargs="?", metavar="RUN", default=str(MODELS), help=f"{command_line.RUN} (the default)")
    return parser


def main(args: argparse.Namespace, config: Config) -> int:
    """Print the objective and its distance from the optimum, and log both to the run."""
    from pipeline.convex.objective import Objective
    from pipeline.data import prepared

    (train,) = prepared.read(config, "train")
    classes = len(prepared.classes(config))
    # MLflow takes seconds to import: only now that there are data.
    from pipeline.model import keras_file
    from pipeline.runs.lookup import Lookup

    lookup = Lookup(config)
    model = lookup.run_or_model(args.run)
    weights = keras_file.read(lookup.model_file(model))
    identity = prepared.identity(config) | _settings(model, config)
    shape = (train.pixels.shape[1], classes)
    if (weights.pixels, weights.classes) != shape:
        raise UserError(
            f"{model.word} was trained on images of another size or on other classes than prepared/ holds "
            f"({shape[0]} pixels, {classes} classes): name a model of these data"
        )
    objective = Objective(train, identity["model.pixel_divisor"], identity["train.l2"])
    value = objective(weights.kernel.astype("float64"), weights.bias.astype("float64")).objective
    if not math.isfinite(value):
        raise UserError(f"{model.word} has an objective that is not finite, as if it had diverged: name another model")
    optimum = _optimum(objective, classes, identity)
    line(f"after {optimum.iterations} iterations: {optimum.description}")
    gap = value - optimum.objective
    at_least = "" if optimum.proven else "at least "
    line(f"training objective {value:.4f} nats, {at_least}{gap:.4f} above the optimum ({optimum.objective:.4f})")
    if model.run is not None:
        lookup.client.log_metric(model.id, "train/objective", value)
        lookup.client.log_metric(model.id, "train/objective_gap", gap)
    if args.json:
        document = {
            "run_id": model.id or None,
            "objective": value,
            "optimum": optimum.objective,
            "gap": gap,
            "lower_bound": optimum.lower_bound,
            "proven": optimum.proven,
            "iterations": optimum.iterations,
        }
        command_line.print_json(document, args.json)
    elif model.run is not None:
        command_line.suggest(args, "report", model.id[:8])
    return 0


def _settings(model: "RunOrModel", config: Config) -> dict[str, float]:
    """The model's `pixel_divisor` and `l2` by their full keys: its run's, or conf/'s where no run made the file.

    Raises:
        UserError: the run was trained on other data than prepared/ holds.
    """
    from pipeline.data import prepared

    if model.run is None:
        return {"model.pixel_divisor": config.model.pixel_divisor, "train.l2": config.train.l2}
    present = params(config) | {"data.md5": prepared.data_md5()}
    recorded = model.params | {"data.md5": model.tags.get("data.md5", "")}
    for key in prepared.identity(config):
        if recorded.get(key) != present[key]:
            raise UserError(
                f"run {model.id} was trained on other data than prepared/ holds ({key}={recorded.get(key)} instead of "
                f"{present[key]}): set it in conf/ and run `dvc repro preprocess`"
            )
    try:
        return {key: float(model.params[key]) for key in ("model.pixel_divisor", "train.l2")}
    except KeyError as error:
        raise UserError(f"run {model.id} has no param {error}: an earlier version made it, name another") from error


def _optimum(objective: "Objective", classes: int, identity: dict[str, Any]) -> "Optimum":
    """The optimum from outputs/optimum/, or else from L-BFGS."""
    from pipeline.convex import lbfgs, optimum_file

    path = optimum_file.path_for(identity)
    kept = optimum_file.read(path)
    if kept is not None:
        line(f"the optimum is that of {os.path.relpath(path)}")
        return kept
    with iterations_bar(lbfgs.MAX_ITERATIONS) as bar:

        def report(iteration: int, value: float) -> None:
            bar.update()
            if iteration % REPORT_EVERY == 0 and not on_terminal():
                line(f"iteration {iteration}: objective {value:.4f} nats")

        optimum = lbfgs.minimum(objective, classes, report)
    optimum_file.write(path, identity, optimum)
    return optimum


if __name__ == "__main__":
    command_line.run_command(main, arguments())
