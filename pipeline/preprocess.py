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
    training, test = raw.read(config.data, DATA)
    train, valid = splits.split(training.labels, config.data.split)
    prepared.write({"train": training[train], "valid": training[valid], "test": test}, identity)


if __name__ == "__main__":
    app.run(preprocess)
