"""Evaluate models/model.keras on the test set, and write reports/.

python -m pipeline.evaluate
python -m pipeline.evaluate data=digits
python -m pipeline.evaluate tracking=server

The run that trained the model gets the metrics and the figures.
"""

import json
import logging
import shutil
from typing import TYPE_CHECKING

from pipeline.core import app
from pipeline.core.atomic import atomic_write, sha256, write_csv, write_text
from pipeline.core.config import Config, check_batch_size, config_hash, whole_batches
from pipeline.core.errors import UserError
from pipeline.core.job_context import JobContext
from pipeline.core.paths import MODELS, REPORTS, relative_to_cwd
from pipeline.core.progress import next_step
from pipeline.core.text import redact
from pipeline.data import prepared
from pipeline.data.images import LabelledImages

if TYPE_CHECKING:
    from pipeline.evaluation.evaluate_model import Evaluation
    from pipeline.tracking.store import Store

MODEL, HISTORY, RUN_ID = (MODELS / name for name in ("model.keras", "history.csv", "run_id"))
PREDICTIONS, PLOTS = REPORTS / "predictions.csv", REPORTS / "plots"
CLASSES = PLOTS / "classes.csv"

log = logging.getLogger("pipeline.evaluate")


def evaluate(config: Config) -> None:
    """Write reports/, and log its metrics and figures to the run that trained the model."""
    (test,) = prepared.read(config, "test")
    names = prepared.classes(config)
    if config.train.drop_last:
        check_batch_size(config.train, test=len(test))
    test = test[: whole_batches(len(test), config.train)]
    for path in (MODEL, HISTORY):
        if not path.is_file():
            raise UserError(f"{path} is not there: run `dvc repro train`")
    # MLflow takes seconds to import, so after the checks of the configuration.
    from pipeline.evaluation import evaluate_model
    from pipeline.model import keras_file
    from pipeline.tracking.store import connect

    store = connect(config.tracking)
    model = keras_file.read(MODEL)
    if (model.pixels, model.classes) != (test.pixels.shape[1], len(names)):
        raise UserError(f"{MODEL} was trained on other data than prepared/ holds: run `dvc repro train`")
    evaluation = evaluate_model.evaluate(model.logits(test.pixels), test.labels)
    _write(config, evaluation, test, names)
    metrics = evaluation.metrics
    error, low, high, loss = (metrics[f"test/{name}"] for name in ("error", "error_low", "error_high", "loss"))
    log.info("test error %.2f %%, loss %.4f nats, over %d images", 100 * error, loss, len(test))
    log.info("95 %% interval of the test error: %.2f to %.2f %%", 100 * low, 100 * high)
    log.info("expected calibration error %.2f %%", 100 * metrics["test/calibration_error"])
    if _log_to_run(config, evaluation, test, store):
        options = JobContext.from_hydra().store_options
        next_step("python -m pipeline.report", [relative_to_cwd(MODELS), *options])


def _write(config: Config, evaluation: "Evaluation", test: LabelledImages, names: list[str]) -> None:
    """Write reports/."""
    from pipeline.evaluation import figures, learning_curves

    write_text(REPORTS / "metrics.json", json.dumps(evaluation.metrics, indent=2) + "\n")
    evaluation.predictions.write(PREDICTIONS)
    rows = ((name, *values.values()) for name, values in zip(names, evaluation.per_class, strict=True))
    write_csv(CLASSES, ("class", "precision", "recall", "f1"), rows)
    with atomic_write(PLOTS / "learning_curves.csv") as temporary:
        shutil.copyfile(HISTORY, temporary)
    history = learning_curves.read(HISTORY)
    figures.draw(evaluation, test.images, history, names, config.data.name, PLOTS)


def _log_to_run(config: Config, evaluation: "Evaluation", test: LabelledImages, store: "Store") -> bool:
    """Log metrics and files to the run that trained the model, and return whether the store has it."""
    from pipeline.evaluation import figures
    from pipeline.tracking import datasets, queries
    from pipeline.tracking.run import resume_run

    last_id = RUN_ID.read_text(encoding="utf-8").strip() if RUN_ID.is_file() else None
    run_id = queries.run_of_model(store, sha256(MODEL), config_hash(config), last_id)
    if run_id is None:
        uri = redact(store.uri)
        log.warning("no finished run in %s has this model and these settings: the figures are in %s only", uri, REPORTS)
        return False
    with resume_run(store, config.tracking.experiment, REPORTS, run_id) as run:
        run.log_inputs(datasets.inputs(config.data, prepared.data_md5(), {datasets.TEST: test}))
        run.log_metrics(evaluation.metrics)
        run.log_metrics(evaluation.class_metrics)
        run.log_files([PREDICTIONS, CLASSES])
        run.log_files((PLOTS / name for name in figures.NAMES), "figures")
    return True


if __name__ == "__main__":
    app.run(evaluate)
