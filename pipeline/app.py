"""What every stage's command line shares: Hydra over conf/, one line for an error, and an exit code."""

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline import interrupts, refusals
from pipeline.config import Config, without_passwords
from pipeline.errors import Diverged, Stopped, Terminated, UserError
from pipeline.paths import CONF
from pipeline.validation import resolve

log = logging.getLogger(__name__)

STOP_MARK = "SWEEP_STOP_MARK"  # in a job's environment, with sweep.on_failure=stop: the file that a failed job makes


class JobFailed(Exception):
    """A job of a sweep failed, for this reason; its log has the traceback."""


class JobDiverged(JobFailed):
    """It would diverge again."""


def run(task: Callable[[Config], Any]) -> None:
    """Compose conf/ with the command line's overrides and call `task` with the result, once a job.

    Exits with code 2 after one line on stderr for what a user can mend, 1 where Hydra refuses the command line or
    conf/, where a sweep's job failed or where a run could not be written, and 128 + its number after a signal. With
    HYDRA_FULL_ERROR=1 errors keep their tracebacks.
    """
    full_errors = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Hydra would print an error over several lines and exit; told so, it lets the exception reach us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    interrupts.listen()
    job = Job(task, full_errors=full_errors)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except Terminated as error:
        stop("terminated", 128 + error.number)
    except KeyboardInterrupt:
        stop("interrupted", 128 + signal.SIGINT)
    except Exception as error:
        if full_errors:
            raise
        if isinstance(error, JobFailed):
            stop("the sweep failed, as told above", 1)
        if isinstance(error, UserError):
            stop(str(error), error.code)
        if job.started:
            raise
        # Before a job starts, whatever is raised is about the command line or conf/.
        stop(refusals.one_line(error), 1)


def stop(message: str, code: int) -> NoReturn:
    """End the process with one line on stderr, without passwords of URLs."""
    sys.stderr.write(f"error: {without_passwords(message)}\n")
    sys.exit(code)


class Job:
    """The task as Hydra calls it."""

    def __init__(self, task: Callable[[Config], Any], *, full_errors: bool) -> None:
        functools.update_wrapper(self, task)
        self.task = task
        self.full_errors = full_errors
        self.started = False

    def __call__(self, cfg: DictConfig) -> Any:
        """Run the job, and give what the task gives."""
        with self.telling():
            check_stop_mark()
            return self.task(resolve(cfg))

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell what is raised: it ends the process in a single run, and only the job in a sweep."""
        self.started = True
        try:
            yield
        except Stopped as error:
            log.info("job %s stopped: %s", HydraConfig.get().job.num, error)
            raise
        except Exception as error:
            log.debug("failed", exc_info=True)  # the traceback goes to the log file
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                hydra_config = HydraConfig.get()
                where = hydra_config.runtime.output_dir
                sys.stderr.write(f"error: job {hydra_config.job.num} failed: {_told(error)} (see {where})\n")
                if not self.full_errors:
                    error = error.with_traceback(None)  # Hydra keeps it to the sweep's end, and its frames the data
                if STOP_MARK in os.environ:
                    Path(os.environ[STOP_MARK]).touch()
                failed = JobDiverged if isinstance(error, Diverged) else JobFailed
                raise failed(_told(error)) from error
            if self.full_errors or not isinstance(error, UserError | OmegaConfBaseException):
                raise
            stop(_told(error), error.code if isinstance(error, UserError) else 2)


def check_stop_mark() -> None:
    """Do not begin a job where another one's failure stops the sweep.

    Raises:
        Stopped: it has done so.
    """
    if STOP_MARK in os.environ and Path(os.environ[STOP_MARK]).exists():
        raise Stopped("another job failed, and sweep.on_failure=stop")


def _told(error: Exception) -> str:
    """One line; what is not for the user to mend is named by its type too."""
    if isinstance(error, OmegaConfBaseException):
        return refusals.one_line(error)
    if isinstance(error, UserError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
