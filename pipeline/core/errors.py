"""The errors that a user can mend."""

import errno
import os

NO_MEMORY = "free memory, or train fewer or smaller models at a time"
ADVICE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EACCES: "give yourself the permission",
    errno.EPERM: "give yourself the permission",
    errno.ENOENT: "install or restore it",
    errno.EROFS: "work where files can be written",
    errno.ENOMEM: NO_MEMORY,
}


class UserError(Exception):
    """Bad input or a missing step: one line that says what, where, and what to do next."""

    code = 2  # with which the process exits


class StoreError(UserError):
    """The MLflow store cannot be used, or refuses a request.

    Attributes:
        reason: why, in a few words.
        error_code: MLflow's error code, as RESOURCE_DOES_NOT_EXIST; empty where there is none.
        transient: whether the same request may succeed a moment later.
    """

    def __init__(self, message: str, *, reason: str = "", error_code: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.error_code = error_code
        self.transient = transient


class Unwritten(UserError):
    """All has been done, but the store has not got all of it."""

    code = 1


class Diverged(UserError):
    """Training reached a loss that is not finite."""


class Stopped(Exception):
    """Training was ended from outside, with the reason: not a failure, and not a result."""


class Pruned(Stopped):
    """A search gave up a trial that was worse than others as far as it had come."""


class Terminated(KeyboardInterrupt):
    """A signal that ends the process, as an exception: a run then ends as KILLED, and is not left RUNNING for ever."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def refused(error: OSError, path: object) -> str:
    """What the system refuses, in one line; `path` is the file that it is about where the error names none."""
    # Libraries put their own words around the system's, over several lines.
    reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    advice = ADVICE.get(error.errno or 0, "mend that")
    return f"{error.filename2 or error.filename or path}: {reason}: {advice}, and start again"
