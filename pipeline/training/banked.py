"""Tasks of which several jobs can train in one bank."""

import functools
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.core.config import Config
from pipeline.tracking import upload_queue

if TYPE_CHECKING:
    from pipeline.training.head import Fit, Head

    Steps = Generator[Head, Fit, "Rest"]


@dataclass(frozen=True)
class Rest:
    """What is left of a job that has taken both steps: to wait until its run is written, to tell so, and a result."""

    written: Callable[[], bool]
    conclude: Callable[[], Any]


class Banked:
    """A task in two steps: it yields its head and, once that was trained, is sent the fit, or has the failure thrown.

    It returns what is left to be done then.

    Called with a job's configuration as any task is, it trains a bank of one.
    """

    def __init__(self, steps: "Callable[[Config], Steps]") -> None:
        functools.update_wrapper(self, steps)
        self.steps = steps

    def __call__(self, config: Config) -> Any:
        """Run one job, and give its result."""
        try:
            return self._run(self.steps(config))
        finally:
            upload_queue.drain()

    def _run(self, steps: "Steps") -> Any:
        head = next(steps)
        try:
            ((_, outcome),) = train([head])
        except BaseException as error:
            finish(steps, error)
            raise
        return finish(steps, outcome).conclude()


def train(
    heads: "list[Head]", meanwhile: Callable[[], Iterable[Callable[[], None]]] = tuple
) -> "Iterator[tuple[int, Fit | Exception]]":
    """Train the heads in one bank, show how far it is, and give each one's number and end as soon as it has ended.

    `meanwhile` gives what is to be called between two epochs.
    """
    from pipeline.training import fit
    from pipeline.training.progress_bar import Bar

    bar = Bar(meanwhile)
    for ended in fit.fit(heads, [bar]):
        bar.give_way()  # to what the job says at its end
        yield ended


def finish(steps: "Steps", outcome: "Fit | BaseException") -> Rest:
    """Let a job that waits for its head take the second step, and give the rest of it."""
    try:
        if isinstance(outcome, BaseException):
            steps.throw(outcome)
        else:
            steps.send(outcome)
    except StopIteration as end:
        rest: Rest = end.value
        return rest
    raise AssertionError("a task has two steps")
