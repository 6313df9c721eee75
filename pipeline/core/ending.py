"""How stages and commands end: one line for what a user can mend, and an exit code."""

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


class Told(NamedTuple):
    """What is said of an error, and the code with which the process exits."""

    line: str
    code: int


@contextmanager
def telling(*, full_errors: bool) -> Iterator[None]:
    """End the process with one line for what a user can mend, and for a signal; any other error is ours, and raised.

    With `full_errors` all of them keep their tracebacks.
    """
    try:
        yield
    except Terminated as error:
        stop("terminated", 128 + error.number)
    except KeyboardInterrupt:
        stop("interrupted", 128 + signal.SIGINT)
    except BrokenPipeError:
        stop_unread()
    except Exception as error:
        found = told(error, "this command")
        if found is None or full_errors:
            raise
        stop(*found)


def told(error: Exception, where: object) -> Told | None:
    """What to say of an error that a user can mend, None of any other; `where` is what a system's error is about."""
    if isinstance(error, UserError):
        return Told(str(error), error.code)
    if isinstance(error, OmegaConfBaseException):
        return Told(hydra_errors.short_message(error), 2)
    if isinstance(error, MemoryError):
        return Told(f"not enough memory ({str(error) or type(error).__name__}): {NO_MEMORY}", 2)
    if isinstance(error, ImportError):
        advice = "run `make setup`, or free memory where it fails to map a segment"
        return Told(f"a library cannot be loaded ({error}): {advice}", 2)
    if by_store := _of_store(error):
        return Told(f"the MLflow store does not answer any more ({by_store})", 2)
    return Told(system_error_message(error, where), 2) if isinstance(error, OSError) else None


def _of_store(error: Exception) -> str | None:
    """Why a store has ceased to answer; None of any other error."""
    if "mlflow" not in sys.modules:
        return None
    from pipeline.tracking import store_errors

    return store_errors.reason(error) if store_errors.unusable(error) else None


def stop(message: str, code: int) -> NoReturn:
    """End the process with one line on stderr, without passwords of URLs."""
    sys.stderr.write(f"error: {printable(message)}\n")
    sys.exit(code)


def stop_unread() -> NoReturn:
    """End the process as a closed pipe does, as under `| head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)
