"""The errors that a user can fix, and the exceptions that stop training."""

import errno
import os

NO_MEMORY = "free memory, or train fewer or smaller models at a time"
ADVICE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EACCES: "get the permission",
    errno.EPERM: "get the permission",
    errno.ENOENT: "install or restore it",
    errno.EROFS: "use a folder that can be written",
    errno.ENOMEM: NO_MEMORY,
    errno.EMFILE: "raise the limit of open files, for example with `ulimit -n 1024`",
}


class UserError(Exception):
    """Bad input or a missing step: one line that says what, where, and what to do next."""

    code = 2  # the exit code of the process


class StoreError(UserError):
    """The MLflow store cannot be used, or refuses a request.

    Attributes:
        reason: why, in a few words.
        error_code: MLflow's error code, such as RESOURCE_DOES_NOT_EXIST; empty where there is none.
        transient: whether the same request may succeed a moment later.
    """

    def __init__(self, message: str, *, reason: str = "", error_code: str = "", transient: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.error_code = error_code
        self.transient = transient


class Unwritten(UserError):
    """The work is done, but the store does not have all of it."""

    code = 1


class Diverged(UserError):
    """Training reached a loss that is not finite."""


class Stopped(Exception):
    """Training was stopped from outside, for the reason in the message: neither a failure nor a result."""


class Pruned(Stopped):
    """A search stopped a trial that was worse than others after as many epochs."""


class Terminated(KeyboardInterrupt):
    """A signal that ends the process, as an exception: the run then ends as KILLED and does not stay RUNNING."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def system_error_message(error: OSError, path: object) -> str:
    """The message of an operating system error, in one line; `path` is named where the error names no file."""
    # Libraries wrap the system's text in lines of theirs.
    reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    advice = ADVICE.get(error.errno or 0, "fix this")
    return f"{error.filename2 or error.filename or path}: {reason}: {advice}, and start again"
