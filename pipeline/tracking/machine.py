"""Processor and memory while a run trains, under the names by which MLflow's UI shows them as system metrics."""

import functools
import time

import psutil


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
        return _metrics(int(now))


@functools.lru_cache(maxsize=1)  # for all runs of a bank: the processor's use is that since the last look
def _metrics(_second: int) -> dict[str, float]:
    memory = psutil.virtual_memory()
    return {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": round(memory.used / 1e6, 1),
        "system/system_memory_usage_percentage": memory.percent,
    }
