"""What every stage's command line shares: Hydra over conf/, one line for an error, and an exit code."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline.core import hydra_errors, signals
from pipeline.core.atomic import write_text
from pipeline.core.config import Config, resolve
from pipeline.core.ending import stop, telling, told
from pipeline.core.errors import Diverged, Stopped, UserError
from pipeline.core.paths import CONF, ROOT
from pipeline.core.text import printable, redact

log = logging.getLogger(__name__)
logging.raiseExceptions = False  # a line that cannot be logged, on a full disk or to a closed pipe, is no traceback

STOP_MARK = "SWEEP_STOP_MARK"  # in a job's environment, with sweep.on_failure=stop: the file that a failed job makes


class Refused(UserError):
    """The command line or conf/ is refused by Hydra."""

    code = 1


class SweepFailed(UserError):
    """Jobs of a sweep failed."""

    code = 1


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
    signals.listen()
    job = Job(task, full_errors=full_errors)
    _check_options()
    with telling(full_errors=full_errors):
        try:
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
        except JobFailed as error:
            raise SweepFailed("the sweep failed, as told above") from error
        except Exception as error:
            of_hydra = isinstance(error, HydraException | OmegaConfBaseException) or told(error, ROOT) is None
            if job.started or not of_hydra:
                raise
            # Before a job starts, whatever else is raised is about the command line or conf/.
            raise Refused(hydra_errors.short_message(error)) from error


def _check_options() -> None:
    """Refuse options that Hydra does not know in one line; it would tell its whole usage."""
    usage = StringIO()
    try:
        with redirect_stderr(usage):
            get_args_parser().parse_args()
    except SystemExit as end:
        if end.code:
            reason = usage.getvalue().strip().rpartition("error: ")[2]
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
            hydra_config = HydraConfig.get()
            where = hydra_config.runtime.output_dir
            found = told(error, where)
            if hydra_config.mode == RunMode.MULTIRUN:
                line = printable(found.line if found else f"{type(error).__name__}: {error}".splitlines()[0])
                sys.stderr.write(f"error: job {hydra_config.job.num} failed: {line} (see {where})\n")
                if not self.full_errors:
                    error = error.with_traceback(None)  # Hydra keeps it to the sweep's end, and its frames the data
                if STOP_MARK in os.environ:
                    Path(os.environ[STOP_MARK]).touch()
                failed = JobDiverged if isinstance(error, Diverged) else JobFailed
                raise failed(line) from error
            if self.full_errors or found is None or isinstance(error, BrokenPipeError):
                raise
            stop(*found)


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
        if redact(text) != text:
            write_text(path, redact(text))
