"""Stage train: fit the softmax model to prepared/, tracked in MLflow; files go to Hydra's output folder.

python -m pipeline.train [train.learning_rate=0.1] [experiment=theano_tutorial]
python -m pipeline.train --multirun train.learning_rate=0.03,0.1,0.3 train.batch_size=64,256,600
"""

import logging
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from pipeline import app
from pipeline.config import Config, whole_batches
from pipeline.data import prepared
from pipeline.errors import Diverged
from pipeline.sweep import callback
from pipeline.validation import check_batch_size, check_update_patience

log = logging.getLogger("pipeline.train")


def train(config: Config) -> None:
    """Train one model and track it."""
    data, valid, test = prepared.read(config, "train", "valid", "test")
    check_batch_size(config.train, training=len(data))
    if config.train.drop_last:
        check_batch_size(config.train, validation=len(valid), test=len(test))
    check_update_patience(config.train, len(data))
    # MLflow and TensorFlow take seconds to import: only now that the configuration is known to be sound.
    from pipeline.model import files, measures, softmax, training
    from pipeline.model.bank import Bank
    from pipeline.tracking.recorder import Recorder
    from pipeline.tracking.run import open_run
    from pipeline.tracking.store import connect

    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "run_id").unlink(missing_ok=True)  # of an earlier training into the same folder
    classes, shape = int(data.labels.max()) + 1, data.images.shape[1:]
    with open_run(connect(config.tracking), config, prepared.data_md5()) as run:
        model = softmax.build(
            data.pixels.shape[1], classes, config.model.pixel_divisor, config.model.initializer, config.seed
        )
        bank = Bank.of([model])
        with Recorder(run, config, lambda: bank.templates(0).reshape(-1, *shape)) as recorder:
            rates = [config.train.learning_rate]
            (fit,) = training.fit(
                bank, rates, (data, valid), config.train, config.seed, lambda _, epoch: recorder.epoch(epoch)
            )
        if isinstance(fit, Diverged):
            raise fit
        bank.export(0, model)
        files.save(model, folder / "model.keras")
        recorder.finish(fit, folder)
        run.model(model, valid.pixels[:5], model(valid.pixels[:5]).numpy())
        result = f"{len(fit.history)} epochs, best validation error {100 * fit.best.error:.6f} %"
        if config.train.report_test:
            test = test[: whole_batches(len(test), config.train)]
            score = measures.score(softmax.predict_logits(model, test.pixels), test.labels)
            run.metrics({"test/loss": score.loss, "test/error": score.error})
            result += f", test error {100 * score.error:.6f} %"
    log.info("%s", result)
    log.info("run %s, files in %s", run.id, folder)


if __name__ == "__main__":
    try:
        app.run(train)
    finally:
        callback.report()
