"""Uploads of a run keep their order, runs upload in parallel, and no failure is lost."""

import threading

import pytest

from pipeline.tracking.upload_queue import UploadQueue, flush_all

SERVER, SQLITE = "http://127.0.0.1:9", "sqlite:///mlflow.db"


def unchanged(error: Exception) -> Exception:
    return error


@pytest.mark.parametrize("uri", [SERVER, SQLITE])
def test_uploads_of_a_run_keep_their_order(uri: str) -> None:
    """A metric cannot be uploaded before its run."""
    queue, uploaded = UploadQueue(uri, unchanged), list[int]()
    for number in range(100):
        queue.submit(lambda number=number: uploaded.append(number))  # type: ignore[misc]  # mypy wants a protocol for it
    queue.wait()
    assert uploaded == list(range(100))


def test_runs_upload_to_a_server_in_parallel() -> None:
    """Two uploads that wait for each other end only when both run."""
    both_run = threading.Barrier(2, timeout=30)
    queues = [UploadQueue(SERVER, unchanged), UploadQueue(SERVER, unchanged)]
    for queue in queues:
        queue.submit(both_run.wait)
    for queue in queues:
        queue.wait()


def test_after_a_failed_upload_only_the_callback_runs() -> None:
    """The last upload ends the run and gets the failure; wait() raises it."""
    queue, uploaded = UploadQueue(SERVER, unchanged), list[object]()
    failure = ValueError("no")

    def fail() -> None:
        raise failure

    queue.submit(lambda: uploaded.append("first"))
    queue.submit(fail)
    queue.submit(lambda: uploaded.append("later"))
    with pytest.raises(ValueError, match="no"):
        queue.wait()
    assert queue.is_empty()
    queue.on_finished(uploaded.append)
    flush_all()
    assert uploaded == ["first", failure]


def test_wait_raises_the_failure_of_the_callback() -> None:
    """The run may still be RUNNING."""
    queue = UploadQueue(SERVER, unchanged)

    def fail(_: Exception | None) -> None:
        raise ZeroDivisionError

    queue.on_finished(fail)
    with pytest.raises(ZeroDivisionError):
        queue.wait()
