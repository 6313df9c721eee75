"""The MLflow model registry: versions of one model, of which one is the champion."""

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run as MlflowRun
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


def register(client: MlflowClient, name: str, run: MlflowRun, tags: Mapping[str, str]) -> ModelVersion:
    """The run's model as a new version with these tags, which becomes the champion.

    The description shows the version's figures where people look at it; MLflow links its run and pictures.
    """
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model_id = run.outputs.model_outputs[0].model_id
    version = client.create_model_version(
        name,
        source=f"models:/{model_id}",
        run_id=run.info.run_id,
        tags=dict(tags),
        description="\n".join(f"- {key}: {value}" for key, value in tags.items()),
        model_id=model_id,
    )
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return version
