"""The data of a run as MLflow's inputs: which set, how many images, and the hash that data.dvc pins."""

import json
from collections.abc import Mapping

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from pipeline.core.config import Data
from pipeline.core.text import redact
from pipeline.data.images import LabelledImages

# What a data set was used for.
TRAINING, VALIDATION, TEST = "training", "validation", "test"


def inputs(data: Data, data_md5: str, sets: Mapping[str, LabelledImages]) -> list[DatasetInput]:
    """The sets by what they are used for, as `training`.

    Their digest is DVC's MD5 of data/, of which they are parts: MLflow's own would cover the first few images only.
    """
    places = [data.path] if data.files is None else list(data.sources)
    source = redact(json.dumps({"path": "data", "sources": places}))
    return [
        DatasetInput(
            Dataset(f"{data.name} {use}", data_md5, "dvc", source, _schema(images), _profile(images)),
            [InputTag(MLFLOW_DATASET_CONTEXT, use)],
        )
        for use, images in sets.items()
    ]


def _schema(images: LabelledImages) -> str:
    """As MLflow describes a NumPy data set."""
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
