"""Background uploads: in order within a run, in parallel across runs."""

import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any

from pipeline.tracking import retry

THREADS = 8  # for servers; MLflow keeps ten connections, and the main thread uses one
LOG_SECONDS = 30.0  # between lines while a slow store is waited for

log = logging.getLogger(__name__)

# Executors of one thread each, which run what is submitted in order. Python ends only when all of it has run.
_server_threads = [ThreadPoolExecutor(1, f"upload-{number}") for number in range(THREADS)]
_next_thread = itertools.cycle(_server_threads)
_sqlite_thread = ThreadPoolExecutor(1, "upload-sqlite")  # sqlite admits one writer at a time


class UploadQueue:
    """The uploads of one run. After a failed upload the following ones are skipped."""

    def __init__(self, uri: str, explain: Callable[[Exception], Exception]) -> None:
        """`explain` turns the failure of an upload into the exception that wait() raises."""
        retry.clear_deadline()
        self._explain = explain
        self._executor = _sqlite_thread if uri.startswith("sqlite:") else next(_next_thread)
        self._last: Future[None] | None = None
        self.failure: Exception | None = None  # the first one
        self.pending = 0  # uploads
        self.reported = False  # whether the failure has been raised
        _queues.append(self)

    def submit(self, upload: Callable[[], Any]) -> None:
        """Run this upload soon, with retries while the store does not answer."""
        self.pending += 1
        self._last = self._executor.submit(self._run, upload)

    def on_finished(self, callback: Callable[[Exception | None], None]) -> None:
        """Call this after all uploads, with the first failure or None."""
        self._last = self._executor.submit(lambda: callback(self.failure))

    def is_empty(self) -> bool:
        """Whether no upload is pending."""
        return self._last is None or self._last.done()

    def wait(self) -> None:
        """Wait until no upload is pending.

        Raises:
            Exception: an upload failed.
        """
        start = time.monotonic()
        while self._last is not None and not self._last.done():
            retry.start_deadline()
            wait_for([self._last], timeout=1)
            if time.monotonic() - start > LOG_SECONDS:
                start = time.monotonic()
                log.info("%d uploads to the MLflow store are pending", sum(queue.pending for queue in _queues))
        if self._last is not None:
            self._last.result()
        if self.failure is not None:
            self.reported = True
            raise self._explain(self.failure) from self.failure

    def _run(self, upload: Callable[[], Any]) -> None:
        try:
            if self.failure is None:
                retry.until_answered(upload)
        except Exception as error:  # noqa: BLE001 - wait() raises it
            self.failure = error
        self.pending -= 1


_queues: list[UploadQueue] = []


def flush_all() -> None:
    """Wait for the uploads of all runs, and log failures that nobody has waited for."""
    for queue in _queues:
        reported = queue.reported
        try:
            queue.wait()
        except Exception as error:  # noqa: BLE001 - the caller may have an error of its own
            if not reported:
                log.warning("%s", error)
    _queues.clear()
