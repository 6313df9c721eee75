"""Describe the machine of a measurement."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

INSTRUCTIONS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")


def description() -> str:
    """Return the processor and its vector instructions, cores, system, and versions of Python and its libraries."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy"))
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")  # on Linux the platform module does not know the processor's name
    if not cpuinfo.is_file():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").partition("\n\n")[0].splitlines())
    facts = {key.strip(): value.strip() for key, _, value in lines}
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    number = f" (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else ""
    vectors = ", ".join(name for name in INSTRUCTIONS if name in flags)
    return f"{facts.get('model name', platform.machine())}{number} with {vectors}"
