"""The MLflow model registry: versions of one model; the alias `champion` names one of them."""

from collections.abc import Mapping

from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion

from pipeline.core.errors import StoreError
from pipeline.tracking.store import Client

CHAMPION = "champion"  # the alias


def champion(client: Client, name: str) -> ModelVersion | None:
    """The version of the model that has the alias, if there is one."""
    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except StoreError as error:
        # MLflow's codes for a missing model, and for one without the alias.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def register(client: Client, name: str, run: MlflowRun, tags: Mapping[str, str]) -> ModelVersion:
    """Register the run's model as a new version with these tags, and make it the champion.

    The description repeats the tags, where MLflow's UI shows them; MLflow itself links the run and its figures.
    """
    try:
        client.create_registered_model(name)
    except StoreError as error:
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
