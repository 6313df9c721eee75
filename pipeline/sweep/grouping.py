"""Which jobs of a sweep can train in one bank."""

from collections.abc import Hashable

from pipeline.core.config import Config, flatten

# What a head has for itself. All the rest, and whatever is added to conf/, a bank's jobs must have in common.
OF_A_HEAD = (
    "train.learning_rate",
    "train.l2",
    "train.epochs",
    "train.early_stopping",
    "train.patience",
    "train.update_patience.",
    "train.report_test",
    "model.initializer",
    "model.seed",
    "tracking.",
    "sweep.",
)


def shared(config: Config) -> Hashable:
    """The settings that are equal in jobs of one bank; the seed of the minibatch order matters where it is used."""
    own = (*OF_A_HEAD, *(() if config.train.shuffle else ("seed",)))
    sections = tuple(key for key in own if key.endswith("."))
    return tuple((key, str(value)) for key, value in flatten(config) if key not in own and not key.startswith(sections))
