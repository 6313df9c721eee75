"""What the commands about runs share: arguments, settings from conf/, one-line errors and exit codes."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from hydra import compose, initialize_config_dir

from pipeline.core import hydra_errors, logs, signals
from pipeline.core.config import Config, resolve
from pipeline.core.errors import UserError
from pipeline.core.exits import exit_on_error, exit_with_error
from pipeline.core.paths import CONF, expand_home_in_arguments

RUN = "a run's id or the beginning of it, its name, `champion`, a model file, or a folder with one, as models"


class Parser(argparse.ArgumentParser):
    """A command's arguments. The module's docstring is the help, and a usage error is one line."""

    def __init__(self, doc: str, name: str) -> None:
        super().__init__(
            prog=f"python -m pipeline.{name}",
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        set_help = "override a setting in conf/, as tracking=server"
        self.add_argument("-S", "--set", metavar="KEY=VALUE", action="append", default=[], help=set_help)

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        exit_with_error(f"{message} (see {self.prog} --help)", 2)


def run_command(main: Callable[[argparse.Namespace, Config], int], parser: Parser) -> None:
    """Call `main` with the arguments and the settings, and exit with the code that it returns.

    A user error is one line on stderr and exit code 2; a signal is 128 + its number. With HYDRA_FULL_ERROR=1 errors
    keep their tracebacks.
    """
    signals.listen()
    logs.replace_unencodable()
    expand_home_in_arguments()
    args = parser.parse_args()
    with exit_on_error(full_errors=os.environ.get("HYDRA_FULL_ERROR") == "1"):
        code = main(args, settings(args.set))
        sys.stdout.flush()
    sys.exit(code)


def settings(overrides: Sequence[str]) -> Config:
    """Compose conf/ with the overrides.

    Raises:
        UserError: conf/ or an override is invalid.
    """
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            return resolve(compose("config", list(overrides)))
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # everything else that Hydra raises here is about the overrides or conf/
        raise UserError(hydra_errors.short_message(error)) from error
