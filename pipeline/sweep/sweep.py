"""A sweep from start to end: reuse finished runs, launch the other jobs, and track all of them in one parent run."""

import hashlib
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from pipeline.core.app import JobFailed
from pipeline.core.atomic import write_text
from pipeline.core.config import Config, config_hash, params
from pipeline.core.errors import StoreError, UserError
from pipeline.core.paths import relative_to_cwd
from pipeline.core.text import redact
from pipeline.sweep import summary
from pipeline.sweep.bank_launcher import BankLauncher
from pipeline.sweep.composer import JobComposer
from pipeline.sweep.finished_runs import FinishedRuns
from pipeline.sweep.leaderboard import Leaderboard
from pipeline.sweep.sweep_job import SweepJob, counts, next_number, ranked, settings, tracking_section, varied_params

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from pipeline.runs.parent_run import Parent

log = logging.getLogger(__name__)


class Sweep:
    """The jobs of one command."""

    def __init__(self, config: DictConfig, context: HydraContext, launcher: Launcher, *, grid: bool) -> None:
        from pipeline.data import prepared  # imports NumPy, which Hydra would load for every command

        self.config = config
        self.composer = JobComposer(context.config_loader, config)
        self.launcher = launcher
        self.grid = grid  # or a search
        self.folder = Path(config.hydra.sweep.dir)
        self.stop_file = self.folder / "stopped"
        self.data_md5 = prepared.data_md5()
        self.finished_runs = FinishedRuns(self.data_md5)
        self.jobs: list[SweepJob] = []
        self.returned: list[JobReturn] = []
        self.first_number = 0

    def plan(self, overrides: Sequence[str]) -> SweepJob:
        """Compose a job. What Hydra cannot compose is raised here, before any job begins."""
        composed = self.composer.compose(overrides)
        job = SweepJob(list(overrides), settings(composed), composed)
        self.jobs.append(job)
        return job

    def refuse_if_all_invalid(self) -> None:
        """Refuse a sweep without a valid job.

        Raises:
            UserError: there is no job, or the settings of all jobs are refused; the reason is that of the first one.
        """
        if not self.jobs:
            raise UserError("the sweep has no job: a range or a list is empty")
        if not any(job.config for job in self.jobs):
            settings(self.jobs[0].composed, refuse=True)

    def refuse_without_data(self, configs: Iterable[Config]) -> None:
        """Refuse a sweep if prepared/ does not have the data of any of these settings.

        Raises:
            UserError: the reason for the first settings.
        """
        from pipeline.data import prepared  # imports NumPy, as above

        errors = []
        for config in configs:
            try:
                prepared.read(config, "train")
            except UserError as error:
                errors.append(error)
            else:
                return
        if errors:
            raise errors[0]

    def dry_run(self) -> None:
        """Print which jobs would run, and which would be skipped."""
        self.reuse(self.jobs, parent="")
        for job in self.jobs:
            outcome = "would run" if job.config else "would be refused"
            if job.result:
                outcome = f"skipped: run {job.result.run_id}"
            sys.stdout.write(f"{job.command_line}: {outcome}\n")
        unfinished = [job for job in self.jobs if job.config and job.result is None]
        sys.stdout.write(f"{len(unfinished)} of {len(self.jobs)} jobs would run\n")
        if unfinished:
            sys.stdout.write("next: the same command without sweep.dry_run=true\n")

    @contextmanager
    def open(self, name: str, space: Mapping[str, str], identity: Sequence[str]) -> Iterator["Parent"]:
        """The parent run. At the end it gets the leaderboard and a status, however the sweep ends.

        Raises:
            JobFailed: a job failed, or the parent run could not be written.
            UserError: the store cannot be used.
        """
        from pipeline.tracking import retry

        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "multirun.yaml", redact(OmegaConf.to_yaml(self.config)))
        self.stop_file.unlink(missing_ok=True)
        # In a folder that the user has chosen, jobs of an earlier start keep their numbers, and so their folders.
        self.first_number = next_number(self.folder)
        parent = self._open_parent(name, space, identity)
        try:
            retry.call(lambda: self._save_view(parent))
            yield parent
        except BaseException as error:
            self._close(parent, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        failed = [job for job in self.jobs if job.failure]
        written = self._close(parent, "FAILED" if failed else "FINISHED")
        if failed or not written:
            raise JobFailed(f"{len(failed)} jobs")

    def run(
        self, jobs: Sequence[SweepJob], parent: "Parent", contexts: Sequence[Mapping[str, Any]] | None = None
    ) -> None:
        """Launch the jobs that have no finished run; `contexts` has further fields of each job's JobContext."""
        self.reuse(jobs, parent.id)
        shared: dict[str, Any] = {"parent_run_id": parent.id}
        if self.config.sweep.on_failure == "stop":
            shared["stop_file"] = str(self.stop_file.absolute())
        contexts = contexts or [{}] * len(jobs)
        waiting = [(job, {**shared, **own}) for job, own in zip(jobs, contexts, strict=True) if job.result is None]
        if not waiting:
            return
        launched = [job for job, _ in waiting]
        overrides = [job.set_context(fields) for job, fields in waiting]
        number = self.first_number + len(self.returned)
        try:
            if isinstance(self.launcher, BankLauncher):
                returned = self.launcher.launch_composed(launched, number)
            else:
                returned = list(self.launcher.launch(overrides, number))
            self.returned += returned
            for job, job_return in zip(launched, returned, strict=True):
                job.record(job_return)
            if self.config.sweep.on_failure == "stop" and any(job.failure for job in jobs):
                self.stop_file.touch()  # for a job whose process died and could not do so
        finally:
            self._read_results([job for job in launched if not job.failure], parent)

    def _read_results(self, jobs: Sequence[SweepJob], parent: "Parent") -> None:
        """Read the results of launched jobs. A store failure fails those jobs, not the sweep."""
        self.finished_runs.clear_cache()
        try:
            for job in jobs:
                self.finished_runs.claim(job, parent.id, own_only=True)
        except StoreError as error:
            for job in jobs:
                if job.trained and job.result is None:
                    job.failure = f"trained, but its result cannot be read ({error.reason})"

    def reuse(self, jobs: Sequence[SweepJob], parent: str) -> None:
        """Give jobs their finished runs, and log how many, unless sweep.rerun is set."""
        if self.config.sweep.rerun:
            return
        for job in jobs:
            if job.result is None:
                job.reused = self.finished_runs.claim(job, parent)
        if reused := sum(job.reused for job in jobs):
            log.info(
                "%d of %d jobs have finished before and are skipped (sweep.rerun=true repeats them)", reused, len(jobs)
            )

    @property
    def stopped(self) -> bool:
        """Whether no further job may begin, because one has failed."""
        return self.stop_file.exists()

    def base_hash(self, overrides: Sequence[str]) -> str:
        """A hash of the settings that jobs with these overrides share.

        Raises:
            UserError: these settings are refused, or prepared/ does not have their data.
        """
        config = settings(self.composer.compose(overrides), refuse=True)
        assert config is not None
        self.refuse_without_data([config])
        return config_hash(config)

    def _open_parent(self, name: str, space: Mapping[str, str], identity: Sequence[str]) -> "Parent":
        from pipeline.runs import parent_run
        from pipeline.tracking import processes, provenance, store

        opened = store.connect(tracking_section(self.config))
        provenance.warn_without_commit()
        tags = provenance.process_tags(self.config.hydra.job.name, self.data_md5)
        key = hashlib.sha256("\n".join([*identity, tags["data.md5"], tags["code.hash"]]).encode()).hexdigest()
        tags |= {"sweep.id": self.folder.name, "output_dir": str(self.folder.absolute())}
        processes.close_orphans(opened)
        return parent_run.open_parent(opened, key, name, tags, space, fresh=self.config.sweep.rerun)

    def _close(self, parent: "Parent", status: str) -> bool:
        """Print the summary, and write it and the leaderboard into the folder and into the parent run, which ends.

        Returns whether all of it was written. If not, an error line says why; the caller may have an error of its own.
        """
        from pipeline.runs import charts
        from pipeline.tracking import processes, retry, store_errors

        board = Leaderboard.of(self.jobs, self.config.sweep.significance)
        with suppress(OSError):  # nobody reads stdout any more, or its disk is full
            link = charts.link_line(parent.store, parent.id)
            sys.stdout.write(redact(summary.text(board, self.jobs, self.folder, parent.id, link)))
            sys.stdout.flush()
        final_status, failure = "FAILED", None
        try:
            retry.call(lambda: processes.close_orphans(parent.store))  # of killed workers of a pool
            retry.call(lambda: self._write(parent, board))
            final_status = status
        except Exception as error:  # noqa: BLE001 - a full disk, a server that is away: the parent must end
            failure = error
        try:
            retry.call(lambda: parent.set_terminated(final_status))
        except Exception as error:  # noqa: BLE001 - as above
            failure = failure or error
        if failure is not None:
            reason = redact(store_errors.short_reason(failure))
            sys.stderr.write(
                f"error: run {parent.id} of the sweep could not be written ({reason}): start the store, type "
                f"`python -m pipeline.upload {relative_to_cwd(self.folder)}` for jobs that are not written, "
                "and then the same command\n"
            )
        return failure is None

    def _save_view(self, parent: "Parent") -> None:
        """Prepare the charts of the jobs in MLflow's UI."""
        from pipeline.runs import charts

        finished = ranked(self.jobs)
        results = [result for _, result in finished]
        store = tracking_section(self.config).uri  # a job may have its run in another one
        here = [result for job, result in finished if job.config and job.config.tracking.uri == store]
        best = [result.run_id for result in here[: charts.SHOWN_IMAGES]]
        image_epoch = self.config.tracking.weight_images_every
        if image_epoch and best:
            image_epoch = charts.last_image_epoch(parent.store.client, best)
        # An earlier run that was reused is no child of this sweep's run: the view lists all runs then.
        listed = any(result.parent != parent.id for result in results)
        run_ids = [result.run_id for result in results] if listed else []
        charts.save_view(parent, varied_params(self.jobs), image_epoch, run_ids)

    def _write(self, parent: "Parent", board: Leaderboard) -> None:
        title = f"validation error of {len(board.standings)} jobs: {self.config.tracking.experiment}"
        written = board.write(title, self.folder, grid=self.grid)
        for path in (*written, self.folder / "multirun.yaml"):
            parent.log_artifact(path)
        parent.log_table(*board.table(), "leaderboard_table.json")
        parent.log(counts(self.jobs), {})
        parent.log_importance(board.importance)
        self._save_view(parent)
        if board.best is not None:
            job = board.best.job
            assert job.config is not None
            # Params cannot be changed: they are logged once no later start can find a better job.
            complete = all(job.is_final for job in self.jobs)
            parent.record_best(board.best.result, params(job.config) if complete else {})
