"""What every stage's command line shares: Hydra over conf/, one line for an error, and an exit code."""

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline import interrupts, refusals
from pipeline.config import Config, without_passwords
from pipeline.errors import NO_MEMORY, Diverged, Stopped, Terminated, UserError, refused
from pipeline.files import write_text
from pipeline.paths import CONF, ROOT
from pipeline.validation import resolve

log = logging.getLogger(__name__)
logging.raiseExceptions = False  # a line that cannot be logged, on a full disk or to a closed pipe, is no traceback

# By the user; any other error is ours.
MENDABLE = (UserError, OmegaConfBaseException, OSError, MemoryError, ImportError)
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
    _check_options()
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
    except Terminated as error:
        stop("terminated", 128 + error.number)
    except KeyboardInterrupt:
        stop("interrupted", 128 + signal.SIGINT)
    except BrokenPipeError:
        stop_unread()
    except Exception as error:
        if full_errors:
            raise
        if isinstance(error, JobFailed):
            stop("the sweep failed, as told above", 1)
        if isinstance(error, UserError | OSError) and not isinstance(error, HydraException):
            stop(told_of(error), error.code if isinstance(error, UserError) else 2)
        if job.started:
            raise
        # Before a job starts, whatever is raised is about the command line or conf/.
        stop(refusals.one_line(error), 1)


def stop(message: str, code: int) -> NoReturn:
    """End the process with one line on stderr, without passwords of URLs."""
    sys.stderr.write(f"error: {without_passwords(message)}\n")
    sys.exit(code)


def stop_unread() -> NoReturn:
    """End the process as a closed pipe does, as under `| head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


def _check_options() -> None:
    """Refuse options that Hydra does not know in one line; it would tell its whole usage."""
    told = StringIO()
    try:
        with redirect_stderr(told):
            get_args_parser().parse_args()
    except SystemExit as end:
        if end.code:
            reason = told.getvalue().strip().rpartition("error: ")[2]
            stop(f"{reason} (options, as --multirun, go before KEY=VALUE; see --help)", 2)
        raise


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
        _hide_passwords()
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
                sys.stderr.write(f"error: job {hydra_config.job.num} failed: {told_of(error)} (see {where})\n")
                if not self.full_errors:
                    error = error.with_traceback(None)  # Hydra keeps it to the sweep's end, and its frames the data
                if STOP_MARK in os.environ:
                    Path(os.environ[STOP_MARK]).touch()
                failed = JobDiverged if isinstance(error, Diverged) else JobFailed
                raise failed(told_of(error)) from error
            if self.full_errors or not isinstance(error, MENDABLE) or isinstance(error, BrokenPipeError):
                raise
            stop(told_of(error), error.code if isinstance(error, UserError) else 2)


def check_stop_mark() -> None:
    """Do not begin a job where another one's failure stops the sweep.

    Raises:
        Stopped: it has done so.
    """
    if STOP_MARK in os.environ and Path(os.environ[STOP_MARK]).exists():
        raise Stopped("another job failed, and sweep.on_failure=stop")


def _hide_passwords() -> None:
    """Leave those of URLs on the command line out of the files that Hydra has written."""
    hydra_config = HydraConfig.get()
    written = [*Path(hydra_config.runtime.output_dir, ".hydra").glob("*.yaml")]
    if hydra_config.mode == RunMode.MULTIRUN:
        written += Path(hydra_config.sweep.dir).glob("multirun.yaml")
    for path in written:
        text = path.read_text(encoding="utf-8")
        if without_passwords(text) != text:
            write_text(path, without_passwords(text))


def told_of(error: Exception) -> str:
    """One line without passwords of URLs; what is not for the user to mend is named by its type too."""
    if isinstance(error, OmegaConfBaseException):
        told = refusals.one_line(error)
    elif isinstance(error, UserError):
        told = str(error)
    elif isinstance(error, OSError):
        told = refused(error, HydraConfig.get().runtime.output_dir if HydraConfig.initialized() else ROOT)
    elif isinstance(error, MemoryError):
        told = f"not enough memory ({str(error) or type(error).__name__}): {NO_MEMORY}"
    elif isinstance(error, ImportError):
        told = f"a library cannot be loaded ({error}): run `make setup`, or free memory where it fails to map a segment"
    else:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
    return without_passwords(told)
