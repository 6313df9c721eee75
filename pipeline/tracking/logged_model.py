"""A Keras model as MLflow's logged model.

It is what MLflow's own log_model leaves in the store. But log_model needs one store and one run at a time in a process,
and reads the run's params and, one by one, the history of its metrics from the store.

The folder of a model has two of them: in `data` the file that training wrote, in `served` what MLflow loads.
"""

import functools
import shutil
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

# The packages that serve the model. To infer them, MLflow starts a process and takes 12 s a run.
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("mlflow", "tensorflow", "keras", "numpy")]


DATA, SERVED, FILE = "data", "served", "model.keras"


class SavedModel:
    """A trained model: its file, the model to serve, and its signature, from pixels and probabilities of images."""

    def __init__(
        self, file: Path, served: Any, pixels: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]
    ) -> None:
        self._file, self._served, self._signature = file, served, infer_signature(pixels, probabilities)

    def save(self, folder: Path) -> None:
        """Save the model in MLflow's format."""
        import mlflow.keras  # late: the model has imported TensorFlow already

        # No input example: MLflow would load the model back to try it, which takes as long as the rest of a run.
        # Not mlflow.tensorflow: it would add the custom objects of the process as a pickle, which is code.
        about = Model()
        mlflow.keras.save_model(
            self._served, str(folder), mlflow_model=about, signature=self._signature, pip_requirements=REQUIREMENTS
        )
        (folder / SERVED).mkdir()
        (folder / DATA / FILE).rename(folder / SERVED / FILE)
        shutil.copyfile(self._file, folder / DATA / FILE)
        about.flavors["keras"]["data"] = SERVED
        about.model_size_bytes += self._file.stat().st_size
        about.save(str(folder / "MLmodel"))


def log(store: Store, run_id: str, params: Mapping[str, str], folder: Path, *, may_repeat: bool) -> str:
    """Log the model in the folder as the only one of the run, and return its id.

    With `may_repeat` an earlier attempt may have been interrupted.
    """
    client, known = store.client, False
    query = f"source_run_id = '{run_id}'"
    models = client.search_logged_models([store.experiment_id], query) if may_repeat else []
    if models:
        logged = models[0]
        outputs = client.get_run(run_id).outputs
        known = logged.model_id in [output.model_id for output in outputs.model_outputs]
    else:
        logged = client.create_logged_model(store.experiment_id, "model", run_id, _context(), dict(params))
    mlmodel = Model.load(str(folder))
    mlmodel.artifact_path, mlmodel.run_id = logged.artifact_location, run_id
    mlmodel.model_uuid = mlmodel.model_id = logged.model_id
    mlmodel.save(str(folder / "MLmodel"))
    if not known:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id)


@functools.cache
def _context() -> dict[str, str]:
    """MLflow's own tags of a model: user, program, Git commit. They are those of the process."""
    return dict(resolve_tags())
