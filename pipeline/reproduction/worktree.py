"""A temporary worktree with a run's code, settings and data, in which the run is trained again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from pipeline.core.errors import UserError
from pipeline.core.paths import ROOT

PRESET = "reproduced"  # in conf/experiment/


@contextmanager
def checked_out(commit: str, diff: Path | None) -> Iterator["Worktree"]:
    """Check out the commit in a temporary folder, apply the diff, and remove the folder at the end.

    Raises:
        UserError: the repository does not have the commit, or the diff does not apply.
    """
    if _git(ROOT, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise UserError(f"commit {commit} is not in {ROOT}: fetch it, as with `git fetch --all`")
    prefix = _git(ROOT, "rev-parse", "--show-prefix").stdout.strip()  # where the project is not at Git's root
    with TemporaryDirectory(prefix="reproduce-") as folder:
        top = Path(folder) / "worktree"
        try:
            done = _git(ROOT, "worktree", "add", "--detach", str(top), commit)
            if done.returncode == 0 and diff is not None:
                done = _git(top, "apply", "--whitespace=nowarn", str(diff))
            if done.returncode:
                raise UserError(f"the run's code cannot be checked out: {done.stderr.strip().splitlines()[-1]}")
            yield Worktree(top / prefix, Path(folder))
        finally:
            # `prune` would also forget worktrees on a disk that is not mounted. Two --force remove even a worktree that
            # an interrupted `add` has left locked.
            _git(ROOT, "worktree", "remove", "--force", "--force", str(top))


class Worktree:
    """The project in `folder`; `scratch`, beside the worktree, gets its MLflow store and outputs."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.model = scratch / "model"
        store = f"sqlite:///{scratch / 'mlflow.db'}"
        env = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "SWEEP_"))}
        cache = str(scratch / "site_cache")  # DVC's default is a folder that every user may write
        self._env = {**env, "PYTHONPATH": str(folder), "MLFLOW_TRACKING_URI": store, "DVC_SITE_CACHE_DIR": cache}

    def configure(self, settings: str) -> None:
        """Write the settings, as YAML, to a preset that overrides everything else in conf/."""
        path = self.folder / "conf" / "experiment" / f"{PRESET}.yaml"
        path.write_text(f"# @package _global_\n{settings}", encoding="utf-8")

    def get_data(self, md5: str) -> str:
        """Restore the data/ with this DVC hash, and return where it came from: DVC's cache, a remote, or its source.

        Raises:
            UserError: the worktree pins other data, or the data cannot be found.
        """
        if self._pinned() != md5:
            raise UserError(f"the run used data {md5}, and its commit pins {self._pinned()}: its changes were not kept")
        self._share_cache()
        if self._dvc("checkout", "data.dvc").returncode == 0:
            return "DVC's cache"
        if self._dvc("pull", "data.dvc").returncode == 0:
            return "a DVC remote"
        fetched = self._run("-m", "pipeline.fetch", f"experiment={PRESET}")
        imported = self._dvc("repro", "--single-item", "data.dvc")
        if fetched or imported.returncode or self._pinned() != md5:
            raise UserError(
                f"data {md5} are missing: they are not in DVC's cache, and could neither be pulled nor fetched"
            )
        return "its source"

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
        """Use the project's present cache and remotes."""
        local = ROOT / ".dvc" / "config.local"
        if local.is_file():  # may hold keys and passwords, which must not be on a command line
            shutil.copyfile(local, self.folder / ".dvc" / "config.local")
        self._dvc("config", "--local", "cache.dir", self._dvc("cache", "dir", folder=ROOT).stdout.strip())
        for line in self._dvc("config", "--list", folder=ROOT).stdout.splitlines():
            key, _, value = line.partition("=")
            if key == "core.remote" or (key.startswith("remote.") and key.endswith(".url")):  # an absolute path here
                self._dvc("config", "--local", key, value)

    def _dvc(self, *args: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "dvc", *args],
            cwd=folder or self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )

    def _run(self, *args: str) -> int:
        """Run Python, with its output on stderr: stdout is for this command's result. Return the exit code."""
        command = [sys.executable, *args]
        return subprocess.run(command, cwd=self.folder, env=self._env, stdout=sys.stderr, check=False).returncode


def _git(folder: Path, *args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["git", *args], cwd=folder, capture_output=True, text=True, check=False)
