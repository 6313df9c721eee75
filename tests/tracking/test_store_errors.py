"""A store error names its reason, and a param that is too long says that it is cut."""

import os
from collections.abc import Iterator

import pytest
from mlflow.entities import Metric
from mlflow.tracking._tracking_service.utils import _get_store
from sqlalchemy import event

from pipeline.core.config import Tracking
from pipeline.core.errors import StoreError
from pipeline.core.text import MAX_PARAM_LENGTH
from pipeline.runs.parent_run import open_parent
from pipeline.tracking import store
from pipeline.tracking.store import Store


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A new store in a sqlite file."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    opened = store.connect(Tracking(uri, "odd", weight_images_every=0, weight_image_limit=1.0, system_metrics_every=0))
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # set by MLflow, and inherited by the processes of later tests
    yield opened
    _get_store(uri).engine.dispose()


def test_param_of_a_sweep_that_is_too_long_says_that_it_is_cut(opened: Store) -> None:
    """The values of a sweep may be longer than MLflow's limit."""
    parent = open_parent(opened, "key", "sweep", {}, {"seed": ",".join(map(str, range(3000)))}, fresh=False)
    param = opened.client.get_run(parent.id).data.params["space.seed"]
    assert len(param) == MAX_PARAM_LENGTH
    assert param.endswith("... (the whole is in multirun.yaml)")


def test_error_of_a_read_only_store_names_the_reason(opened: Store) -> None:
    """SQLAlchemy puts a line about its autoflush before the reason."""
    run = opened.client.create_run(opened.experiment_id)
    engine = _get_store(opened.uri).engine

    def forbid_writing(connection: object, *_: object) -> None:
        connection.execute("pragma query_only=1")  # type: ignore[attr-defined]  # sqlite's own connection

    event.listen(engine, "checkout", forbid_writing)
    with pytest.raises(StoreError) as raised:
        opened.client.log_batch(run.info.run_id, [Metric("x", 1.0, 1, 1)])
    assert raised.value.reason == "(sqlite3.OperationalError) attempt to write a readonly database"
    assert not raised.value.transient, "a retry would fail, too"


def test_error_of_a_server_behind_a_proxy_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its password. A server on this machine needs no proxy, whatever the shell has set."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://me:secret@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for url, named in (("http://mlflow.invalid", True), ("http://127.0.0.1:1", False)):
        with pytest.raises(StoreError) as raised:
            store.connect(Tracking(url, "x", weight_images_every=0, weight_image_limit=1.0, system_metrics_every=0))
        assert (" through the proxy http://127.0.0.1:1 (" in str(raised.value)) == named
        assert "secret" not in str(raised.value)
