"""Signals that end the process, kept in mind: libraries swallow what is raised while they run."""

import signal
from types import FrameType
from typing import ClassVar, NoReturn

from pipeline.core.errors import Terminated


class _Received:
    """The signal that was received, as the exception that it raises."""

    interrupt: ClassVar[KeyboardInterrupt | None] = None


def listen() -> None:
    """Let SIGTERM and SIGHUP raise Terminated, SIGINT KeyboardInterrupt, but those that nohup or a shell ignores."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _receive)


def check() -> None:
    """Raise what a signal raised and somebody swallowed: a bare `except:`, or Python itself within a finalizer."""
    if _Received.interrupt is not None:
        raise _Received.interrupt


def _receive(number: int, _frame: FrameType | None) -> NoReturn:
    _Received.interrupt = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
    raise _Received.interrupt
