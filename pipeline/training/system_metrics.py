"""Processor and memory while a run trains, under the names by which MLflow's UI shows them as system metrics."""

import math
import time

import psutil

SHORTEST = 1.0  # seconds between two looks that tell something


class Machine:
    """Looks at the machine every so many seconds, the first time after so many; 0: never."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._began = time.monotonic()
        self.looks = 0

    def look(self) -> dict[str, float]:
        """The metrics, where a look is due."""
        now = time.monotonic()
        if not self._every or now - self._began < self._every * (self.looks + 1):
            return {}
        self.looks = int((now - self._began) / self._every)
        return _shared.look(now)


class _Shared:
    """One look for all runs of a bank: the processor's use is that since the last look."""

    def __init__(self) -> None:
        self._looked = -math.inf
        self._found: dict[str, float] = {}

    def look(self, now: float) -> dict[str, float]:
        if now - self._looked > SHORTEST:
            memory = psutil.virtual_memory()
            self._looked = now
            self._found = {
                "system/cpu_utilization_percentage": psutil.cpu_percent(),
                "system/system_memory_usage_megabytes": round(memory.used / 1e6, 1),
                "system/system_memory_usage_percentage": memory.percent,
            }
        return self._found


_shared = _Shared()
