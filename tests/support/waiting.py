"""Wait for a condition that another process or thread fulfils."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

PAUSE = 0.05  # seconds between two checks: a loop without a pause would take CPU time from the process it waits for
TIMEOUT = 300  # seconds


def until(condition: Callable[[], object], process: "subprocess.Popen[Any] | None" = None) -> None:
    """Wait until the condition is true. Fail after TIMEOUT, or if the process ends before."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"the condition is still false after {TIMEOUT} s"
        time.sleep(PAUSE)
