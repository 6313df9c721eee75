"""A sweep from start to end: what is finished is reused, the rest is launched, and all of it has one parent run."""

import hashlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from pipeline.core.app import STOP_MARK, JobFailed
from pipeline.core.atomic import write_text
from pipeline.core.config import config_hash, params
from pipeline.core.errors import StoreError, UserError
from pipeline.core.text import redact
from pipeline.sweep import leaderboard, report
from pipeline.sweep.finished_runs import History
from pipeline.sweep.sweep_job import SweepJob, counts, finished, next_number, settings, tracking_of, varied
from pipeline.tracking import retry

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from pipeline.runs.parent_run import Parent

log = logging.getLogger(__name__)


class Sweep:
    """The jobs that one command asks for."""

    def __init__(self, config: DictConfig, context: HydraContext, launcher: Launcher, *, grid: bool) -> None:
        from pipeline.data import prepared  # imports NumPy, which Hydra would load for every command

        self.config = config
        self.loader = context.config_loader
        self.launcher = launcher
        self.grid = grid  # or a search
        self.folder = Path(config.hydra.sweep.dir)
        self.data_md5 = prepared.data_md5()
        self.history = History(self.data_md5)
        self.jobs: list[SweepJob] = []
        self.returned: list[JobReturn] = []
        self.first = 0  # number of a job

    def plan(self, overrides: Sequence[str]) -> SweepJob:
        """Compose a job; what Hydra cannot compose is raised here, before any job has begun."""
        composed = self.loader.load_sweep_config(self.config, list(overrides))
        job = SweepJob(list(overrides), settings(composed), composed)
        self.jobs.append(job)
        return job

    def check(self) -> None:
        """Refuse what no job could be begun with.

        Raises:
            UserError: the first job's settings are refused, and all others' too.
        """
        if not self.jobs:
            raise UserError("no job is left of the sweep: a range or a list is empty")
        if not any(job.config for job in self.jobs):
            settings(self.jobs[0].composed, refuse=True)

    def rehearse(self) -> None:
        """Tell what would run, and what would be skipped."""
        self.reuse(self.jobs, parent="")
        for job in self.jobs:
            begun = "would run" if job.config else "would be refused"
            found = f"skipped: run {job.result.run_id}" if job.result else begun
            sys.stdout.write(f"{job.told}: {found}\n")
        left = [job for job in self.jobs if job.config and job.result is None]
        sys.stdout.write(f"{len(left)} of {len(self.jobs)} jobs would run\n")

    @contextmanager
    def open(self, what: str, space: Mapping[str, str], identity: Sequence[str]) -> Iterator["Parent"]:
        """The parent run, which at the end gets the leaderboard and a state, however the sweep ends.

        Raises:
            JobFailed: a job has failed, or the parent run could not be written.
            UserError: the store cannot be used.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "multirun.yaml", redact(OmegaConf.to_yaml(self.config)))
        self._mark.unlink(missing_ok=True)
        # In a folder that was given by hand, jobs of an earlier start keep their numbers, and so their folders.
        self.first = next_number(self.folder)
        parent = self._parent(what, space, identity)
        try:
            retry.ask(lambda: self._view(parent))
            yield parent
        except BaseException as error:
            self._close(parent, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        failed = [job for job in self.jobs if job.failure]
        written = self._close(parent, "FAILED" if failed else "FINISHED")
        if failed or not written:
            raise JobFailed(f"{len(failed)} jobs")

    def run(
        self, jobs: Sequence[SweepJob], parent: "Parent", environments: Sequence[Mapping[str, str]] | None = None
    ) -> None:
        """Launch the jobs that have no finished run, each with its own environment added to the common one."""
        self.reuse(jobs, parent.id)
        common = self._environment(parent.id)
        own = environments or [{}] * len(jobs)
        waiting = [(job, {**common, **its}) for job, its in zip(jobs, own, strict=True) if job.result is None]
        if not waiting:
            return
        batch = [job.planned(environment) for job, environment in waiting]
        try:
            returned = self.launcher.launch(batch, self.first + len(self.returned))
            self.returned += returned
            for (job, _), its in zip(waiting, returned, strict=True):
                job.note(its)
            if self.config.sweep.on_failure == "stop" and any(job.failure for job in jobs):
                self._mark.touch()  # for a job that could not do so: its process died
        finally:
            self._look([job for job, _ in waiting if not job.failure], parent)

    def _look(self, jobs: Sequence[SweepJob], parent: "Parent") -> None:
        """Give launched jobs their results; a store that does not tell them does not hide how the sweep has ended."""
        self.history.look_again()
        try:
            for job in jobs:
                job.result = self.history.take(job, parent.id, only_its=True)
        except StoreError as error:
            from pipeline.tracking import store_errors

            for job in jobs:
                if job.trained and job.result is None:
                    job.failure = f"trained, but the store does not tell its result ({store_errors.reason(error)})"

    def reuse(self, jobs: Sequence[SweepJob], parent: str) -> None:
        """Give jobs their finished runs, unless sweep.rerun asks for all anew, and say so."""
        if self.config.sweep.rerun:
            return
        for job in jobs:
            if job.result is None and (result := self.history.take(job, parent)):
                job.result, job.reused = result, True
        if reused := sum(job.reused for job in jobs):
            log.info(
                "%d of %d jobs have finished before and are skipped (sweep.rerun=true repeats them)", reused, len(jobs)
            )

    @property
    def stopped(self) -> bool:
        """Whether no more jobs are to begin, since one has failed."""
        return self._mark.exists()

    def base(self, overrides: Sequence[str]) -> str:
        """What jobs with these overrides have in common: equal where they would train the same.

        Raises:
            UserError: these settings are refused.
        """
        config = settings(self.loader.load_sweep_config(self.config, list(overrides)), refuse=True)
        assert config is not None
        return config_hash(config)

    @property
    def _mark(self) -> Path:
        return self.folder / "stopped"

    def _environment(self, parent: str) -> dict[str, str]:
        from pipeline.tracking.provenance import PARENT

        stop = self.config.sweep.on_failure == "stop"
        return {PARENT: parent, **({STOP_MARK: str(self._mark.absolute())} if stop else {})}

    def _parent(self, what: str, space: Mapping[str, str], identity: Sequence[str]) -> "Parent":
        from pipeline.runs import parent_run
        from pipeline.tracking import processes, provenance, store

        opened = store.connect_once(tracking_of(self.config))
        tags = provenance.of_process(self.config.hydra.job.name, self.data_md5)
        key = hashlib.sha256("\n".join([*identity, tags["data.md5"], tags["code.hash"]]).encode()).hexdigest()
        tags |= {"sweep.id": self.folder.name, "output_dir": str(self.folder.absolute())}
        with store.telling(opened.uri):
            processes.close_orphans(opened)
            return parent_run.open_parent(opened, key, what, tags, space, fresh=self.config.sweep.rerun)

    def _close(self, parent: "Parent", status: str) -> bool:
        """Tell how it went, and keep that and the leaderboard in the folder and in the parent run, which ends.

        Whether that could be done: if not, it is told, and is no reason to forget why the sweep has ended.
        """
        from pipeline.runs import charts
        from pipeline.tracking import processes

        with suppress(OSError):  # nobody reads any more, or the disk is full that it goes to
            chart_link = charts.told(parent.store, parent.id)
            sys.stdout.write(redact(report.text(self.jobs, self.folder, parent.id, chart_link)))
            sys.stdout.flush()
        ended, unwritten = "FAILED", None
        try:
            retry.ask(lambda: processes.close_orphans(parent.store))  # of a pool of which a worker was killed
            retry.ask(lambda: self._keep(parent))
            ended = status
        except Exception as error:  # noqa: BLE001 - a full disk, a server that is gone: whatever, the parent is to end
            unwritten = error
        try:
            retry.ask(lambda: parent.end(ended))
        except Exception as error:  # noqa: BLE001 - as above
            unwritten = unwritten or error
        if unwritten is not None:
            _tell_unwritten(parent, unwritten, self.folder)
        return unwritten is None

    def _view(self, parent: "Parent") -> None:
        """Prepare the charts of the jobs in MLflow's UI."""
        from pipeline.runs import charts
        from pipeline.tracking import store

        found = [result for _, result in finished(self.jobs)]
        # An earlier run that was reused is no child of this sweep's.
        named = [result.run_id for result in found] if any(each.parent != parent.id for each in found) else []
        with store.telling(parent.store.uri):
            charts.save(parent, varied(self.jobs), self.config.tracking.weight_images_every, named)

    def _keep(self, parent: "Parent") -> None:
        ranked = finished(self.jobs)
        title = f"{self.config.tracking.experiment}: validation error of {len(ranked)} jobs"
        written = leaderboard.write(self.jobs, title, self.folder, grid=self.grid)
        for path in (*written, self.folder / "multirun.yaml"):
            parent.artifact(path)
        parent.table(*leaderboard.table(self.jobs), "leaderboard.json")
        parent.note(counts(self.jobs), {})
        self._view(parent)
        if ranked:
            job, best = ranked[0]
            assert job.config is not None
            # Params cannot be changed: they wait until no later start can find a better one.
            complete = all(each.final for each in self.jobs)
            parent.adopt(best, params(job.config) if complete else {})


def _tell_unwritten(parent: "Parent", error: Exception, folder: Path) -> None:
    from pipeline.tracking import store_errors

    reason = redact(store_errors.reason(error))
    sys.stderr.write(
        f"error: run {parent.id} of the sweep could not be written ({reason}): mend the store, type "
        f"`python -m pipeline.upload {report.near(folder)}` for jobs that are not written, and then the same command\n"
    )
