"""Writes of one run keep their order, those of different runs do not wait for each other, and no failure is lost."""

import threading

import pytest

from pipeline.tracking.upload_queue import UploadQueue, flush_all

SERVER, SQLITE = "http://127.0.0.1:9", "sqlite:///mlflow.db"


def raised(error: Exception) -> Exception:
    return error


@pytest.mark.parametrize("uri", [SERVER, SQLITE])
def test_writes_of_a_run_are_made_in_their_order(uri: str) -> None:
    """A metric cannot come before its run."""
    queue, made = UploadQueue(uri, raised), list[int]()
    for number in range(100):
        queue.submit(lambda number=number: made.append(number))  # type: ignore[misc]  # mypy wants a protocol for it
    queue.wait()
    assert made == list(range(100))


def test_servers_runs_are_written_side_by_side() -> None:
    """Two writes that wait for each other end only together."""
    together = threading.Barrier(2, timeout=30)
    queues = [UploadQueue(SERVER, raised), UploadQueue(SERVER, raised)]
    for queue in queues:
        queue.submit(together.wait)
    for queue in queues:
        queue.wait()


def test_after_a_failed_write_only_the_last_one_is_made() -> None:
    """It ends the run, and is told why; who waits is told too."""
    queue, made = UploadQueue(SERVER, raised), list[object]()
    failure = ValueError("no")

    def fail() -> None:
        raise failure

    queue.submit(lambda: made.append("first"))
    queue.submit(fail)
    queue.submit(lambda: made.append("later"))
    with pytest.raises(ValueError, match="no"):
        queue.wait()
    assert queue.is_empty()
    queue.submit_last(made.append)
    flush_all()
    assert made == ["first", failure]


def test_failed_last_write_is_told_to_who_waits() -> None:
    """The run may still be RUNNING then."""
    queue = UploadQueue(SERVER, raised)

    def fail(_: Exception | None) -> None:
        raise ZeroDivisionError

    queue.submit_last(fail)
    with pytest.raises(ZeroDivisionError):
        queue.wait()
