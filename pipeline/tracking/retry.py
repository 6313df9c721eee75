"""How long a store that does not answer is asked again: for ever while there is training, and then for a minute."""

import itertools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 60.0  # enough for a server to start again
PAUSES = (0.5, 1.0, 2.0, 4.0)  # seconds between attempts, the last one again and again

T = TypeVar("T")

log = logging.getLogger(__name__)


class _Patience:
    """Of this process."""

    def __init__(self) -> None:
        self.waiting: float | None = None  # since when nothing else is done, by the clock of `time.monotonic`
        self.silent = False  # the store

    def allows(self, reason: str) -> bool:
        """Whether to ask again a store that has not answered; its silence is told once."""
        if not self.silent:
            self.silent = True
            log.warning("the MLflow store does not answer (%s): what is to be written to it waits", reason)
        return self.waiting is None or time.monotonic() - self.waiting < SECONDS


_patience = _Patience()


def train() -> None:
    """There is something else to do than to wait."""
    _patience.waiting = None


def wait() -> None:
    """There is nothing else to do."""
    if _patience.waiting is None:
        _patience.waiting = time.monotonic()


def until_answered(write: Callable[[], T]) -> T:
    """Write to a store, or ask it, again and again while it does not answer and patience lasts.

    Raises:
        Exception: what the last attempt raised.
    """
    from pipeline.tracking import store_errors  # imports MLflow, which Hydra would load for every command

    for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
        try:
            answer = write()
        except Exception as error:
            if not store_errors.passing(error) or not _patience.allows(store_errors.reason(error)):
                raise
            time.sleep(pause)
        else:
            _patience.waiting, _patience.silent = None, False
            return answer
    raise AssertionError("the pauses do not end")


def ask(question: Callable[[], T]) -> T:
    """The answer that has to be known before anything else is done.

    Raises:
        Exception: as `until_answered`.
    """

    def waiting() -> T:
        wait()
        return question()

    return until_answered(waiting)
