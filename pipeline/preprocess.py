"""Stage preprocess: parse data/ and write prepared/.

python -m pipeline.preprocess
"""

from pipeline import app
from pipeline.config import Config
from pipeline.data import prepared, raw, splits
from pipeline.paths import DATA


def preprocess(config: Config) -> None:
    """Write the training, validation and test sets of `config.data`."""
    identity = prepared.identity(config)
    sets = raw.read(config.data, DATA)
    training, test = sets.training, sets.test
    if test is None:
        rows, held_out = splits.hold_out(training.labels, config.data.split)
        training, test = training[rows], training[held_out]
    train, valid = splits.split(training.labels, config.data.split)
    prepared.write({"train": training[train], "valid": training[valid], "test": test}, sets.classes, identity)


if __name__ == "__main__":
    app.run(preprocess)
