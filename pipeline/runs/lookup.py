"""Find what a word on a command line names: a run, a model file, or both."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, mkdtemp

from mlflow.entities import FileInfo
from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from pipeline.core.atomic import sha256
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.text import redact
from pipeline.runs import registry
from pipeline.runs.run_info import Subject
from pipeline.tracking import store

RUN_ID = re.compile("[0-9a-f]{1,32}")
MODEL_FILE = "data/model.keras"  # of a logged model
MOST_NAMED = 5  # of several runs that a word may mean


class Lookup:
    """An MLflow store in which there is something to find.

    Raises:
        UserError: there is no store yet, or it cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self.uri = store.uri(config.tracking)
        self.told = redact(self.uri)
        self.client = store.look(config.tracking)
        self.model_name = config.promotion.model
        self._folder = TemporaryDirectory(prefix="runs-")  # for what is fetched, until the process ends

    def subject(self, word: str) -> Subject:
        """What the word names.

        Raises:
            UserError: nothing, or several runs.
        """
        path = Path(word)
        if not _is_there(path) and path.suffix != ".keras":
            return Subject(word, self.run(word))
        if path.is_dir():
            path /= "model.keras"
        if not path.is_file():
            raise UserError(f"{path} is not there")
        return Subject(word, self._maker(path), path)

    def of_version(self, version: ModelVersion) -> Subject:
        """The run that a registered model is of; its subject has none where it is gone."""
        try:
            run = self.client.get_run(version.run_id) if version.run_id else None
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            run = None
        return Subject(f"version {version.version} of {version.name}", run)

    def run(self, word: str) -> MlflowRun:
        """The run that the word names.

        Raises:
            UserError: there is none, or there are several, or it names a file that no run of the store has made.
        """
        if _is_there(Path(word)):
            found = self.subject(word).run
            if found is None:
                raise UserError(f"no run in {self.told} has made {word}: name a run")
            return found
        if word == registry.CHAMPION:
            return self._champion()
        found = self._named(word)
        if RUN_ID.fullmatch(word):
            found += self._runs(f"attributes.run_id LIKE '{word}%'")
        if not found:
            raise UserError(
                f"no run in {self.told} has {word!r} as its id, as the beginning of its id, or as its name: "
                "`make ui` shows them"
            )
        if len(found) > 1:
            told = ", ".join(_told(run) for run in found[:MOST_NAMED])
            more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
            raise UserError(f"{word!r} may be one of {len(found)} runs: {told}{more}; give more of the id")
        return found[0]

    def model_file(self, subject: Subject) -> Path:
        """The subject's `.keras` file; a run's is fetched from the store.

        Raises:
            UserError: the run has no model, or it or its files are gone.
        """
        if subject.file is not None:
            return subject.file
        assert subject.run is not None
        outputs = subject.run.outputs.model_outputs if subject.run.outputs else []
        if not outputs:
            sweep = " (it is a sweep: name one of its runs)" if subject.is_sweep else ""
            raise UserError(f"run {subject.word} has no model{sweep}")
        try:
            logged = self.client.get_logged_model(outputs[0].model_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UserError(f"run {subject.word}'s model is no longer in {self.told}") from error
        with store.telling(self.uri):
            if MODEL_FILE not in _paths(self.client.list_logged_model_artifacts(logged.model_id, "data")):
                raise UserError(f"the files of run {subject.word}'s model are no longer where {self.told} has them")
            return self._download(f"{logged.artifact_location}/{MODEL_FILE}")

    def artifact(self, run: MlflowRun, path: str) -> Path | None:
        """A copy of a file or folder of the run's artifacts; None where the run has none such.

        Raises:
            UserError: the store does not give it.
        """
        folder = str(PurePosixPath(path).parent)
        with store.telling(self.uri):
            if path not in _paths(self.client.list_artifacts(run.info.run_id, None if folder == "." else folder)):
                return None
            return self._download(f"runs:/{run.info.run_id}/{path}")

    def _download(self, address: str) -> Path:
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(address, dst_path=mkdtemp(dir=self._folder.name), tracking_uri=self.uri))

    def _maker(self, path: Path) -> MlflowRun | None:
        """The finished run that made the file: the one that the folder names, or the latest."""
        found = self._runs(f"tags.`model.sha256` = '{sha256(path)}' and attributes.status = 'FINISHED'")
        named = path.with_name("run_id")
        likely = named.read_text(encoding="utf-8").strip() if named.is_file() else ""
        return next((run for run in found if run.info.run_id == likely), next(iter(found), None))

    def _champion(self) -> MlflowRun:
        version = registry.champion(self.client, self.model_name)
        run = self.of_version(version).run if version else None
        if run is None:
            raise UserError(
                f"{self.model_name} has no champion in {self.told} whose run is there: "
                "`python -m pipeline.promote RUN` makes one"
            )
        return run

    def _named(self, name: str) -> list[MlflowRun]:
        # MLflow's filters know no escaped quotes; in a pattern "_" stands for any letter.
        pattern = name.replace("'", "_").replace('"', "_")
        return [run for run in self._runs(f"attributes.run_name LIKE '{pattern}'") if run.info.run_name == name]

    def _runs(self, wanted: str) -> list[MlflowRun]:
        """Runs of all experiments, the latest first."""
        with store.telling(self.uri):
            experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
            return list(self.client.search_runs(experiments, wanted, order_by=["attributes.start_time DESC"]))


def _paths(files: Iterable[FileInfo]) -> set[str]:
    return {str(file.path) for file in files}


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a run's name may be too long for a path
        return False


def _told(run: MlflowRun) -> str:
    began = datetime.fromtimestamp(run.info.start_time / 1000, UTC).astimezone()
    return f"{run.info.run_id[:8]} ({run.info.run_name}, {began:%Y-%m-%d %H:%M})"
