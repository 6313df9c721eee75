"""The Git commit of the running code, and what differs from it."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.paths import ROOT

# `git apply` reads this form only, and the user's settings may ask for another one.
SETTINGS = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "diff.relative=false")
PLAIN_DIFF = (*SETTINGS, "diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv")
CODE = ("pipeline", "conf", "hydra_plugins")
MAX_BYTES = 1_000_000  # of an untracked file in the diff


def commit() -> str | None:
    """The commit, or None where there is no Git or no repository."""
    output = _git("rev-parse", "HEAD")
    return output.decode().strip() if output else None


def dirty() -> bool:
    """Whether a file differs from the commit or is untracked."""
    return bool(_git("status", "--porcelain"))


def diff() -> bytes:
    """The difference between the commit and the working tree, for `git apply`.

    It includes untracked files of up to a megabyte in the folders of code and settings. Others may be private.
    """
    if commit() is None:
        return b""
    untracked = (_git("ls-files", "-z", "--others", "--exclude-standard", "--", *CODE) or b"").split(b"\0")
    small = [name for name in untracked if name and _size(name) <= MAX_BYTES]
    index_path = _git("rev-parse", "--git-path", "index") or b""
    # With a copy of the index, so that the user's does not change. "Intent to add" writes no objects.
    with TemporaryDirectory(prefix="index-") as folder:
        index = Path(folder) / "index"
        shutil.copyfile(ROOT / os.fsdecode(index_path.strip()), index)
        _git(
            "add",
            "--intent-to-add",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            stdin=b"\0".join(small),
            index=index,
        )
        return _git(*PLAIN_DIFF, "HEAD", index=index) or b""


def _size(name: bytes) -> int:
    try:
        return (ROOT / os.fsdecode(name)).lstat().st_size
    except OSError:  # it was deleted meanwhile
        return 0


def _git(*words: str, stdin: bytes = b"", index: Path | None = None) -> bytes | None:
    """The output of a Git command, or None where it fails."""
    env = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, env=env, input=stdin, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
