"""Which jobs have a finished run."""

from typing import TYPE_CHECKING

from pipeline.core.config import Tracking
from pipeline.sweep.sweep_job import SweepJob

if TYPE_CHECKING:
    from pipeline.tracking.queries import Result

    Found = dict[str, list[Result]]


class History:
    """Finished runs with the present data and code, in whichever store and experiment a job names; each found once.

    A store that cannot be used raises `UserError`.
    """

    def __init__(self, data_md5: str) -> None:
        self.data_md5 = data_md5
        self._found: dict[tuple[str, str], Found] = {}
        self._taken: set[str] = set()

    def look_again(self) -> None:
        """Forget what the stores held."""
        self._found.clear()

    def take(self, job: SweepJob, parent: str, *, only_its: bool = False) -> "Result | None":
        """A finished run of such a job: the parent's own if there is one, else the latest."""
        if job.config is None:
            return None
        same = self._of(job.config.tracking).get(job.identity, [])
        left = [result for result in same if result.run_id not in self._taken]
        found = [result for result in left if result.parent == parent] or ([] if only_its else left)
        if not found:
            return None
        self._taken.add(found[0].run_id)
        return found[0]

    def _of(self, tracking: Tracking) -> "Found":
        key = (tracking.uri, tracking.experiment)
        if key not in self._found:
            self._found[key] = self._read(tracking)
        return self._found[key]

    def _read(self, tracking: Tracking) -> "Found":
        from pipeline.tracking import provenance, queries, retry, store

        if not store.has_experiment(tracking):
            return {}
        opened, code = store.connect_once(tracking), provenance.code_hash()
        return retry.ask(lambda: queries.results(opened, self.data_md5, code))
