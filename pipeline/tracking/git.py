"""The Git commit of the running code, and what differs from it."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core import programs
from pipeline.core.paths import ROOT

# Instead of the user's settings that start other programs or make a command fail. Most others are not read below.
SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "diff.orderFile": os.devnull,
    "submodule.recurse": "false",
}
# Git's variables that do not choose another repository, index or form of output, as those do that Git sets for hooks.
HARMLESS = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSL", "GIT_ASKPASS", "GIT_PYTHON", "GIT_DISCOVERY")

# What training reads of Git's files; a pattern's "*" matches slashes, too. Other files may be anything: a token, a key.
CODE = ("*.py", "*.yaml", "*.yml")
READ = (*CODE, "*.dvc", "dvc.lock", "pyproject.toml", "requirements.lock")
UNTRACKED = tuple(f"{folder}/{pattern}" for folder in ("pipeline", "conf", "hydra_plugins") for pattern in CODE)
NEVER_READ = ("benchmarks", "docs", "reports", "tests")
SECRETS = ("*.env.*", "*credentials*", "*secret*")
LEFT_OUT = tuple(f":(exclude,icase){pattern}" for pattern in (*NEVER_READ, *SECRETS))
MAX_BYTES = 1_000_000  # of an untracked file in the diff


def run(*args: str, folder: Path = ROOT, stdin: bytes = b"", index: Path | None = None) -> bytes:
    """Run a Git command in a folder, and return its output. It starts no hook.

    Raises:
        ProgramError: Git is not installed, or refuses.
    """
    settings = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
    # In English, for `programs.reason`. Without optional locks, reading writes nothing into somebody's repository.
    env = environment() | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    if index is not None:
        env["GIT_INDEX_FILE"] = str(index)
    return programs.run(["git", *settings, *args], folder, env=env, stdin=stdin)


def environment() -> dict[str, str]:
    """This process's environment, without the variables that lead Git to another repository or change its output."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key.startswith(HARMLESS)}


def commit() -> str:
    """The commit.

    Raises:
        ProgramError: there is no Git, no repository or no commit, or Git does not trust the repository's owner.
    """
    return run("log", "-1", "--no-show-signature", "--format=%H").decode().strip()


def in_repository() -> bool:
    """Whether the project is in a repository, which Git may nevertheless refuse to read."""
    return any(os.path.lexists(folder / ".git") for folder in (ROOT, *ROOT.parents))


def dirty() -> bool:
    """Whether a file of the project differs from the commit or is untracked."""
    return bool(run("status", "--porcelain", "--untracked-files=normal", "--", "."))


def diff() -> bytes:
    """The difference between the commit and the working tree, for `git apply` at the top of the repository.

    It has the Python and YAML files that training can read, and the files that pin data and packages, without those
    that may hold secrets. It includes untracked ones of up to a megabyte in the folders of code and settings.
    """
    listed = run("ls-files", "-z", "--others", "--exclude-standard", "--", *UNTRACKED, *LEFT_OUT).split(b"\0")
    untracked = b"\0".join(name for name in listed if name and _is_small_file(ROOT / os.fsdecode(name)))
    path = ROOT / os.fsdecode(run("rev-parse", "--git-path", "index").removesuffix(b"\n"))
    # With a copy of the index, so that the user's does not change. "Intent to add" writes no objects.
    with TemporaryDirectory(prefix="index-") as folder:
        index = Path(folder) / "index"
        if path.exists():
            shutil.copy2(path, index)  # with its time, by which Git knows which files may have changed since
        from_stdin = ("--pathspec-from-file=-", "--pathspec-file-nul")
        run("--literal-pathspecs", "add", "--intent-to-add", *from_stdin, stdin=untracked, index=index)
        run("update-index", "-q", "--unmerged", "--refresh", index=index)
        # Unlike `git diff`, this command does not read the user's settings of diffs, such as diff.noprefix.
        plain = ("--patch", "--binary", "--no-color", "--no-ext-diff", "--no-textconv")
        return run("diff-index", *plain, "HEAD", "--", *READ, *LEFT_OUT, index=index)


def _is_small_file(path: Path) -> bool:
    try:
        return not path.is_dir() and path.lstat().st_size <= MAX_BYTES  # a folder is another repository
    except OSError:  # it was deleted meanwhile
        return False
