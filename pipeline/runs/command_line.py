"""What the commands about runs share: arguments, the settings of conf/, one line for an error, and an exit code."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from hydra import compose, initialize_config_dir

from pipeline.core import hydra_errors, signals
from pipeline.core.config import Config, resolve
from pipeline.core.ending import stop, telling
from pipeline.core.errors import UserError
from pipeline.core.paths import CONF

RUN = "a run's id or the beginning of it, its name, `champion`, a model file, or a folder with one, as models"


class Parser(argparse.ArgumentParser):
    """Arguments of a command, of which the module's docstring is the help; what is wrong is told in one line."""

    def __init__(self, doc: str, name: str) -> None:
        super().__init__(
            prog=f"python -m pipeline.{name}",
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument(
            "-S",
            "--set",
            metavar="KEY=VALUE",
            action="append",
            default=[],
            help="a setting other than conf/'s, as tracking=server",
        )

    def error(self, message: str) -> NoReturn:
        """End with code 2."""
        stop(f"{message} (see {self.prog} --help)", 2)


def run(main: Callable[[argparse.Namespace, Config], int], parser: Parser) -> None:
    """Call `main` with the parsed command line and the settings, and exit with the code that it gives.

    Exits with code 2 after one line on stderr for what a user can mend, and 128 + its number after a signal. With
    HYDRA_FULL_ERROR=1 errors keep their tracebacks.
    """
    signals.listen()
    arguments = parser.parse_args()
    with telling(full_errors=os.environ.get("HYDRA_FULL_ERROR") == "1"):
        code = main(arguments, settings(arguments.set))
        sys.stdout.flush()
    sys.exit(code)


def settings(overrides: Sequence[str]) -> Config:
    """What conf/ composes to.

    Raises:
        UserError: it is not sound, or an override is refused.
    """
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            return resolve(compose("config", list(overrides)))
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever else Hydra raises here is about the overrides or conf/
        raise UserError(hydra_errors.short_message(error)) from error
