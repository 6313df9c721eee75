"""The MLflow store: where it is, made ready once, and the experiment in it."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.atomic import atomic_write
from pipeline.core.config import Tracking
from pipeline.core.errors import StoreError, UserError
from pipeline.core.paths import home
from pipeline.core.text import redact
from pipeline.tracking import GIVEN_URI, store_errors

SQLITE = "sqlite:///"
MISREAD = re.compile("[?]|%[0-9A-Fa-f]{2}")  # in a file's path: SQLAlchemy takes it for parameters, MLflow for a letter


@dataclass(frozen=True)
class Store:
    """An open store and the experiment that runs go to."""

    client: MlflowClient = field(compare=False)
    uri: str
    experiment_id: str


_opened: dict[tuple[str, str], Store] = {}  # by address and experiment


def uri(tracking: Tracking) -> str:
    """MLFLOW_TRACKING_URI where it is set, else the configured one; relative sqlite paths are under the project.

    Raises:
        UserError: MLflow would read the path of a sqlite file as another one.
    """
    where = GIVEN_URI or tracking.uri
    path = where.removeprefix(SQLITE)
    if path == where:
        return where
    file = str(home() / path)
    if misread := MISREAD.search(file):
        raise UserError(
            f"MLflow cannot keep runs in {file}, because of the {misread[0]} in its path: rename that folder, or "
            "choose another file with tracking.uri or MLFLOW_TRACKING_URI, as sqlite:////home/me/mlflow.db"
        )
    return f"{SQLITE}{file}"


def exists(tracking: Tracking) -> bool:
    """Whether there is a store; of what is no sqlite file that is not known.

    Raises:
        OSError: the file may not be read.
    """
    where = uri(tracking)
    path = Path(where.removeprefix(SQLITE))
    if where.startswith(SQLITE) and path.is_file():
        path.open("rb").close()  # where it may not be read, MLflow would try to for two minutes
    return not where.startswith(SQLITE) or path.is_file()


def has_experiment(tracking: Tracking) -> bool:
    """Whether there is a store with the experiment in it; nothing is created. One that was opened is not asked again.

    Raises:
        UserError: the store cannot be used.
    """
    if (uri(tracking), tracking.experiment) in _opened:
        return True
    if not exists(tracking):
        return False
    client = look(tracking)
    with telling(uri(tracking)):
        return client.get_experiment_by_name(tracking.experiment) is not None


def connect(tracking: Tracking) -> Store:
    """Open the store, creating its tables and the experiment where they are missing.

    Raises:
        UserError: the store cannot be opened, or the experiment was deleted.
    """
    where = uri(tracking)
    mlflow.set_tracking_uri(where)
    with telling(where), _alone(where):
        if not exists(tracking):
            _create(Path(where.removeprefix(SQLITE)))
        client = MlflowClient(where)
        return Store(client, where, _experiment(client, tracking.experiment, where))


def connect_once(tracking: Tracking) -> Store:
    """As `connect`, but a store that this process has opened before is not asked again: it may not answer now."""
    where = uri(tracking)
    mlflow.set_tracking_uri(where)
    if (where, tracking.experiment) not in _opened:
        _opened[where, tracking.experiment] = connect(tracking)
    return _opened[where, tracking.experiment]


def look(tracking: Tracking) -> MlflowClient:
    """Open a store to look into it: nothing is created.

    Raises:
        UserError: there is none yet, or it cannot be opened.
    """
    where = uri(tracking)
    if not exists(tracking):
        raise UserError(f"there is no run yet in {redact(where)}: run `dvc repro`")
    mlflow.set_tracking_uri(where)
    with telling(where):
        client = MlflowClient(where)
        client.search_experiments(max_results=1)
        return client


@contextmanager
def telling(where: str) -> Iterator[None]:
    """Tell in one line why the store cannot be used.

    Raises:
        StoreError: it cannot, for whatever reason MLflow or the system give.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        raise StoreError(
            f"the MLflow store {redact(where)} cannot be used ({store_errors.reason(error)}): start it, "
            "or choose another one with tracking=sqlite, tracking.uri or MLFLOW_TRACKING_URI"
        ) from error


def _create(path: Path) -> None:
    """Make a new file's tables under another name: a process that is killed meanwhile leaves no half of a store."""
    with atomic_write(path) as temporary:
        MlflowClient(f"{SQLITE}{temporary}").search_experiments()


def _experiment(client: MlflowClient, name: str, where: str) -> str:
    """The experiment's id; a new one is created."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = client.get_experiment(client.create_experiment(name, _artifacts(where, name)))
    if experiment.lifecycle_stage == "deleted":
        raise UserError(
            f"MLflow experiment {name!r} was deleted: restore it with `mlflow experiments restore "
            f"-x {experiment.experiment_id}`, or choose another tracking.experiment"
        )
    location = local_file_uri_to_path(experiment.artifact_location)
    if not where.startswith(SQLITE) and is_local_uri(experiment.artifact_location) and not Path(location).is_dir():
        raise UserError(
            f"the MLflow store {redact(where)} keeps the artifacts of experiment {name!r} in {location}, a "
            "folder that is not on this machine: start it with `mlflow server --serve-artifacts` and choose another "
            "tracking.experiment"
        )
    return str(experiment.experiment_id)


def _alone(where: str) -> AbstractContextManager[object]:
    """Processes that start together on a new sqlite file would each create its tables, and leave it half made."""
    return FileLock(f"{where.removeprefix(SQLITE)}.lock") if where.startswith(SQLITE) else nullcontext()


def _artifacts(where: str, experiment: str) -> str | None:
    """Beside a sqlite file; a server decides for itself."""
    if not where.startswith(SQLITE):
        return None
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in experiment)
    return (Path(where.removeprefix(SQLITE)).parent / "mlartifacts" / safe).as_uri()
