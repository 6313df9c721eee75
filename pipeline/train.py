"""Train the softmax model on prepared/ and log the run in MLflow; files go to Hydra's output folder.

python -m pipeline.train train.learning_rate=0.05
python -m pipeline.train experiment=theano_tutorial
python -m pipeline.train --multirun train.learning_rate=0.03,0.1,0.3 train.batch_size=64,256,600
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from pipeline.core import app
from pipeline.core.atomic import write_text
from pipeline.core.config import Config, check_batch_size, check_update_patience, whole_batches
from pipeline.core.errors import UserError
from pipeline.data import prepared
from pipeline.training import pruning
from pipeline.training.banked import Banked, Rest

if TYPE_CHECKING:
    from pipeline.training.banked import Steps

log = logging.getLogger("pipeline.train")


def train(config: Config) -> "Steps":
    """Train one model and track it; its lowest validation error is returned, as Hydra's sweepers want it."""
    if config.sweep.dry_run:
        raise UserError("sweep.dry_run=true is for sweeps: add --multirun, or a preset as +sweep=grid")
    data, valid, test = prepared.read(config, "train", "valid", "test")
    check_batch_size(config.train, training=len(data))
    if config.train.drop_last:
        check_batch_size(config.train, validation=len(valid), test=len(test))
    check_update_patience(config.train, len(data))
    names = prepared.classes(config)
    # MLflow and TensorFlow take seconds to import: only now that the configuration is known to be sound.
    from pipeline.model import keras_file, metrics, softmax
    from pipeline.tracking import datasets
    from pipeline.tracking.logged_model import SavedModel
    from pipeline.tracking.processes import close_orphans_of_before
    from pipeline.tracking.run import open_run
    from pipeline.tracking.store import connect_once
    from pipeline.training.head import Head
    from pipeline.training.recorder import Recorder

    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "run_id").unlink(missing_ok=True)  # of an earlier training into the same folder
    store = connect_once(config.tracking)
    close_orphans_of_before(store)
    data_md5 = prepared.data_md5()
    with open_run(store, config, data_md5) as run:
        run.log_inputs(datasets.inputs(config.data, data_md5, {datasets.TRAINING: data, datasets.VALIDATION: valid}))
        model = softmax.build(
            data.pixels.shape[1],
            len(names),
            config.model.pixel_divisor,
            config.model.initializer,
            config.model.seed,
        )
        recorder = Recorder(run, config, data.images.shape[1:], names)
        recorder.start(softmax.templates(model))
        observe = pruning.watched(recorder.epoch, config.train.epochs)
        fit = yield Head(model, data, valid, config.train, config.seed, observe)
        keras_file.save(model, folder / "model.keras")
        saved = SavedModel(model, valid.pixels[:5], model(valid.pixels[:5]).numpy())
        recorder.finish(fit, softmax.templates(model), saved, folder)
        result = f"{len(fit.history)} epochs, best validation error {100 * fit.best.error:.6f} %"
        if config.train.report_test:
            test = test[: whole_batches(len(test), config.train)]
            score = metrics.score(softmax.predict_logits(model, test.pixels), test.labels)
            run.log_inputs(datasets.inputs(config.data, data_md5, {datasets.TEST: test}))
            run.log_metrics({"test/loss": score.loss, "test/error": score.error})
            result += f", test error {100 * score.error:.6f} %"

    def conclude() -> float:
        run.wait()
        write_text(folder / "run_id", run.id + "\n")
        hydra = HydraConfig.get()
        if hydra.mode == RunMode.MULTIRUN:
            log.info("job %s: %s, run %s", hydra.job.num, result, run.id)
        else:
            log.info("%s", result)
            log.info("run %s, files in %s", run.id, folder)
        return fit.best.error

    return Rest(run.written, conclude)


if __name__ == "__main__":
    app.run(Banked(train))
