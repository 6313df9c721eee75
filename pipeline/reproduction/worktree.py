"""A run's code, settings and data in a temporary worktree, where its training is done again."""

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
    """The project as it was at the commit with the diff applied, in a temporary folder that is removed at the end.

    Raises:
        UserError: the repository does not have the commit, or the diff does not fit it.
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
            # Not `prune`, which would forget other worktrees, as on a disk that is not mounted. Twice forced it removes
            # one that an interrupted `add` has left locked.
            _git(ROOT, "worktree", "remove", "--force", "--force", str(top))


class Worktree:
    """The project in `folder`; beside the worktree, in `scratch`, its MLflow store and outputs."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.model = scratch / "model"
        store = f"sqlite:///{scratch / 'mlflow.db'}"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "SWEEP_"))}
        self._environment = {**kept, "PYTHONPATH": str(folder), "MLFLOW_TRACKING_URI": store}
        self._scratch = scratch

    def configure(self, composed: str) -> None:
        """Take these settings, as YAML: a preset that goes before all else in conf/."""
        path = self.folder / "conf" / "experiment" / f"{PRESET}.yaml"
        path.write_text(f"# @package _global_\n{composed}", encoding="utf-8")

    def get_data(self, md5: str) -> str:
        """Bring in data/ with this hash of DVC's, and say where it came from: DVC's cache, a remote, or its source.

        Raises:
            UserError: the worktree pins other data, or they are nowhere.
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
        """Prepare the data and train; gives the folder with the model.

        Raises:
            UserError: that failed, as is told on stderr.
        """
        for stage, *more in (("preprocess",), ("train", f"hydra.run.dir={self.model}")):
            if self._run("-m", f"pipeline.{stage}", f"experiment={PRESET}", *more):
                raise UserError(f"{stage} failed with the run's code and settings, as told above")
        return self.model

    def _pinned(self) -> str:
        return str(yaml.safe_load((self.folder / "data.dvc").read_text(encoding="utf-8"))["outs"][0]["md5"])

    def _share_cache(self) -> None:
        """Use the project's own cache and remotes, as they are now and on this machine."""
        local = ROOT / ".dvc" / "config.local"
        if local.is_file():  # keys and passwords, which are not for a command line
            shutil.copyfile(local, self.folder / ".dvc" / "config.local")
        self._dvc("config", "--local", "cache.dir", self._dvc("cache", "dir", folder=ROOT).stdout.strip())
        for line in self._dvc("config", "--list", folder=ROOT).stdout.splitlines():
            key, _, value = line.partition("=")
            if key == "core.remote" or (key.startswith("remote.") and key.endswith(".url")):  # an absolute path here
                self._dvc("config", "--local", key, value)

    def _dvc(self, *words: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(
            command, cwd=folder or self.folder, env=self._environment, capture_output=True, text=True, check=False
        )

    def _run(self, *words: str) -> int:
        """Run Python with these words; what it says goes to stderr, which is no result of ours."""
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=self.folder, env=self._environment, stdout=sys.stderr, check=False
        ).returncode


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
