"""The MLflow model registry: versions of one model, of which one is the champion."""

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

CHAMPION = "champion"  # the alias


def champion(client: MlflowClient, name: str) -> ModelVersion | None:
    """The version of the model that has the alias, if there is one."""
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        # The codes for a model that is not there, and for one without the alias.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
