"""Retry policy for MLflow: no deadline while training, 60 s once we only wait."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from pipeline.core.errors import StoreError

SECONDS = 60.0  # enough for a server to restart
MAX_PAUSE = 4.0  # seconds between attempts

T = TypeVar("T")

log = logging.getLogger(__name__)


class _State:
    """The state of this process."""

    waiting_since: float | None = None  # since when there is nothing else to do, by time.monotonic
    outage_logged = False


def clear_deadline() -> None:
    """Retry without a deadline: there is other work to do."""
    _State.waiting_since = None


def start_deadline() -> None:
    """Give up 60 s from now: there is no other work to do."""
    if _State.waiting_since is None:
        _State.waiting_since = time.monotonic()


def until_answered(request: Callable[[], T]) -> T:
    """Make a request, and retry it while the store does not answer.

    Raises:
        Exception: the error of the last attempt.
    """
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, StoreError) and error.transient),
        wait=wait_exponential(multiplier=0.5, max=MAX_PAUSE),
        stop=_is_over,
        before_sleep=_log_outage,
        reraise=True,
    )
    answer = retrying(request)
    _State.waiting_since, _State.outage_logged = None, False
    return answer


def call(request: Callable[[], T]) -> T:
    """Make a request whose answer is needed before anything else can be done.

    Raises:
        Exception: as until_answered.
    """

    def waiting() -> T:
        start_deadline()
        return request()

    return until_answered(waiting)


def _is_over(_: RetryCallState) -> bool:
    return _State.waiting_since is not None and time.monotonic() - _State.waiting_since >= SECONDS


def _log_outage(state: RetryCallState) -> None:
    """Log once that the store does not answer."""
    error = state.outcome.exception() if state.outcome else None
    if not _State.outage_logged and isinstance(error, StoreError):
        _State.outage_logged = True
        log.warning("the MLflow store does not answer (%s): what is to be uploaded waits", error.reason)
