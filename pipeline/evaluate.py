"""Stage evaluate: measure models/model.keras on the test set, once; reports/ gets the figures, and so does its run.

python -m pipeline.evaluate
"""

import json
import logging
import shutil
from typing import TYPE_CHECKING

from pipeline import app
from pipeline.config import Config, config_hash, whole_batches, without_passwords
from pipeline.convex import files as optimum
from pipeline.convex.objective import Objective
from pipeline.data import prepared
from pipeline.errors import UserError
from pipeline.files import sha256, write_csv, write_text, writing
from pipeline.paths import MODELS, REPORTS
from pipeline.validation import check_batch_size

if TYPE_CHECKING:
    from pipeline.model.evaluation import Evaluation
    from pipeline.tracking.store import Store

MODEL, HISTORY, RUN_ID = (MODELS / name for name in ("model.keras", "history.csv", "run_id"))
PREDICTIONS, PLOTS = REPORTS / "predictions.csv", REPORTS / "plots"
CLASSES = PLOTS / "classes.csv"

log = logging.getLogger("pipeline.evaluate")


def evaluate(config: Config) -> None:
    """Write reports/, and add its figures to the run that train made."""
    train, test = prepared.read(config, "train", "test")
    names = prepared.classes(config)
    if config.train.drop_last:
        check_batch_size(config.train, test=len(test))
    test = test[: whole_batches(len(test), config.train)]
    for path in (MODEL, HISTORY):
        if not path.is_file():
            raise UserError(f"{path} is not there: run `dvc repro train`")
    lowest = optimum.read(config)
    # TensorFlow takes seconds to import: only now that the configuration is known to be sound.
    from pipeline.model import evaluation, files
    from pipeline.tracking.store import connect

    store = connect(config.tracking)
    model = files.load(MODEL)
    if model.input_shape[1] != test.pixels.shape[1] or model.output_shape[1] != len(names):
        raise UserError(f"{MODEL} was trained on other data than prepared/ holds: run `dvc repro train`")
    found = evaluation.evaluate(model, test)
    weights, bias = (array.astype("float64") for array in model.get_weights())
    objective = Objective(train, config.model.pixel_divisor, config.train.l2)(weights, bias).objective
    gap = objective - lowest.objective
    found.metrics.update({"train/objective": objective, "train/objective_gap": gap})
    _write(config, found, names)
    error, low, high, loss = (found.metrics[f"test/{name}"] for name in ("error", "error_low", "error_high", "loss"))
    log.info("test error %.2f %%, loss %.4f nats, over %d images", 100 * error, loss, len(test))
    log.info("95 %% interval of the test error: %.2f to %.2f %%", 100 * low, 100 * high)
    log.info("expected calibration error %.2f %%", 100 * found.metrics["test/calibration_error"])
    least = "" if lowest.proven else "at least "
    log.info("training objective %.4f nats, %s%.4f above the optimum", objective, least, gap)
    _track(config, found, store)


def _write(config: Config, found: "Evaluation", names: list[str]) -> None:
    """Write reports/."""
    from pipeline.figures import evaluation, learning_curves

    write_text(REPORTS / "metrics.json", json.dumps(found.metrics, indent=2) + "\n")
    found.seen.write(PREDICTIONS)
    rows = ((name, *of.values()) for name, of in zip(names, found.classes, strict=True))
    write_csv(CLASSES, ("class", "precision", "recall", "f1"), rows)
    with writing(PLOTS / "learning_curves.csv") as temporary:
        shutil.copyfile(HISTORY, temporary)
    history = learning_curves.read(HISTORY)
    evaluation.draw(found.seen, found.classes, history, names, config.data.name, PLOTS)


def _track(config: Config, found: "Evaluation", store: "Store") -> None:
    """Add metrics and files to the run that made the model, if it is in the store."""
    from pipeline.figures import evaluation
    from pipeline.tracking import datasets, search
    from pipeline.tracking.run import find_run

    likely = RUN_ID.read_text(encoding="utf-8").strip() if RUN_ID.is_file() else None
    run_id = search.trained(store, sha256(MODEL), config_hash(config), likely)
    if run_id is None:
        log.warning(
            "no finished run in %s has this model and these settings: the figures are in %s only",
            without_passwords(store.uri),
            REPORTS,
        )
        return
    with find_run(store, config.tracking.experiment, REPORTS, run_id) as run:
        run.inputs(datasets.inputs(config.data, prepared.data_md5(), {datasets.TEST: found.seen.data}))
        run.metrics(found.metrics)
        run.metrics(found.by_class)
        for path in (PREDICTIONS, CLASSES):
            run.artifact(path)
        for name in evaluation.NAMES:
            run.artifact(PLOTS / name, "figures")


if __name__ == "__main__":
    app.run(evaluate)
