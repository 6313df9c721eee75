"""A Keras model as MLflow's logged model.

As MLflow's own log_model leaves it in the store. But that wants the whole process to have one store and one run at a
time, and asks the store for the run's params and, one by one, for the history of its metrics.
"""

import functools
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, infer_signature
from mlflow.tracking.context.registry import resolve_tags

# What the model needs where it is served. Left to infer it, MLflow starts a process and takes 12 s a run.
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("mlflow", "tensorflow", "keras", "numpy")]


class SavedModel:
    """A model's files in a temporary folder, as MLflow wants them."""

    def __init__(self, model: Any, pixels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> None:
        import mlflow.keras  # with the model already built, TensorFlow costs nothing more

        self._folder = TemporaryDirectory(prefix="model-")
        self._about = Model()
        # No input example: MLflow would read the model back to try it, for as long as all the rest of a run takes.
        # MLflow's flavour for TensorFlow would add the process's custom objects as a pickle, which is code.
        mlflow.keras.save_model(
            model,
            str(self._path),
            mlflow_model=self._about,
            signature=infer_signature(pixels, probabilities),
            pip_requirements=REQUIREMENTS,
        )

    @property
    def _path(self) -> Path:
        return Path(self._folder.name) / "model"

    def log(self, client: MlflowClient, experiment_id: str, run_id: str, params: Mapping[str, str]) -> str:
        """Move the model to the store as this run's, and give its id there."""
        with self._folder:
            logged = client.create_logged_model(experiment_id, "model", run_id, _context(), dict(params))
            self._about.artifact_path, self._about.run_id = logged.artifact_location, run_id
            self._about.model_uuid = self._about.model_id = logged.model_id
            self._about.save(str(self._path / "MLmodel"))
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
            client.log_model_artifacts(logged.model_id, str(self._path))
            client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        return str(logged.model_id)


@functools.cache
def _context() -> dict[str, str]:
    """MLflow's own tags of a model: user, program, Git's commit. They are the process's."""
    return dict(resolve_tags())
