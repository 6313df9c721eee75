"""The paths of the pipeline's files, whatever the working folder, and the paths that users type."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
PARAMS = ROOT / "params.yaml"
DOWNLOADS = ROOT / "downloads"
DATA = ROOT / "data"
DATA_DVC = ROOT / "data.dvc"
DVC_YAML = ROOT / "dvc.yaml"
DVC_LOCK = ROOT / "dvc.lock"
LOCK = ROOT / "requirements.lock"
PREPARED = ROOT / "prepared"
MODELS = ROOT / "models"
REPORTS = ROOT / "reports"

# Where a path may begin in an argument: --show=~/x.png, data.sources=[~/a,~/b] or tracking.uri=sqlite:///~/x.db. At
# the very start it needs its slash: Hydra deletes KEY with ~KEY.
_TILDE = re.compile(r"""^~(?=/)|(?:(?<=[=,:\['"])|(?<=sqlite:///))~[\w.-]*(?=[/,\]'"]|$)""")


def home() -> Path:
    """The user's checkout, where runs are stored.

    `dvc exp run --temp` and `--queue` use a temporary checkout in `.dvc/tmp/exps/`. DVC deletes it afterwards, and
    runs in it would be lost.
    """
    for parent in ROOT.parents:
        if parent.name == "exps" and parent.parts[-3:-1] == (".dvc", "tmp"):
            return parent.parents[2]
    return ROOT


def relative_to_cwd(path: Path) -> str:
    """The path as a user would type it: relative where it is below the working folder, else absolute."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def expand_home(text: str) -> str:
    """Replace `~` and `~user` by home folders where paths begin in the text: a path, an argument, or a sqlite URI."""
    return _TILDE.sub(lambda match: os.path.expanduser(match[0]), text)  # noqa: PTH111 - Path's raises without a home


def expand_home_in_arguments() -> None:
    """Replace `~` in the arguments of this process: a shell does so only where a word begins, and Hydra refuses it."""
    sys.argv[1:] = map(expand_home, sys.argv[1:])
