"""Writes to a store beside the training: a run's one after the other, those of different runs side by side."""

import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

THREADS = 8  # for servers; MLflow keeps ten connections, of which the main thread uses one
MOST_WAITING = 8  # of a run's writes: each may hold an image in memory

T = TypeVar("T")

# One thread each, so that what is submitted is done in its order. Python ends only when all of it is done.
_servers = [ThreadPoolExecutor(1, f"lane-{number}") for number in range(THREADS)]
_turns = itertools.cycle(_servers)
_sqlite = ThreadPoolExecutor(1, "lane-sqlite")  # which lets in one writer at a time


class Lane:
    """The writes of one run. After one that failed only the last one is made."""

    def __init__(self, uri: str) -> None:
        self._thread = _sqlite if uri.startswith("sqlite:") else next(_turns)
        self._waiting: deque[Future[Any]] = deque()
        self._failure: Exception | None = None

    def post(self, write: Callable[[], T]) -> "Future[T]":
        """Make this write soon.

        Raises:
            Exception: what an earlier write raised.
        """
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= MOST_WAITING):
            self._waiting.popleft().result()
        future = self._thread.submit(self._make, write)
        self._waiting.append(future)
        return future

    def end(self, write: Callable[[Exception | None], None]) -> None:
        """Make the last write, which is told why an earlier one failed."""
        self._waiting.append(self._thread.submit(lambda: write(self._failure)))

    def empty(self) -> bool:
        """Whether no write waits any more."""
        return all(future.done() for future in self._waiting)

    def wait(self) -> None:
        """Wait until all is written.

        Raises:
            Exception: what a write raised.
        """
        for future in self._waiting:
            future.result()

    def _make(self, write: Callable[[], T]) -> T:
        if self._failure is not None:
            raise self._failure
        try:
            return write()
        except Exception as error:
            self._failure = error
            raise


def drain() -> None:
    """Wait for all writes of all runs, whatever becomes of them."""
    wait([thread.submit(int) for thread in (*_servers, _sqlite)])
