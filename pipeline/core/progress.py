"""Progress bars on a terminal, plain lines elsewhere."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.core.paths import ROOT
from pipeline.core.text import redact


def on_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr.isatty()


def line(text: str) -> None:
    """Print a line of progress at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def next_step(command: str, arguments: Sequence[str] = ()) -> None:
    """Print what to type next: a command, with these arguments.

    Prints nothing where an argument has a password, or characters that a terminal does not show.
    """
    if all(redact(argument) == argument and argument.isprintable() for argument in arguments):
        line(f"next: {shlex.join([*command.split(), *arguments])}")


def next_stage(command: str, overrides: Sequence[str] = ()) -> None:
    """Print the command of the next stage, in the project's folder, where it can be typed.

    Prints nothing under DVC, which runs the next stage itself.
    """
    if "DVC_STAGE" not in os.environ and Path.cwd() == ROOT:
        next_step(command, overrides)


def bytes_bar(name: str, total: int) -> "tqdm[Any]":
    """A bar that counts bytes."""
    return tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False, disable=not on_terminal())


def pictures_bar(total: int) -> "tqdm[Any]":
    """A bar that counts pictures."""
    return tqdm(total=total, desc="reading", unit="picture", leave=False, disable=not on_terminal())


def epochs_bar(total: int) -> "tqdm[Any]":
    """A bar that counts epochs."""
    return tqdm(total=total, desc="training", unit="epoch", disable=not on_terminal())


def iterations_bar(total: int) -> "tqdm[Any]":
    """A bar that counts a solver's iterations; it may need fewer than `total`."""
    return tqdm(total=total, desc="optimum", unit="iteration", leave=False, disable=not on_terminal())
