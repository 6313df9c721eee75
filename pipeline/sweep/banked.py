"""Tasks of which several jobs can train in one bank."""

import functools
from typing import TYPE_CHECKING, Any

from pipeline.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from pipeline.model.head import Fit, Head

    Steps = Generator[Head, Fit, Any]


class Banked:
    """A task in two steps: it yields its head and, once that was trained, is sent the fit, or has the failure thrown.

    Called with a job's configuration as any task is, it trains a bank of one.
    """

    def __init__(self, steps: "Callable[[Config], Steps]") -> None:
        functools.update_wrapper(self, steps)
        self.steps = steps

    def __call__(self, config: Config) -> Any:
        """Run one job, and give what its steps return."""
        steps = self.steps(config)
        head = next(steps)
        try:
            ((_, outcome),) = train([head])
        except BaseException as error:
            finish(steps, error)
            raise
        return finish(steps, outcome)


def train(heads: "list[Head]") -> "Iterator[tuple[int, Fit | Exception]]":
    """Train the heads in one bank, show how far it is, and give each one's number and end as soon as it has ended."""
    from pipeline.model import training
    from pipeline.model.bar import Bar

    bar = Bar()
    for ended in training.fit(heads, [bar]):
        bar.give_way()  # to what the job says at its end
        yield ended


def finish(steps: "Steps", outcome: "Fit | BaseException") -> Any:
    """Let a job that waits for its head take the second step, and give what its steps return."""
    try:
        if isinstance(outcome, BaseException):
            steps.throw(outcome)
        else:
            steps.send(outcome)
    except StopIteration as end:
        return end.value
