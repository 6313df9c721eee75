"""A Keras model as MLflow's logged model.

As MLflow's own log_model leaves it in the store. But that wants the whole process to have one store and one run at a
time, and asks the store for the run's params and, one by one, for the history of its metrics.
"""

import functools
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, infer_signature
from mlflow.tracking.context.registry import resolve_tags

from pipeline.tracking.store import Store

# What the model needs where it is served. Left to infer it, MLflow starts a process and takes 12 s a run.
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("mlflow", "tensorflow", "keras", "numpy")]


class SavedModel:
    """A trained model and what it answers to a few images, to be saved as MLflow wants it."""

    def __init__(self, model: Any, pixels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> None:
        self._model, self._signature = model, infer_signature(pixels, probabilities)

    def save(self, folder: Path) -> None:
        """Write MLflow's folder of the model."""
        import mlflow.keras  # with the model already built, TensorFlow costs nothing more

        # No input example: MLflow would read the model back to try it, for as long as all the rest of a run takes.
        # MLflow's flavour for TensorFlow would add the process's custom objects as a pickle, which is code.
        mlflow.keras.save_model(
            self._model, str(folder), mlflow_model=Model(), signature=self._signature, pip_requirements=REQUIREMENTS
        )


def log(store: Store, run_id: str, params: Mapping[str, str], folder: Path, *, again: bool) -> str:
    """Give the store the model in the folder as this run's only one, and tell its id there.

    `again` where an earlier attempt may have come half-way.
    """
    client, known = store.client, False
    found = client.search_logged_models([store.experiment_id], f"source_run_id = '{run_id}'") if again else []
    if found:
        logged = found[0]
        outputs = client.get_run(run_id).outputs
        known = logged.model_id in [output.model_id for output in outputs.model_outputs]
    else:
        logged = client.create_logged_model(store.experiment_id, "model", run_id, _context(), dict(params))
    about = Model.load(str(folder))
    about.artifact_path, about.run_id = logged.artifact_location, run_id
    about.model_uuid = about.model_id = logged.model_id
    about.save(str(folder / "MLmodel"))
    if not known:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id)


@functools.cache
def _context() -> dict[str, str]:
    """MLflow's own tags of a model: user, program, Git's commit. They are the process's."""
    return dict(resolve_tags())
