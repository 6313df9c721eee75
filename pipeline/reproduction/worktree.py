"""A temporary worktree with a run's code, settings and data, in which the run is trained again."""

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from pipeline.core import programs
from pipeline.core.errors import UserError
from pipeline.core.paths import ROOT
from pipeline.core.programs import ProgramError
from pipeline.tracking import git, provenance

PRESET = "reproduced"  # in conf/experiment/
# Nothing that a training starts reads these files.
INERT = {".ci", ".git", ".github", "benchmarks", "docs", "reports", "tests"}
INERT |= {"LICENSE", "Makefile", "dvc.lock", "params.yaml", "pyproject.toml"}
INERT |= {"requirements.lock", "requirements-dev.lock"}  # the installed packages are the present ones


@contextmanager
def checked_out(commit: str, diff: Path | None) -> Iterator["Worktree"]:
    """Check out the commit in a temporary folder, apply the diff, and remove the folder at the end.

    Raises:
        UserError: Git fails, the repository does not have the commit, or the diff does not apply.
    """
    prefix = git.run("rev-parse", "--show-prefix")  # where the project is not at the top of the repository
    try:
        known = git.run("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()
    except ProgramError as error:
        raise UserError(f"commit {commit} is not in {ROOT}: fetch it, for example with `git fetch --all`") from error
    with TemporaryDirectory(prefix="reproduce-") as folder:
        top = Path(folder) / "worktree"
        try:
            try:
                git.run("worktree", "add", "--detach", str(top), known)
                if diff is not None:
                    git.run("apply", "--whitespace=nowarn", folder=top, stdin=diff.read_bytes())
            except ProgramError as error:
                raise UserError(f"the run's code cannot be checked out: {error.reason}") from error
            yield Worktree(top / os.fsdecode(prefix.removesuffix(b"\n")), Path(folder))
        finally:
            # `prune` would also forget worktrees on a disk that is not mounted. Two --force remove even a worktree that
            # an interrupted `add` has left locked.
            with suppress(ProgramError):
                git.run("worktree", "remove", "--force", "--force", str(top))


class Worktree:
    """The project in `folder`; `scratch`, beside the worktree, gets its MLflow store and outputs."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.model = scratch / "model"
        store = f"sqlite:///{scratch / 'mlflow.db'}"
        env = {key: value for key, value in git.environment().items() if not key.startswith(("MLFLOW_", "SWEEP_"))}
        # DVC does not start for a user without a name.
        self._env = {**env, "PYTHONPATH": str(folder), "MLFLOW_TRACKING_URI": store, "LOGNAME": provenance.user()}
        self._env["DVC_STAGE"] = "train"  # the stages suggest no next command: the worktree is deleted
        self._env["DVC_SITE_CACHE_DIR"] = str(scratch / "site_cache")  # the default is a folder that all may write

    def foreign_files(self) -> list[str]:
        """The paths of files here that may run as code, and that the project does not have with the same content.

        Python files come first.
        """
        files = (path for path in self.folder.rglob("*") if path.is_symlink() or path.is_file())
        names = (path.relative_to(self.folder) for path in files)
        active = (name for name in names if name.parts[0] not in INERT and name.suffix != ".md")
        foreign = [name for name in active if not _is_same(self.folder / name, ROOT / name)]
        return [name.as_posix() for name in sorted(foreign, key=lambda name: (name.suffix != ".py", name))]

    def configure(self, settings: str) -> None:
        """Write the settings, as YAML, to a preset that overrides everything else in conf/.

        Raises:
            UserError: they have settings of Hydra itself, which name code to run, or interpolations, which read the
                environment. No run has written any.
        """
        try:
            sections = yaml.safe_load(settings)
        except yaml.YAMLError as error:
            raise UserError("the run's config.yaml is no YAML: it was changed") from error
        if not isinstance(sections, dict) or sections.keys() & {"hydra", "defaults"} or "${" in settings:
            raise UserError("the run's config.yaml was changed: it has more than settings of training")
        path = self.folder / "conf" / "experiment" / f"{PRESET}.yaml"
        # The settings cannot choose another package: Hydra reads no comment below "---".
        path.write_text(f"# @package _global_\n---\n{settings}", encoding="utf-8")

    def get_data(self, md5: str) -> str:
        """Restore the data/ with this DVC hash, and return where it came from: DVC's cache, a remote, or its source.

        Raises:
            UserError: the worktree pins other data, or DVC cannot restore the data.
        """
        if self._pinned() != md5:
            raise UserError(f"the run used data {md5}, and its commit pins {self._pinned()}: its changes were not kept")
        self._share_cache()
        places: dict[str, Callable[[], object]] = {
            "DVC's cache": lambda: self._dvc("checkout", "data.dvc"),
            "a DVC remote": lambda: self._dvc("pull", "data.dvc"),
            "its source": lambda: self._import(md5),
        }
        failures = []
        for place, restore in places.items():
            try:
                restore()
            except UserError as error:
                failures.append(f"from {place} ({error})")
            else:
                return place
        raise UserError(f"data {md5} cannot be restored: not {', not '.join(failures)}")

    def _import(self, md5: str) -> None:
        if self._run("-m", "pipeline.fetch", f"experiment={PRESET}"):
            raise UserError("fetch failed: see the error above")
        self._dvc("repro", "--single-item", "data.dvc")
        if self._pinned() != md5:
            raise UserError(f"it now has data {self._pinned()}")

    def train(self) -> Path:
        """Prepare the data and train; return the folder with the model.

        Raises:
            UserError: a stage failed; its own error is on stderr.
        """
        for stage, *overrides in (("preprocess",), ("train", f"hydra.run.dir={self.model}")):
            if self._run("-m", f"pipeline.{stage}", f"experiment={PRESET}", *overrides):
                raise UserError(f"{stage} failed with the run's code and settings: see the error above")
        return self.model

    def _pinned(self) -> str:
        return str(yaml.safe_load((self.folder / "data.dvc").read_text(encoding="utf-8"))["outs"][0]["md5"])

    def _share_cache(self) -> None:
        """Use the project's present cache and remotes.

        Raises:
            UserError: DVC fails.
        """
        local = ROOT / ".dvc" / "config.local"
        if local.is_file():  # may hold keys and passwords, which must not be on a command line
            shutil.copyfile(local, self.folder / ".dvc" / "config.local")
        self._dvc("config", "--local", "core.no_scm", "true")  # it cannot use a worktree of a submodule
        self._dvc("config", "--local", "cache.dir", self._dvc("cache", "dir", folder=ROOT).strip())
        for line in self._dvc("config", "--list", folder=ROOT).splitlines():
            key, _, value = line.partition("=")
            if key == "core.remote" or (key.startswith("remote.") and key.endswith(".url")):  # an absolute path here
                self._dvc("config", "--local", key, value)

    def _dvc(self, *args: str, folder: Path | None = None) -> str:
        command = [sys.executable, "-m", "dvc", *args]
        try:
            return os.fsdecode(programs.run(command, folder or self.folder, env=self._env))
        except ProgramError as error:
            raise ProgramError(f"dvc {args[0]}", error.reason) from error

    def _run(self, *args: str) -> int:
        """Run Python, with its output on stderr: stdout is for this command's result. Return the exit code."""
        command = [sys.executable, *args]
        return subprocess.run(command, cwd=self.folder, env=self._env, stdout=sys.stderr, check=False).returncode


def _is_same(path: Path, other: Path) -> bool:
    if path.is_symlink() or other.is_symlink():
        return path.is_symlink() and other.is_symlink() and path.readlink() == other.readlink()
    return other.is_file() and filecmp.cmp(path, other, shallow=False)
