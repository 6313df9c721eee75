"""Progress bars on a terminal, plain lines elsewhere."""

import os
import shlex
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def on_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr.isatty()


def line(text: str) -> None:
    """Print a line of progress at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def next_step(command: str, arguments: Iterable[str] = ()) -> None:
    """Print what to type next: a command, with these arguments."""
    line(f"next: {' '.join([command, *map(shlex.quote, arguments)])}")


def next_stage(command: str, overrides: Iterable[str]) -> None:
    """Print the command of the next stage, unless DVC runs this one: then DVC runs the next one, too."""
    if "DVC_STAGE" not in os.environ:
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
