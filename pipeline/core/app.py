"""The entry point of every stage: Hydra over conf/, one line for an error, and an exit code."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline.core import hydra_errors, logs, open_files, signals
from pipeline.core.atomic import write_text
from pipeline.core.config import Config, resolve
from pipeline.core.errors import Diverged, Stopped, UserError
from pipeline.core.exits import exit_on_error, exit_with_error, user_message
from pipeline.core.job_context import JobContext
from pipeline.core.paths import CONF, ROOT, expand_home_in_arguments
from pipeline.core.text import printable, redact

log = logging.getLogger(__name__)
logging.raiseExceptions = False  # no traceback for a line that cannot be logged, on a full disk or to a closed pipe


class ConfigRefused(UserError):
    """Hydra refuses the command line or conf/."""

    code = 1


class SweepFailed(UserError):
    """Jobs of a sweep failed."""

    code = 1


class JobFailed(Exception):
    """A job of a sweep failed. The message is the reason; the job's log has the traceback."""


class JobDiverged(JobFailed):
    """A job of a sweep diverged. It would diverge again."""


def run(task: Callable[[Config], Any], *, trains: bool = False) -> None:
    """Compose conf/ with the overrides of the command line and call `task` with the result, once per job.

    Exits with code 2 and one line on stderr for a user error. Exits with 1 where Hydra refuses the command line or
    conf/, where a job of a sweep failed, or where a run could not be uploaded, with 128 + N after signal N.
    With HYDRA_FULL_ERROR=1 errors keep their tracebacks.

    Args:
        task: what a job does.
        trains: whether a job trains a model. Sweeps of such jobs have a parent run and train in banks.
    """
    full_errors = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Without it Hydra prints an error over several lines and exits. With it the exception reaches us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    signals.listen()
    logs.replace_unencodable()
    expand_home_in_arguments()
    stage = Stage(task, trains=trains, full_errors=full_errors)
    _check_options()
    with exit_on_error(full_errors=full_errors):
        open_files.raise_limit()
        try:
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(stage)()
        except JobFailed as error:
            raise SweepFailed("the sweep failed: its jobs and their errors are listed above") from error
        except Exception as error:
            from_hydra = isinstance(error, HydraException | OmegaConfBaseException) or user_message(error, ROOT) is None
            if stage.started or not from_hydra:
                raise
            # Before a job starts, every other exception is about the command line or conf/.
            raise ConfigRefused(hydra_errors.short_message(error)) from error


def _check_options() -> None:
    """Report unknown options in one line; Hydra would print its whole usage."""
    usage = StringIO()
    try:
        with redirect_stderr(usage):
            get_args_parser().parse_args()
    except SystemExit as end:
        if end.code:
            reason = usage.getvalue().strip().rpartition("error: ")[2]
            exit_with_error(f"{reason} (options such as --multirun go before KEY=VALUE; see --help)", 2)
        raise


class Stage:
    """A stage's task, as Hydra calls it once per job."""

    def __init__(self, task: Callable[[Config], Any], *, trains: bool, full_errors: bool) -> None:
        functools.update_wrapper(self, task)
        self.task = task
        self.trains = trains
        self.full_errors = full_errors
        self.started = False

    def __call__(self, cfg: DictConfig) -> Any:
        """Run the job that Hydra has set up, and return what the task returns."""
        self.started = True
        context = JobContext.from_hydra()
        with self.report_job_errors(context):
            redact_hydra_files(context)
            return self.task(resolve(cfg))

    @contextmanager
    def report_job_errors(self, context: JobContext) -> Iterator[None]:
        """Report what a job raises: an error ends the process in a single run, and only the job in a sweep.

        Raises:
            JobFailed: the job of a sweep failed.
        """
        try:
            yield
        except Stopped as error:
            log.info("job %s stopped: %s", context.number, error)
            raise
        except Exception as error:
            log.debug("failed", exc_info=True)  # the traceback goes to the log file
            message = user_message(error, context.output_dir)
            if context.number is not None:
                line = printable(message.line if message else f"{type(error).__name__}: {error}".splitlines()[0])
                sys.stderr.write(f"error: job {context.number} failed: {line} (see {context.output_dir})\n")
                if not self.full_errors:
                    error = error.with_traceback(
                        None
                    )  # Hydra keeps it to the end of the sweep, and its frames the data
                if context.stop_file is not None:
                    context.stop_file.touch()
                failure = JobDiverged if isinstance(error, Diverged) else JobFailed
                raise failure(line) from error
            if self.full_errors or message is None or isinstance(error, BrokenPipeError):
                raise
            exit_with_error(*message)


def redact_hydra_files(context: JobContext) -> None:
    """Remove credentials of URLs on the command line from the files that Hydra has written."""
    written = [*(context.output_dir / ".hydra").glob("*.yaml")]
    if context.sweep_dir is not None:
        written += context.sweep_dir.glob("multirun.yaml")
    for path in written:
        text = path.read_text(encoding="utf-8")
        if redact(text) != text:
            write_text(path, redact(text))
