"""Writes to a store beside the training: a run's one after the other, those of different runs side by side."""

import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any

from pipeline.tracking import retry

THREADS = 8  # for servers; MLflow keeps ten connections, of which the main thread uses one
TOLD_EVERY = 30.0  # seconds, while a slow store is waited for

log = logging.getLogger(__name__)

# One thread each, so that what is submitted is done in its order. Python ends only when all of it is done.
_servers = [ThreadPoolExecutor(1, f"lane-{number}") for number in range(THREADS)]
_turns = itertools.cycle(_servers)
_sqlite = ThreadPoolExecutor(1, "lane-sqlite")  # which lets in one writer at a time


class Lane:
    """The writes of one run. After one that failed for good only the last one is made."""

    def __init__(self, uri: str, explain: Callable[[Exception], Exception]) -> None:
        """`explain` makes of a failure what is raised where somebody waits."""
        retry.train()
        self._explain = explain
        self._thread = _sqlite if uri.startswith("sqlite:") else next(_turns)
        self._last: Future[None] | None = None
        self.failure: Exception | None = None  # the first one
        self.left = 0  # writes
        self.told = False  # of the failure
        _open.append(self)

    def post(self, write: Callable[[], Any]) -> None:
        """Make this write soon, again and again while the store does not answer."""
        self.left += 1
        self._last = self._thread.submit(self._make, write)

    def end(self, write: Callable[[Exception | None], None]) -> None:
        """Make the last write, which is told why an earlier one failed."""
        self._last = self._thread.submit(lambda: write(self.failure))

    def written(self) -> bool:
        """Whether no write waits any more."""
        return self._last is None or self._last.done()

    def wait(self) -> None:
        """Wait until no write waits any more.

        Raises:
            Exception: one has failed.
        """
        began = time.monotonic()
        while self._last is not None and not self._last.done():
            retry.wait()
            wait_for([self._last], timeout=1)
            if time.monotonic() - began > TOLD_EVERY:
                began = time.monotonic()
                log.info("%d writes to the MLflow store are left", sum(lane.left for lane in _open))
        if self._last is not None:
            self._last.result()
        if self.failure is not None:
            self.told = True
            raise self._explain(self.failure) from self.failure

    def _make(self, write: Callable[[], Any]) -> None:
        try:
            if self.failure is None:
                retry.until_answered(write)
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits is told
            self.failure = error
        self.left -= 1


_open: list[Lane] = []


def drain() -> None:
    """Wait for all writes of all runs; of those that failed without anybody having waited for them, tell so."""
    for lane in _open:
        told = lane.told
        try:
            lane.wait()
        except Exception as error:  # noqa: BLE001 - another one may be on its way
            if not told:
                log.warning("%s", error)
    _open.clear()
