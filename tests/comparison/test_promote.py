"""The gate before the champion, and what the registry keeps; the tests build on one another's registry."""

import os
import subprocess
import sys

import numpy as np
import pytest
import requests

from pipeline import promote
from pipeline.model import files
from pipeline.tracking import registry
from pipeline.tracking.lookup import Lookup
from tests.comparison.conftest import Evaluated
from tests.support.servers import free_port, wait_for
from tests.support.stores import client_of


def asked(evaluated: Evaluated, *words: str, **settings: float) -> int:
    """Promote in this process: the exit code."""
    config = evaluated.config
    for name, value in settings.items():
        setattr(config.promotion, name, value)
    return promote.main(promote.arguments().parse_args(list(words)), config)


def champion(evaluated: Evaluated) -> str | None:
    version = registry.champion(client_of(evaluated.project.folder), "digits")
    return None if version is None else str(version.run_id)


def test_run_that_does_not_pass_is_refused_with_all_reasons(
    evaluated: Evaluated, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not evaluated, or not accurate enough: exit code 1, and no model is registered."""
    assert asked(evaluated, evaluated.untested) == 1
    assert "not promoted: it has not been evaluated: put its settings into conf/" in capsys.readouterr().err
    assert asked(evaluated, evaluated.good, min_accuracy=0.99) == 1
    assert "and promotion.min_accuracy is 99.00%" in capsys.readouterr().err
    assert champion(evaluated) is None
    assert client_of(evaluated.project.folder).search_registered_models() == []


def test_good_run_becomes_the_champion(evaluated: Evaluated) -> None:
    """As a user types it; the version shows its figures and what made it."""
    done = evaluated.project.stage("promote", evaluated.good, "-S", "promotion.min_accuracy=0.7")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"run {evaluated.good} is now version 1 of digits and its champion\n"
    client = client_of(evaluated.project.folder)
    version = client.get_model_version_by_alias("digits", "champion")
    run = client.get_run(evaluated.good)
    assert version.run_id == evaluated.good
    assert float(version.tags["test/error"]) == pytest.approx(run.data.metrics["test/error"], rel=1e-5)
    assert version.tags["data.md5"] == run.data.tags["data.md5"]
    assert "test/error_low" in version.description
    again = evaluated.project.stage("promote", "champion")
    assert again.returncode == 0
    assert again.stdout == f"run {evaluated.good} is the champion already: version 1 of digits\n"


def test_worse_run_is_refused_and_force_is_recorded(evaluated: Evaluated, capsys: pytest.CaptureFixture[str]) -> None:
    """A paired test on the same images says so, even where the accuracy asked for is low."""
    assert asked(evaluated, evaluated.bad, min_accuracy=0.0) == 1
    assert f"significantly worse than the champion, run {evaluated.good}: " in capsys.readouterr().err
    assert champion(evaluated) == evaluated.good
    assert asked(evaluated, evaluated.bad, "--force") == 0
    client = client_of(evaluated.project.folder)
    version = client.get_model_version_by_alias("digits", "champion")
    assert version.run_id == evaluated.bad
    assert "significantly worse than the champion" in version.tags["forced"]
    assert "promotion.min_accuracy" in version.tags["forced"]
    assert asked(evaluated, evaluated.good, min_accuracy=0.7) == 0
    assert "forced" not in client.get_model_version_by_alias("digits", "champion").tags


def test_other_test_data_are_no_ground_for_promotion(evaluated: Evaluated, capsys: pytest.CaptureFixture[str]) -> None:
    """A lower error on an easier set is no progress."""
    client = client_of(evaluated.project.folder)
    experiment = client.get_run(evaluated.good).info.experiment_id
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "test/error", 0.001)
    inputs = client.get_run(evaluated.good).inputs.dataset_inputs
    for item in inputs:
        item.dataset._digest = "0" * 32 + ".dir"
    client.log_inputs(run.info.run_id, inputs)
    client.set_terminated(run.info.run_id)
    assert asked(evaluated, run.info.run_id) == 1
    assert f"it was evaluated on other test data ({'0' * 32}.dir) than the champion" in capsys.readouterr().err


def test_champion_is_served_over_http_with_the_same_numbers(evaluated: Evaluated) -> None:
    """`mlflow models serve`, for real on loopback."""
    folder, port = evaluated.project.folder, free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/digits@champion"]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = evaluated.project.environment(MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}")
    with (folder / "serve.log").open("w") as told:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdout=told, stderr=told, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        pixels = np.load(folder / "prepared/test_images.npy").reshape(-1, 64)[:20]
        answer = requests.post(
            f"http://127.0.0.1:{port}/invocations", json={"inputs": pixels.tolist()}, timeout=60
        ).json()
    finally:
        os.killpg(process.pid, 15)
        process.wait()
    lookup = Lookup(evaluated.config)
    model = files.load(lookup.model_file(lookup.subject(evaluated.good)))
    np.testing.assert_array_equal(np.float32(answer["predictions"]), model(pixels).numpy())
