"""Read data/ and write the training, validation and test sets to prepared/.

python -m pipeline.preprocess
python -m pipeline.preprocess data=digits
python -m pipeline.preprocess data.split.validation=5000
"""

from pipeline.core import app
from pipeline.core.config import Config
from pipeline.core.paths import DATA
from pipeline.data import prepared, splits
from pipeline.formats import checks


def preprocess(config: Config) -> None:
    """Write the training, validation and test sets of `config.data`."""
    identity = prepared.identity(config)
    sets = checks.read(config.data, DATA)
    training, test = sets.training, sets.test
    if test is None:
        rows, held_out = splits.hold_out(training.labels, config.data.split)
        training, test = training[rows], training[held_out]
    train, valid = splits.split(training.labels, config.data.split)
    prepared.write({"train": training[train], "valid": training[valid], "test": test}, sets.classes, identity)


if __name__ == "__main__":
    app.run(preprocess)
