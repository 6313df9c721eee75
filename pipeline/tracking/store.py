"""The MLflow store: its address, its one-time set-up, and the experiment in it."""

import functools
import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from pipeline.core.atomic import atomic_write
from pipeline.core.config import Tracking
from pipeline.core.errors import UserError
from pipeline.core.paths import expand_home, home
from pipeline.core.text import redact
from pipeline.tracking import ENVIRONMENT_URI
from pipeline.tracking.store_errors import store_errors

SQLITE = "sqlite:///"
OTHER_STORE = "choose another store with tracking.uri or MLFLOW_TRACKING_URI, for example sqlite:////home/me/mlflow.db"
MISREAD = re.compile("[?]|%[0-9A-Fa-f]{2}")  # in a file's path: SQLAlchemy reads parameters there, MLflow a character


class Client:
    """MlflowClient, but every failure of a method is a StoreError."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with store_errors(uri):
            self._client = MlflowClient(uri)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The method of MlflowClient."""
        method = getattr(self._client, name)

        @functools.wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            with store_errors(self.uri):
                return method(*args, **options)

        return call


@dataclass(frozen=True)
class Store:
    """An open store and the experiment that runs go to."""

    client: Client = field(compare=False)
    uri: str
    experiment_id: str

    @property
    def display_uri(self) -> str:
        """The address without credentials."""
        return redact(self.uri)


_connected: dict[tuple[str, str], Store] = {}  # by address and experiment


def uri(tracking: Tracking) -> str:
    """MLFLOW_TRACKING_URI where it is set, else the configured one; relative sqlite paths are below the project.

    Raises:
        UserError: MLflow would read the path of a sqlite file as another path.
    """
    address = expand_home(ENVIRONMENT_URI or tracking.uri)
    path = address.removeprefix(SQLITE)
    if path == address:
        return address
    file = str(home() / path)
    if misread := MISREAD.search(file):
        raise UserError(
            f"MLflow cannot keep runs in {file}, because of the {misread[0]} in its path: rename that folder, or "
            f"{OTHER_STORE}"
        )
    return f"{SQLITE}{file}"


def exists(address: str) -> bool:
    """Whether there is a store. Only a sqlite file can be missing.

    Raises:
        StoreError: the file cannot be read.
    """
    path = Path(address.removeprefix(SQLITE))
    if address.startswith(SQLITE) and path.is_file():
        with store_errors(address):
            path.open("rb").close()  # where this fails, MLflow would try for two minutes
    return not address.startswith(SQLITE) or path.is_file()


def find(tracking: Tracking) -> Store | None:
    """The store, if it has the experiment. Writes nothing; does not ask a store that is connected.

    Raises:
        UserError: the store cannot be used, or the experiment was deleted.
    """
    address = uri(tracking)
    if (address, tracking.experiment) in _connected:
        return _connected[address, tracking.experiment]
    if not exists(address):
        return None
    client = open_existing(tracking)
    experiment = client.get_experiment_by_name(tracking.experiment)
    if experiment is None:
        return None
    _refuse_deleted(experiment)
    return Store(client, address, str(experiment.experiment_id))


def connect(tracking: Tracking) -> Store:
    """Open the store for writing, and create its tables and the experiment where they are missing.

    A store that this process has opened is not asked again: it may be away now.

    Raises:
        UserError: the store cannot be opened, its files may not be written, or the experiment was deleted.
    """
    address = uri(tracking)
    mlflow.set_tracking_uri(address)
    if (address, tracking.experiment) not in _connected:
        _connected[address, tracking.experiment] = _connect(address, tracking.experiment)
    return _connected[address, tracking.experiment]


def open_existing(tracking: Tracking) -> Client:
    """Open a store for reading. Creates nothing.

    Raises:
        UserError: there is no store yet, or it cannot be opened.
    """
    address = uri(tracking)
    if not exists(address):
        raise UserError(f"there is no run yet in {redact(address)}: run `dvc repro`")
    mlflow.set_tracking_uri(address)
    client = Client(address)
    client.search_experiments(max_results=1)
    return client


def _connect(address: str, experiment: str) -> Store:
    path = Path(address.removeprefix(SQLITE)) if address.startswith(SQLITE) else None
    if path is not None:
        # The folder, too: sqlite keeps its journal there.
        _check_writable(path.parent, path, _lock_file(path))
    with store_errors(address), nullcontext() if path is None else FileLock(_lock_file(path)):
        if path is not None and not exists(address):
            _create(path)
        client = Client(address)
        return Store(client, address, _experiment_id(client, experiment))


def _create(path: Path) -> None:
    """Create a sqlite file with its tables under a temporary name: a kill leaves no file without all tables."""
    with atomic_write(path) as temporary:
        MlflowClient(f"{SQLITE}{temporary}").search_experiments()


def _experiment_id(client: Client, name: str) -> str:
    """The id of the experiment, which is created where it is missing."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = client.get_experiment(client.create_experiment(name, _artifact_location(client.uri, name)))
    _refuse_deleted(experiment)
    location = local_file_uri_to_path(experiment.artifact_location)
    is_local = is_local_uri(experiment.artifact_location)
    if not client.uri.startswith(SQLITE) and is_local and not Path(location).is_dir():
        raise UserError(
            f"the MLflow store {redact(client.uri)} keeps the artifacts of experiment {name!r} in "
            f"{location}, a folder that is not on this machine: start it with `mlflow server --serve-artifacts` and "
            "choose another tracking.experiment"
        )
    if is_local:
        folder = Path(location)
        _check_writable(next(parent for parent in (folder, *folder.parents) if parent.exists()))
    return str(experiment.experiment_id)


def _refuse_deleted(experiment: Experiment) -> None:
    if experiment.lifecycle_stage == LifecycleStage.DELETED:
        raise UserError(
            f"MLflow experiment {experiment.name!r} was deleted: restore it with `mlflow experiments restore "
            f"-x {experiment.experiment_id}`, or choose another tracking.experiment"
        )


def _check_writable(*paths: Path) -> None:
    """Check that this user may write the existing ones of these files of the store, the first of which is a folder.

    MLflow would notice it after the training, and would retry for a minute.

    Raises:
        UserError: this user may not.
    """
    for path in paths:
        if path.exists() and not os.access(path, os.W_OK):
            raise UserError(
                f"{path} may not be written, and the MLflow store is there: get the permission, or {OTHER_STORE}"
            )
    if paths[0].exists() and not paths[0].is_dir():
        raise UserError(f"{paths[0]} is no folder, and the MLflow store needs it: move it away, or {OTHER_STORE}")


def _lock_file(path: Path) -> Path:
    """The lock of a sqlite file: processes that start together would each create its tables, and leave it half made."""
    return path.with_name(f"{path.name}.lock")


def _artifact_location(address: str, experiment: str) -> str | None:
    """A folder beside a sqlite file; a server chooses the location itself."""
    if not address.startswith(SQLITE):
        return None
    safe = "".join(character if character.isalnum() or character in "-_." else "_" for character in experiment)
    return (Path(address.removeprefix(SQLITE)).parent / "mlartifacts" / safe).as_uri()
