"""Signals that end the process, remembered: libraries swallow exceptions that are raised while they run."""

import signal
from types import FrameType
from typing import ClassVar, NoReturn

from pipeline.core.errors import Terminated


class _Received:
    """The exception of the last signal, None before the first."""

    interrupt: ClassVar[KeyboardInterrupt | None] = None


def listen() -> None:
    """Make SIGTERM and SIGHUP raise Terminated, and SIGINT KeyboardInterrupt, unless nohup or a shell ignores them."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _receive)


def check() -> None:
    """Raise a signal's exception again: a bare `except:` may have swallowed it, or Python, in a finalizer."""
    if _Received.interrupt is not None:
        raise _Received.interrupt


def _receive(number: int, _frame: FrameType | None) -> NoReturn:
    _Received.interrupt = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
    raise _Received.interrupt
