"""Stage evaluate: measure models/model.keras on the test set, once; reports/ gets the figures, and so does its run.

python -m pipeline.evaluate
"""

import json
import logging
import shutil

from pipeline import app
from pipeline.config import Config, config_hash, whole_batches
from pipeline.data import prepared
from pipeline.errors import UserError
from pipeline.files import sha256, write_csv, write_text, writing
from pipeline.paths import MODELS, REPORTS
from pipeline.validation import check_batch_size

MODEL, HISTORY, RUN_ID = (MODELS / name for name in ("model.keras", "history.csv", "run_id"))

log = logging.getLogger("pipeline.evaluate")


def evaluate(config: Config) -> None:
    """Write reports/metrics.json and reports/plots/, and add the test figures to the run that train made."""
    (test,) = prepared.read(config, "test")
    if config.train.drop_last:
        check_batch_size(config.train, test=len(test))
    test = test[: whole_batches(len(test), config.train)]
    for path in (MODEL, HISTORY):
        if not path.is_file():
            raise UserError(f"{path} is not there: run `dvc repro train`")
    # TensorFlow and MLflow take seconds to import: only now that the configuration is known to be sound.
    from pipeline.model import files, measures, softmax
    from pipeline.tracking import datasets, search
    from pipeline.tracking.run import Run
    from pipeline.tracking.store import connect

    model = files.load(MODEL)
    if model.input_shape[1] != test.pixels.shape[1] or model.output_shape[1] <= test.labels.max():
        raise UserError(f"{MODEL} was trained on other data than prepared/ holds: run `dvc repro train`")
    logits = softmax.predict_logits(model, test.pixels)
    predicted, score = logits.argmax(axis=1), measures.score(logits, test.labels)
    classes = measures.per_class(predicted, test.labels, logits.shape[1])
    macro_f1 = sum(values["f1"] for values in classes.values()) / len(classes)
    # Named as in MLflow; a key that is just "error" would make DVC report that it failed to load the file.
    totals = {"test/error": score.error, "test/loss": score.loss, "test/macro_f1": macro_f1}

    write_text(REPORTS / "metrics.json", json.dumps(totals, indent=2) + "\n")
    rows = ((label, *of.values()) for label, of in classes.items())
    write_csv(REPORTS / "plots" / "classes.csv", ("class", "precision", "recall", "f1"), rows)
    pairs = zip(test.labels.tolist(), predicted.tolist(), strict=True)
    write_csv(REPORTS / "plots" / "confusion.csv", ("actual", "predicted"), pairs)
    with writing(REPORTS / "plots" / "learning_curves.csv") as temporary:
        shutil.copyfile(HISTORY, temporary)

    log.info("test error %.2f %%, loss %.4f nats, over %d images", 100 * score.error, score.loss, len(test))
    store = connect(config.tracking)
    likely = RUN_ID.read_text(encoding="utf-8").strip() if RUN_ID.is_file() else None
    run_id = search.trained(store, sha256(MODEL), config_hash(config), likely)
    if run_id is None:
        log.warning(
            "no finished run in %s has this model and these settings: the figures are in %s only", store.uri, REPORTS
        )
        return
    run = Run(store, lambda: run_id)
    run.inputs(datasets.inputs(config.data, prepared.data_md5(), {datasets.TEST: test}))
    run.metrics(totals)
    run.metrics({f"test/{name}/{label}": value for label, of in classes.items() for name, value in of.items()})
    run.flush()
    run.artifact(REPORTS / "plots" / "confusion.csv")
    run.wait()


if __name__ == "__main__":
    app.run(evaluate)
