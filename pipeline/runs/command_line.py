"""What the commands about runs share: arguments, settings from conf/, JSON, one-line errors and exit codes."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from typing import Any, NoReturn, TextIO

from hydra import compose, initialize_config_dir

from pipeline.core import hydra_errors, logs, signals
from pipeline.core.config import Config, resolve
from pipeline.core.errors import UserError
from pipeline.core.exits import exit_on_error, exit_with_error
from pipeline.core.paths import CONF, expand_home_in_arguments
from pipeline.core.progress import next_step

RUN = (
    "a run's id or the beginning of it, its name, the name of its DVC experiment, `champion`, a model file, or a "
    "folder with one, such as models"
)


class Parser(argparse.ArgumentParser):
    """A command's arguments. The module's docstring is the help, and a usage error is one line.

    `document` shows what the command prints with --json. The options in the group `formats` exclude each other.
    """

    def __init__(self, doc: str, name: str, document: str) -> None:
        super().__init__(
            prog=f"python -m pipeline.{name}",
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        set_help = "override a setting in conf/, for example tracking=server"
        self.add_argument("-S", "--set", metavar="KEY=VALUE", action="append", default=[], help=set_help)
        self.formats = self.add_mutually_exclusive_group()
        # The value is the stream of the document: `run_command` sends everything else to stderr.
        self.formats.add_argument("--json", action="store_const", const=sys.stdout, help=f"print {document}")

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        exit_with_error(f"{message} (see {self.prog} --help)", 2)


def run_command(main: Callable[[argparse.Namespace, Config], int], parser: Parser) -> None:
    """Call `main` with the arguments and the settings, and exit with the code that it returns.

    With --json the document is alone on stdout: everything else that is printed goes to stderr.
    A user error is one line on stderr and exit code 2; a signal is 128 + its number. With HYDRA_FULL_ERROR=1 errors
    keep their tracebacks.
    """
    signals.listen()
    logs.replace_unencodable()
    expand_home_in_arguments()
    args = parser.parse_args()
    everything_else = redirect_stdout(sys.stderr) if args.json else nullcontext()
    with exit_on_error(full_errors=os.environ.get("HYDRA_FULL_ERROR") == "1"), everything_else:
        code = main(args, settings(args.set))
        sys.stdout.flush()
    sys.exit(code)


def suggest(args: argparse.Namespace, command: str, *arguments: str) -> None:
    """Print the command to type next, with the settings of this one; nothing with --json."""
    if not args.json:
        settings_options = [word for override in args.set for word in ("-S", override)]
        next_step(f"python -m pipeline.{command}", [*arguments, *settings_options])


def print_json(document: object, stream: TextIO) -> None:
    """Print the document in one line, at once. Numbers that are not finite become null: JSON has none."""
    stream.write(json.dumps(_finite(document), allow_nan=False) + "\n")
    stream.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


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
