"""Read data/ and write the training, validation and test sets to prepared/.

python -m pipeline.preprocess
python -m pipeline.preprocess data=digits
python -m pipeline.preprocess data.split.validation=5000
"""

import logging

from pipeline.core import app
from pipeline.core.config import Config
from pipeline.core.job_context import JobContext
from pipeline.core.paths import DATA
from pipeline.core.progress import next_stage
from pipeline.data import prepared, splits
from pipeline.formats import checks

log = logging.getLogger("pipeline.preprocess")


def preprocess(config: Config) -> None:
    """Write the training, validation and test sets of `config.data`."""
    identity = prepared.identity(config)
    sets = checks.read(config.data, DATA)
    training, validation, test = sets.training, sets.validation, sets.test
    if test is None:
        rows, held_out = splits.hold_out(training.labels, config.data.split)
        training, test = training[rows], training[held_out]
    if validation is None:
        rows, held_out = splits.split(training.labels, config.data.split)
        training, validation = training[rows], training[held_out]
    prepared.write({"train": training, "valid": validation, "test": test}, sets.classes, identity)
    origin = "" if sets.validation is None else " (the data's own validation set)"
    log.info("%d training, %d validation%s and %d test images", len(training), len(validation), origin, len(test))
    next_stage("python -m pipeline.train", JobContext.from_hydra().overrides)


if __name__ == "__main__":
    app.run(preprocess)
