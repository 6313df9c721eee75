"""What Git says of the code that runs."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.paths import ROOT

# Whatever the user's settings are: `git apply` reads no other.
SETTINGS = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "diff.relative=false")
PLAIN_DIFF = (*SETTINGS, "diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv")
CODE = ("pipeline", "conf", "hydra_plugins")
MOST_BYTES = 1_000_000  # of a file that Git does not track and that the diff has


def commit() -> str | None:
    """The commit, or None where there is no Git or no repository."""
    told = _ask("rev-parse", "HEAD")
    return told.decode().strip() if told else None


def dirty() -> bool:
    """Whether a file differs from the commit, or is not tracked."""
    return bool(_ask("status", "--porcelain"))


def diff() -> bytes:
    """What `git apply` needs to make the commit's files those of here, files that Git does not track yet included.

    Of those only what is in the folders of code and settings, up to a megabyte each: a `.env` is nobody else's affair.
    """
    if commit() is None:
        return b""
    untracked = (_ask("ls-files", "-z", "--others", "--exclude-standard", "--", *CODE) or b"").split(b"\0")
    small = [name for name in untracked if name and _size(name) <= MOST_BYTES]
    where = _ask("rev-parse", "--git-path", "index") or b""
    # In an index of its own, so that the user's stays as it is; "intent to add" writes no objects.
    with TemporaryDirectory(prefix="index-") as folder:
        index = Path(folder) / "index"
        shutil.copyfile(ROOT / os.fsdecode(where.strip()), index)
        _ask(
            "add",
            "--intent-to-add",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            given=b"\0".join(small),
            index=index,
        )
        return _ask(*PLAIN_DIFF, "HEAD", index=index) or b""


def _size(name: bytes) -> int:
    try:
        return (ROOT / os.fsdecode(name)).lstat().st_size
    except OSError:  # it has gone meanwhile
        return 0


def _ask(*words: str, given: bytes = b"", index: Path | None = None) -> bytes | None:
    """Git's answer, or None where it has none."""
    environment = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index else {})}
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, env=environment, input=given, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
