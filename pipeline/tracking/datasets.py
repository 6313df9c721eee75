"""The data sets of a run as MLflow inputs: name, shape, and the hash that data.dvc pins."""

import json
from collections.abc import Mapping

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pipeline.core.config import Data
from pipeline.core.text import redact
from pipeline.data.images import LabelledImages

# Contexts of a data set.
TRAINING, VALIDATION, TEST = "training", "validation", "test"


def inputs(data: Data, data_md5: str, sets: Mapping[str, LabelledImages]) -> list[DatasetInput]:
    """MLflow inputs of these sets by context, such as `training`.

    Their digest is DVC's MD5 of data/. MLflow's own digest would cover the first few images only.
    """
    sources = [data.path] if data.files is None else list(data.sources)
    source = redact(json.dumps({"path": "data", "sources": sources}))
    return [
        DatasetInput(
            Dataset(f"{data.name} {context}", data_md5, "dvc", source, _schema(images), _profile(images)),
            [InputTag(MLFLOW_DATASET_CONTEXT, context)],
        )
        for context, images in sets.items()
    ]


def _schema(images: LabelledImages) -> str:
    """The schema of a NumPy data set in MLflow's form."""
    arrays = {"features": images.images, "targets": images.labels}
    return json.dumps(
        {
            "mlflow_tensorspec": {
                name: json.dumps(
                    [{"type": "tensor", "tensor-spec": {"dtype": str(array.dtype), "shape": [-1, *array.shape[1:]]}}]
                )
                for name, array in arrays.items()
            }
        }
    )


def _profile(images: LabelledImages) -> str:
    return json.dumps({"features_shape": images.images.shape, "targets_shape": images.labels.shape})
