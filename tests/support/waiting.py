"""Wait for what another process or thread brings about."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

PAUSE = 0.05  # seconds between two looks: a loop without it takes a processor from the process it waits for
LONGEST = 300  # seconds


def until(holds: Callable[[], object], process: "subprocess.Popen[Any] | None" = None) -> None:
    """Wait until it holds; fail where it does not in time, or where the process that is to do it has ended before."""
    end = time.monotonic() + LONGEST
    while not holds():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it has not come to it"
        time.sleep(PAUSE)
