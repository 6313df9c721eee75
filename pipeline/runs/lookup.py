"""Look up what a word on a command line names: a run, a model file, or both."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, mkdtemp

from mlflow.entities import FileInfo
from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion

from pipeline.core.atomic import sha256
from pipeline.core.config import Config
from pipeline.core.errors import StoreError, UserError
from pipeline.core.paths import MODELS
from pipeline.core.text import redact
from pipeline.runs import parent_run, registry
from pipeline.runs.run_info import RunOrModel
from pipeline.tracking import store
from pipeline.tracking.provenance import BASELINE, EXPERIMENT
from pipeline.tracking.store_errors import store_errors

RUN_ID = re.compile("[0-9a-f]{1,32}")
MODEL_FILE = "data/model.keras"  # of a logged model: the file that training wrote
MAX_CANDIDATES = 5  # that an ambiguous word lists


class Lookup:
    """An MLflow store to look things up in.

    Raises:
        UserError: there is no store yet, or it cannot be used.
    """

    def __init__(self, config: Config) -> None:
        self.client = store.open_existing(config.tracking)
        self.uri = self.client.uri
        self.display_uri = redact(self.uri)
        self.model_name = config.promotion.model
        self._downloads = TemporaryDirectory(prefix="runs-")  # until the process ends

    def run_or_model(self, word: str) -> RunOrModel:
        """What the word names.

        Raises:
            UserError: it names nothing, or several runs.
        """
        path = Path(word)
        if not _exists(path) and path.suffix != ".keras":
            return RunOrModel(word, self.run(word))
        if path.is_dir():
            path /= "model.keras"
        if not path.is_file():
            raise UserError(f"{path} is not there")
        return RunOrModel(word, self._run_of_file(path), path)

    def run_of_version(self, version: ModelVersion) -> RunOrModel:
        """The run of a registered model; without a run where that no longer exists."""
        try:
            run = self.client.get_run(version.run_id) if version.run_id else None
        except StoreError as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            run = None
        return RunOrModel(f"version {version.version} of {version.name}", run)

    def run(self, word: str) -> MlflowRun:
        """The run that the word names: of several with the same model file, an evaluated one, or else the latest.

        Raises:
            UserError: it names no run, several runs, or a file that no run of the store has made.
        """
        if _exists(Path(word)):
            run = self.run_or_model(word).run
            if run is None:
                raise UserError(f"no run in {self.display_uri} has made {word}: name a run")
            return run
        if word == registry.CHAMPION:
            return self._champion()
        found = [*self._runs_by_name(word), *self._runs_by_experiment(word)]
        if RUN_ID.fullmatch(word):
            found += self._search(f"attributes.run_id LIKE '{word}%'")
        runs = list({run.info.run_id: run for run in found}.values())
        if not runs and Path(word).resolve() == MODELS:
            raise UserError("there is no models/ yet: run `dvc repro`, or name a run")
        if not runs:
            raise UserError(
                f"no run in {self.display_uri} has {word!r} as its id, as the beginning of its id, as its name, or as "
                'the name of its DVC experiment: `make ui` shows them (quote a name: "lr=0.3 batch=600")'
            )
        if len({run.data.tags.get("model.sha256", run.info.run_id) for run in runs}) > 1:
            candidates = ", ".join(_summary(run) for run in runs[:MAX_CANDIDATES])
            more = f" and {len(runs) - MAX_CANDIDATES} more" if len(runs) > MAX_CANDIDATES else ""
            raise UserError(f"{word!r} may be one of {len(runs)} runs: {candidates}{more}; type more of the id")
        return next((run for run in runs if "test/error" in run.data.metrics), runs[0])

    def model_file(self, item: RunOrModel) -> Path:
        """The `.keras` file of a run or model; that of a run is downloaded.

        Raises:
            UserError: the run has no model, or the model or its files no longer exist.
        """
        if item.file is not None:
            return item.file
        assert item.run is not None
        outputs = item.run.outputs.model_outputs if item.run.outputs else []
        if not outputs:
            sweep = " (it is a sweep: name one of its runs)" if item.is_sweep else ""
            raise UserError(f"run {item.word} has no model{sweep}")
        try:
            logged = self.client.get_logged_model(outputs[0].model_id)
        except StoreError as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UserError(f"the model of run {item.word} is no longer in {self.display_uri}") from error
        if MODEL_FILE not in _paths(self.client.list_logged_model_artifacts(logged.model_id, "data")):
            raise UserError(f"the files of run {item.word}'s model are no longer where {self.display_uri} has them")
        return self._download(f"{logged.artifact_location}/{MODEL_FILE}")

    def download_artifact(self, run: MlflowRun, path: str) -> Path | None:
        """A copy of a file or folder of the run's artifacts; None where the run does not have it."""
        folder = str(PurePosixPath(path).parent)
        if path not in _paths(self.client.list_artifacts(run.info.run_id, None if folder == "." else folder)):
            return None
        return self._download(f"runs:/{run.info.run_id}/{path}")

    def _download(self, uri: str) -> Path:
        from mlflow.artifacts import download_artifacts

        with store_errors(self.uri):
            return Path(download_artifacts(uri, dst_path=mkdtemp(dir=self._downloads.name), tracking_uri=self.uri))

    def _run_of_file(self, path: Path) -> MlflowRun | None:
        """The finished run that made the file: the one that `run_id` beside it names, or the latest."""
        runs = self._search(f"tags.`model.sha256` = '{sha256(path)}' and attributes.status = 'FINISHED'")
        id_file = path.with_name("run_id")
        preferred = id_file.read_text(encoding="utf-8").strip() if id_file.is_file() else ""
        return next((run for run in runs if run.info.run_id == preferred), next(iter(runs), None))

    def _champion(self) -> MlflowRun:
        version = registry.champion(self.client, self.model_name)
        run = self.run_of_version(version).run if version else None
        if run is None:
            raise UserError(
                f"{self.model_name} has no champion in {self.display_uri} whose run exists: "
                "`python -m pipeline.promote RUN` makes one"
            )
        return run

    def _runs_by_name(self, name: str) -> list[MlflowRun]:
        """The finished runs with this name, or all if none has finished: a job that is repeated keeps its name."""
        runs = self._search(f"attributes.run_name LIKE '{_pattern(name)}'")
        named = [run for run in runs if run.info.run_name == name]
        return [run for run in named if run.info.status == "FINISHED"] or named

    def _runs_by_experiment(self, name: str) -> list[MlflowRun]:
        """The training run of each DVC experiment with this name: the latest finished one, or the latest of all.

        DVC's experiments with the same name have different baselines.
        """
        runs = self._search(f"tags.`{EXPERIMENT}` LIKE '{_pattern(name)}'")
        trained = [run for run in runs if run.data.tags[EXPERIMENT] == name and parent_run.KEY not in run.data.tags]
        chosen: dict[str, MlflowRun] = {}
        for run in sorted(trained, key=lambda run: run.info.status != "FINISHED"):
            chosen.setdefault(run.data.tags.get(BASELINE, ""), run)
        return list(chosen.values())

    def _search(self, query: str) -> list[MlflowRun]:
        """Runs of all experiments, the latest first."""
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, query, order_by=["attributes.start_time DESC"]))


def _pattern(text: str) -> str:
    """A pattern for LIKE that matches the text, and maybe others: in it "_" is any character.

    MLflow's filters have no escaped quotes. PostgreSQL takes a backslash for an escape, other databases do not.
    """
    return re.sub(r"""['"\\]""", "_", text)


def _paths(files: Iterable[FileInfo]) -> set[str]:
    return {str(file.path) for file in files}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a run's name may be too long for a path
        return False


def _summary(run: MlflowRun) -> str:
    start = datetime.fromtimestamp(run.info.start_time / 1000, UTC).astimezone()
    return f"{run.info.run_id[:8]} ({run.info.run_name}, {start:%Y-%m-%d %H:%M})"
