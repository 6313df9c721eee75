"""Writes of one run keep their order, those of different runs do not wait for each other, and no failure is lost."""

import threading

import pytest

from pipeline.tracking.upload_queue import Lane, drain

SERVER, SQLITE = "http://127.0.0.1:9", "sqlite:///mlflow.db"


def raised(error: Exception) -> Exception:
    return error


@pytest.mark.parametrize("uri", [SERVER, SQLITE])
def test_writes_of_a_run_are_made_in_their_order(uri: str) -> None:
    """A metric cannot come before its run."""
    lane, made = Lane(uri, raised), list[int]()
    for number in range(100):
        lane.post(lambda number=number: made.append(number))  # type: ignore[misc]  # mypy wants a protocol for it
    lane.wait()
    assert made == list(range(100))


def test_servers_runs_are_written_side_by_side() -> None:
    """Two writes that wait for each other end only together."""
    together = threading.Barrier(2, timeout=30)
    lanes = [Lane(SERVER, raised), Lane(SERVER, raised)]
    for lane in lanes:
        lane.post(together.wait)
    for lane in lanes:
        lane.wait()


def test_after_a_failed_write_only_the_last_one_is_made() -> None:
    """It ends the run, and is told why; who waits is told too."""
    lane, made = Lane(SERVER, raised), list[object]()
    failure = ValueError("no")

    def fail() -> None:
        raise failure

    lane.post(lambda: made.append("first"))
    lane.post(fail)
    lane.post(lambda: made.append("later"))
    with pytest.raises(ValueError, match="no"):
        lane.wait()
    assert lane.written()
    lane.end(made.append)
    drain()
    assert made == ["first", failure]


def test_failed_last_write_is_told_to_who_waits() -> None:
    """The run may still be RUNNING then."""
    lane = Lane(SERVER, raised)

    def fail(_: Exception | None) -> None:
        raise ZeroDivisionError

    lane.end(fail)
    with pytest.raises(ZeroDivisionError):
        lane.wait()
