"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def description() -> str:
    """Processor, cores, system and the libraries that do the arithmetic."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}."
    )


def _processor() -> str:
    listed = Path("/proc/cpuinfo")  # Linux names the processor here only
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
