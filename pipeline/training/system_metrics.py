"""Processor and memory while a run trains, under the metric names that MLflow's UI shows as system metrics."""

import time

import psutil

_MIN_SECONDS = 1.0  # between two measurements


class SystemMetrics:
    """Measures the machine every `every` seconds, the first time after `every` seconds; 0: never."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._start = time.monotonic()
        self.step = 0  # of the latest measurement

    def read(self) -> dict[str, float]:
        """The metrics if a measurement is due, else nothing."""
        now = time.monotonic()
        if not self._every or now - self._start < self._every * (self.step + 1):
            return {}
        self.step = int((now - self._start) / self._every)
        return _shared.read(now)


class _Shared:
    """One measurement for all runs of a bank: the processor's use is that since the last measurement."""

    def __init__(self) -> None:
        self._measured = float("-inf")
        self._metrics: dict[str, float] = {}

    def read(self, now: float) -> dict[str, float]:
        if now - self._measured > _MIN_SECONDS:
            memory = psutil.virtual_memory()
            self._measured = now
            self._metrics = {
                "system/cpu_utilization_percentage": psutil.cpu_percent(),
                "system/system_memory_usage_megabytes": round(memory.used / 1e6, 1),
                "system/system_memory_usage_percentage": memory.percent,
            }
        return self._metrics


_shared = _Shared()
