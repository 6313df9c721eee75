"""Finished runs of a sweep's jobs, from earlier starts."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.core.config import Tracking
from pipeline.sweep.sweep_job import SweepJob

if TYPE_CHECKING:
    from pipeline.data.wrong_images import WrongImages
    from pipeline.tracking.queries import Result

    Results = dict[str, list[Result]]


class FinishedRuns:
    """Finished runs with the present data and code, in whichever store and experiment a job names.

    A store that cannot be used raises `StoreError`.
    """

    def __init__(self, data_md5: str) -> None:
        self.data_md5 = data_md5
        self._cache: dict[tuple[str, str], Results] = {}
        self._claimed: set[str] = set()

    def clear_cache(self) -> None:
        """Ask the stores again: runs have been added."""
        self._cache.clear()

    def claim(self, job: SweepJob, parent: str, *, own_only: bool = False) -> bool:
        """Give a job the result of a finished run that no other job has claimed: the parent's own, else the latest.

        Returns whether there is one.
        """
        if job.config is None:
            return False
        same = self._results(job.config.tracking).get(job.identity, [])
        unclaimed = [result for result in same if result.run_id not in self._claimed]
        own = [result for result in unclaimed if result.parent == parent]
        result = next(iter(own if own_only else own or unclaimed), None)
        if result is not None:
            self._claimed.add(result.run_id)
            job.result, job.wrong_images = result, self._wrong_images(job.config.tracking, result)
        return result is not None

    def _wrong_images(self, tracking: Tracking, result: "Result") -> "WrongImages | None":
        """From the folder of the run while that has the run's files, or else from its artifacts."""
        from pipeline.data.wrong_images import FILE, WrongImages
        from pipeline.tracking import retry, store

        folder = Path(result.folder)
        with suppress(OSError, ValueError):
            if (folder / "run_id").read_text(encoding="utf-8").strip() == result.run_id:
                return WrongImages.read(folder / FILE)
        opened = store.find(tracking)
        assert opened is not None  # it has the run
        with suppress(ValueError), TemporaryDirectory(prefix="runs-") as downloads:
            listed = retry.call(lambda: opened.client.list_artifacts(result.run_id))
            if FILE in [file.path for file in listed]:
                path = retry.call(lambda: opened.client.download_artifacts(result.run_id, FILE, downloads))
                return WrongImages.read(Path(path))
        return None

    def _results(self, tracking: Tracking) -> "Results":
        key = (tracking.uri, tracking.experiment)
        if key not in self._cache:
            self._cache[key] = self._read(tracking)
        return self._cache[key]

    def _read(self, tracking: Tracking) -> "Results":
        from pipeline.tracking import provenance, queries, retry, store

        opened = store.find(tracking)
        if opened is None:
            return {}
        code_hash = provenance.code_hash()
        return retry.call(lambda: queries.finished_runs(opened, self.data_md5, code_hash))
