"""The processor's cores."""

import os


def available_cores() -> int:
    """The number of cores that this process may use; in a container it is fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
