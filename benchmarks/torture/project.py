"""A clone of the repository to do harm to."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.core.atomic import sha256
from pipeline.core.paths import ROOT

OUTPUTS = ("params.yaml", "downloads", "data", "prepared", "models", "reports")
MODEL = "models/model.keras"
# Each training is a run of its own, and one that was killed leaves what its run has not got.
OTHERS = ("models/run_id", "models/train.log", "models/.hydra", "models/unwritten", "reports/unwritten")


@dataclass(frozen=True)
class Project:
    """A clone of the repository, set to the 8x8 digits."""

    folder: Path

    def create(self) -> None:
        """Clone it, and run it once."""
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.folder)], check=True)
        config = self.folder / "conf" / "config.yaml"
        config.write_text(
            config.read_text(encoding="utf-8").replace("- data: mnist ", "- data: digits "), encoding="utf-8"
        )
        if self.repro().wait():
            raise RuntimeError("the undisturbed pipeline fails")
        self.git("commit", "-qam", "Use the digits")

    def git(self, *words: str) -> str:
        """Run git, which must succeed, and give what it prints."""
        return subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def repro(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start `dvc repro`."""
        return self.start("dvc", "repro", *words)

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command as the leader of a group of processes; `told` has what it says."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder)}
        with self._log.open("wb") as log:
            return subprocess.Popen(
                words, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def told(self) -> str:
        """What the latest command has said."""
        return self._log.read_text(encoding="utf-8", errors="replace").strip()

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    def outputs(self) -> dict[str, str]:
        """The hash of each file that the stages leave, by its name."""
        names = {path.relative_to(self.folder).as_posix(): path for path in self._files() if path.name[0] != "."}
        return {name: sha256(path) for name, path in names.items() if not name.startswith(OTHERS)}

    def halves(self) -> int:
        """How many files have the temporary name under which they are written."""
        return sum(path.name[0] == "." and path.name != ".gitignore" for path in self._files())

    def _files(self) -> list[Path]:
        paths = [self.folder / name for name in OUTPUTS]
        everything = (path for start in paths for path in (start.rglob("*") if start.is_dir() else [start]))
        return [path for path in everything if path.is_file()]

    def locked(self) -> list[Any]:
        """What DVC's files say, whatever order a stage that was added again has given them."""
        return [yaml.safe_load((self.folder / name).read_text(encoding="utf-8")) for name in ("dvc.lock", "data.dvc")]

    def client(self) -> MlflowClient:
        """Its store."""
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def runs(self) -> list[Run]:
        """All runs, the latest first."""
        client = self.client()
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(everywhere, max_results=1000))
