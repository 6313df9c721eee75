"""Run programs as git, DVC and npm, and find in their output why they fail."""

import itertools
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.core.errors import UserError

# Git and DVC may print warnings before the reason, and advice after it.
_REASON = re.compile(r"^(?:fatal|error|ERROR): ")
_NOISE = ("Having any troubles?", "Traceback (most recent call last):")  # what DVC prints below some reasons
# npm prints codes before the reason, and a stack or advice after it.
_NPM_REASON = re.compile(r"npm (?:error|ERR!) (?!(?:code|errno|syscall|path|dest) )(?P<reason>.*\S)")


class ProgramError(UserError):
    """A program is not there, takes too long or fails.

    Attributes:
        reason: why, in one line, in the program's own words.
    """

    def __init__(self, program: str, reason: str) -> None:
        super().__init__(f"{program} failed: {reason}")
        self.reason = reason


def run(
    command: Sequence[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = None,
) -> bytes:
    """Run a program in a folder, and return what it writes to stdout.

    Args:
        command: the program and its arguments.
        folder: its working folder.
        env: its environment, that of this process by default.
        stdin: its input.
        timeout: seconds after which it is killed.

    Raises:
        ProgramError: the program is not there, takes too long or fails.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, input=stdin, capture_output=True, timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        missing = "it is not installed" if error.filename == command[0] else f"{error.filename} is not there"
        raise ProgramError(name, missing) from error
    except subprocess.TimeoutExpired as error:
        raise ProgramError(name, f"it took more than {error.timeout:g} s") from error
    except OSError as error:
        raise ProgramError(name, str(error.strerror)) from error
    if done.returncode:
        raise ProgramError(name, reason(done.stderr.decode(errors="replace")) or f"exit code {done.returncode}")
    return done.stdout


def reason(stderr: str) -> str:
    """The last message of a program about an error, as one line. Without a known mark it is the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for line in lines:
        if match := _NPM_REASON.match(line):
            return match["reason"]
    before_noise = list(itertools.takewhile(lambda line: not line.startswith(_NOISE), lines))
    starts = [number for number, line in enumerate(before_noise) if _REASON.match(line)]
    if not starts:
        return lines[-1] if lines else ""
    message = [_REASON.sub("", line) for line in before_noise[starts[-1] :]]
    return " ".join(line if line[-1:] in ".:;,?!" else f"{line}." for line in message).removesuffix(".")
