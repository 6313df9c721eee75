"""Writes of one run keep their order, those of different runs do not wait for each other, and no failure is lost."""

import threading

import pytest

from pipeline.tracking.lane import MOST_WAITING, Lane, drain

SERVER, SQLITE = "http://127.0.0.1:9", "sqlite:///mlflow.db"


@pytest.mark.parametrize("uri", [SERVER, SQLITE])
def test_writes_of_a_run_are_made_in_their_order(uri: str) -> None:
    """A metric cannot come before its run."""
    lane, made = Lane(uri), list[int]()
    for number in range(100):
        lane.post(lambda number=number: made.append(number))  # type: ignore[misc]  # mypy wants a protocol for it
    lane.wait()
    assert made == list(range(100))


def test_servers_runs_are_written_side_by_side() -> None:
    """Two writes that wait for each other end only together."""
    together = threading.Barrier(2, timeout=30)
    lanes = [Lane(SERVER), Lane(SERVER)]
    for lane in lanes:
        lane.post(together.wait)
    for lane in lanes:
        lane.wait()


def test_after_a_failed_write_only_the_last_one_is_made() -> None:
    """It ends the run, and is told why; who waits is told too."""
    lane, made = Lane(SERVER), list[object]()
    failure = ValueError("no")

    def fail() -> None:
        raise failure

    lane.post(lambda: made.append("first"))
    lane.post(fail)
    drain()
    assert lane.empty()
    with pytest.raises(ValueError, match="no"):
        lane.post(lambda: made.append("later"))
    lane.end(made.append)
    drain()
    assert made == ["first", failure]


def test_run_does_not_get_far_ahead_of_its_store() -> None:
    """Each write that waits may hold an image: a slow store must slow the training, and not fill the memory."""
    lane, go = Lane(SERVER), threading.Event()
    late = threading.Timer(0.5, go.set)
    lane.post(go.wait)
    late.start()
    for _ in range(MOST_WAITING):
        lane.post(int)
    assert go.is_set()
    drain()


def test_failed_last_write_is_told_to_who_waits() -> None:
    """The run may still be RUNNING then."""
    lane = Lane(SERVER)

    def fail(_: Exception | None) -> None:
        raise ZeroDivisionError

    lane.end(fail)
    with pytest.raises(ZeroDivisionError):
        lane.wait()
