"""An MLflow server, and what stands before it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.tracking import retry, upload_queue
from tests.support.proxy import Proxy, proxy
from tests.support.servers import mlflow_server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's."""
    return tmp_path_factory.mktemp("server") / "server"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """Its address."""
    with mlflow_server(folder) as url:
        yield url


@pytest.fixture
def between(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What stands before the server; nobody waits long for it."""
    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    monkeypatch.setattr(retry, "SECONDS", 0.3)
    with proxy(server) as state:
        yield state
        upload_queue.drain()
