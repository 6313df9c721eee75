"""A clone of the repository to inject faults into."""

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
# These differ after each training: every training makes a new run, and a killed one leaves files to upload.
VOLATILE = ("models/run_id", "models/train.log", "models/.hydra", "models/unwritten", "reports/unwritten")


@dataclass(frozen=True)
class Project:
    """A clone of the repository with data=digits."""

    folder: Path

    def create(self) -> None:
        """Clone the repository and run the pipeline once.

        Raises:
            RuntimeError: the pipeline fails.
        """
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.folder)], check=True)
        config = self.folder / "conf" / "config.yaml"
        config.write_text(
            config.read_text(encoding="utf-8").replace("- data: mnist ", "- data: digits "), encoding="utf-8"
        )
        if self.repro().wait():
            raise RuntimeError("the undisturbed pipeline fails")
        self.git("commit", "-qam", "Use the digits")

    def git(self, *args: str) -> str:
        """Run git, which must succeed, and return its stdout."""
        return subprocess.run(["git", *args], cwd=self.folder, capture_output=True, text=True, check=True).stdout

    def repro(self, *args: str) -> "subprocess.Popen[bytes]":
        """Start `dvc repro`."""
        return self.start("dvc", "repro", *args)

    def start(self, *args: str) -> "subprocess.Popen[bytes]":
        """Start a command as the leader of a new process group. `output` returns what it prints."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder)}
        with self._log.open("wb") as log:
            return subprocess.Popen(
                args, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def output(self) -> str:
        """Return stdout and stderr of the latest command."""
        return self._log.read_text(encoding="utf-8", errors="replace").strip()

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    def outputs(self) -> dict[str, str]:
        """Return the SHA-256 of each output file by its path."""
        paths = {path.relative_to(self.folder).as_posix(): path for path in self._files() if path.name[0] != "."}
        return {name: sha256(path) for name, path in paths.items() if not name.startswith(VOLATILE)}

    def temporary_files(self) -> int:
        """Return the number of files that have the temporary name under which they are written."""
        return sum(path.name[0] == "." and path.name != ".gitignore" for path in self._files())

    def _files(self) -> list[Path]:
        outputs = [self.folder / name for name in OUTPUTS]
        paths = (path for output in outputs for path in (output.rglob("*") if output.is_dir() else [output]))
        return [path for path in paths if path.is_file()]

    def dvc_files(self) -> list[Any]:
        """Return the parsed dvc.lock and data.dvc. A repeated stage may change the order of their entries."""
        return [yaml.safe_load((self.folder / name).read_text(encoding="utf-8")) for name in ("dvc.lock", "data.dvc")]

    def client(self) -> MlflowClient:
        """Return a client of the project's store."""
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def runs(self) -> list[Run]:
        """Return all runs, the latest first."""
        client = self.client()
        experiment_ids = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiment_ids, max_results=1000))
