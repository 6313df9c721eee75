"""Describe the machine of a measurement."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def description() -> str:
    """Return processor, cores, system, and the versions of Python and of the numerical libraries."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # on Linux the platform module does not know the processor's name
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
