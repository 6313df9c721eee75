"""Turn user errors and signals into one line on stderr and an exit code."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from omegaconf.errors import OmegaConfBaseException

from pipeline.core import hydra_errors
from pipeline.core.errors import NO_MEMORY, Terminated, UserError, system_error_message
from pipeline.core.text import printable


class ErrorMessage(NamedTuple):
    """The line that a user reads about an error, and the exit code of the process."""

    line: str
    code: int


@contextmanager
def exit_on_error(*, full_errors: bool) -> Iterator[None]:
    """Exit with one line on stderr for a user error or a signal. Re-raise everything else: it is a bug.

    With `full_errors` every error is re-raised, so that its traceback is printed.
    """
    try:
        yield
    except Terminated as error:
        exit_with_error("terminated", 128 + error.number)
    except KeyboardInterrupt:
        exit_with_error("interrupted", 128 + signal.SIGINT)
    except BrokenPipeError:
        exit_on_broken_pipe()
    except Exception as error:
        message = user_message(error, "this command")
        if message is None or full_errors:
            raise
        exit_with_error(*message)


def user_message(error: Exception, where: object) -> ErrorMessage | None:
    """The message of a user error, None for a bug. `where` stands in for a file name that an OSError lacks."""
    if isinstance(error, UserError):
        return ErrorMessage(str(error), error.code)
    if isinstance(error, OmegaConfBaseException):
        return ErrorMessage(hydra_errors.short_message(error), 2)
    if isinstance(error, MemoryError):
        return ErrorMessage(f"not enough memory ({str(error) or type(error).__name__}): {NO_MEMORY}", 2)
    if isinstance(error, ImportError):
        advice = "run `make setup`, or free memory where it fails to map a segment"
        return ErrorMessage(f"a library cannot be loaded ({error}): {advice}", 2)
    return ErrorMessage(system_error_message(error, where), 2) if isinstance(error, OSError) else None


def exit_with_error(message: str, code: int) -> NoReturn:
    """Print one line on stderr, without credentials of URLs, and exit."""
    sys.stderr.write(f"error: {printable(message)}\n")
    sys.exit(code)


def exit_on_broken_pipe() -> NoReturn:
    """Exit as a process does whose reader has closed the pipe, for example `| head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)
