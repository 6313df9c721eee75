"""The commands compare and promote; the tests of promote share one model registry, in their order."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import requests

from pipeline import promote
from pipeline.compare import compare
from pipeline.comparison import answers, table
from pipeline.core.errors import UserError
from pipeline.evaluation.predictions import Predictions
from pipeline.runs import registry
from pipeline.runs.lookup import Lookup
from pipeline.tracking.store import Client
from tests.comparison.conftest import Evaluated
from tests.support.imports import run_and_list
from tests.support.project import ROOT
from tests.support.servers import free_port, wait_for
from tests.support.stores import client_of


def test_command_prints_settings_errors_and_significance(evaluated: Evaluated) -> None:
    """Equal settings are omitted; a prefix of an id, a model folder and a run that was not evaluated are accepted."""
    done = evaluated.project.stage("compare", evaluated.good[:10], "models", evaluated.untested, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    ids = " +".join(run_id[:8] for run_id in (evaluated.good, evaluated.bad, evaluated.untested))
    assert re.search(rf"^run +{ids}", done.stdout, re.MULTILINE)
    assert re.search(r"^train\.learning_rate +0\.1 +0\.0005 +0\.1$", done.stdout, re.MULTILINE)
    assert re.search(r"^train\.epochs +20 +1 +2$", done.stdout, re.MULTILINE)
    assert "train.batch_size" not in done.stdout
    assert "data.md5" not in done.stdout
    assert re.search(
        r"^.* makes .* points more errors than .*: a real difference \(p = .*\)$", done.stdout, re.MULTILINE
    )
    assert done.stdout.count("errors than") == 2


def test_metrics_are_those_of_the_runs(evaluated: Evaluated) -> None:
    """Errors and the counts of the paired test, recomputed from the two files of predictions."""
    compared = compare([evaluated.good, evaluated.bad], evaluated.config)
    rows = {row[0]: row[1:] for row in table.rows(compared)}
    lookup = Lookup(evaluated.config)
    wrong = []
    for run_id in (evaluated.good, evaluated.bad):
        path = lookup.download_artifact(lookup.run(run_id), "predictions.csv")
        assert path is not None
        with path.open() as file:
            wrong.append([row["label"] != row["predicted"] for row in csv.DictReader(file)])
    assert len(wrong[0]) == 297
    assert rows["test error"] == [f"{sum(run) / 297:.2%}" for run in wrong]
    assert rows["wrong where the first is right"] == ["-", str(sum(b and not a for a, b in zip(*wrong, strict=True)))]
    assert rows["right where the first is wrong"] == ["-", str(sum(a and not b for a, b in zip(*wrong, strict=True)))]
    assert float(rows["p-value (McNemar, exact)"][1]) < 1e-3
    assert rows["validation error"][0] == f"{lookup.run(evaluated.good).data.metrics['best/valid_error']:.2%}"


def test_json_has_the_figures_of_the_runs(evaluated: Evaluated) -> None:
    """All digits of them. The first run, the baseline, has no test; a model that no run made has no id."""
    _repack(evaluated.project.folder / "models/model.keras", evaluated.project.folder / "no_run.keras")
    done = evaluated.project.stage("compare", "--json", evaluated.good, evaluated.bad, "no_run.keras")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    good, bad, no_run = document["runs"]
    lookup = Lookup(evaluated.config)
    for item, run_id in ((good, evaluated.good), (bad, evaluated.bad)):
        run = lookup.run(run_id)
        assert (item["run_id"], item["name"]) == (run_id, run.info.run_name)
        for key, metric in (
            ("best_epoch", "best/epoch"),
            ("valid_error", "best/valid_error"),
            ("valid_loss", "best/valid_loss"),
            ("test_error", "test/error"),
        ):
            assert item[key] == run.data.metrics[metric]
        interval = [run.data.metrics[f"test/error_{end}"] for end in ("low", "high")]
        assert item["test_error_interval"] == pytest.approx(interval)
    _, second = compare([evaluated.good, evaluated.bad], evaluated.config)
    assert second.test is not None
    expected = (*second.test, True)
    names = ("right_where_first_is_wrong", "wrong_where_first_is_right", "p_value", "significant")
    assert tuple(bad[name] for name in names) == expected
    assert [good[name] for name in names] == [None] * 4
    figures = {name: bad[name] for name in ("test_error", "test_error_interval", "test_images", *names)}
    unknown = dict.fromkeys(("run_id", "best_epoch", "valid_error", "valid_loss"))
    assert no_run == {"name": "no_run.keras", **figures, **unknown}
    assert document["differences"]["train.learning_rate"] == ["0.1", "0.0005", None]
    assert document["differences"]["model.sha256"][0] == lookup.run(evaluated.good).data.tags["model.sha256"]


def _repack(made: Path, loose: Path) -> None:
    """Copy a model file with other bytes, so that no run has made it."""
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(loose, "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name, (1990, 1, 1, 0, 0, 0)), source.read(name))


def test_model_file_predicts_what_its_run_was_evaluated_with(evaluated: Evaluated) -> None:
    """A model file that no run has made predicts at once; the bits are the same."""
    _repack(evaluated.project.folder / "models/model.keras", evaluated.project.folder / "loose.keras")
    done = evaluated.project.stage("compare", "models", "loose.keras", "--csv")
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(done.stdout))}
    assert rows["run"] == [evaluated.bad[:8], "-"]
    assert rows["test error"][0] == rows["test error"][1]
    assert rows["wrong where the first is right"] == rows["right where the first is wrong"] == ["-", "0"]


def test_formats_have_the_same_cells() -> None:
    """Markdown escapes characters that would end a cell."""
    rows = [["", "a|b", "c"], ["run", "1", "2"]]
    assert table.markdown(rows).splitlines()[0].split(" | ")[1].strip() == r"a\|b"
    hostile = table.markdown([["run", "<img src=x>[x](javascript:alert(1))`"]])
    assert r"\<img src=x>\[x](javascript:alert(1))\`" in hostile
    assert list(csv.reader(io.StringIO(table.comma_separated(rows)))) == rows
    assert table.text(rows, 100).split() == ["a|b", "c", "---", "-----", "---", "run", "1", "2"]


def test_runs_that_do_not_fit_into_the_terminal_have_a_table_of_their_own() -> None:
    """No line is longer than the terminal, and every run and every character of a long cell is there."""
    names = [f"lr=0.{number} batch=600 train.l2=0.0001" for number in range(5)]
    rows = [["", *names, "x" * 200], ["right where the first is wrong", *map(str, range(6))]]
    for width, tables in ((100, 6), (200, 3), (1000, 1)):
        printed = table.text(rows, width)
        assert max(map(len, printed.splitlines())) <= width
        assert [name in printed for name in names] == [True] * 5
        assert printed.count("x") == 200
        assert printed.count("right where the first is wrong") == printed.count("\n\n") + 1 == tables
    key = "a.key.that.is.longer.than.half.of.the.line.of.a.narrow.terminal"
    printed = table.text([["", "lr=0.1 batch=600"], [key, "0.25"]], 60)
    assert max(map(len, printed.splitlines())) <= 60
    assert "0.25" in printed


def test_name_of_no_run_or_several_is_refused(evaluated: Evaluated) -> None:
    """The error lists the candidates; a name may have characters that MLflow's filters cannot quote."""
    client = client_of(evaluated.project.folder)
    experiment = client.get_run(evaluated.good).info.experiment_id
    odd = client.create_run(experiment, run_name='it\'s "odd" 100 %').info.run_id
    long = client.create_run(experiment, run_name="name " * 60).info.run_id
    twice = [client.create_run(experiment, run_name="twice").info.run_id for _ in range(2)]
    lookup = Lookup(evaluated.config)
    assert lookup.run('it\'s "odd" 100 %').info.run_id == odd
    assert lookup.run_or_model("name " * 60).id == long
    with pytest.raises(UserError, match="'twice' may be one of 2 runs") as refusal:
        lookup.run("twice")
    assert all(run_id[:8] in str(refusal.value) for run_id in twice)
    for name in ("nothing", "f" * 32, "it's"):
        with pytest.raises(UserError, match="as its id, as the beginning of its id, as its name, or as the name"):
            lookup.run(name)
    with pytest.raises(UserError, match="digits has no champion"):
        lookup.run("champion")


def test_of_runs_with_the_same_name_and_model_the_evaluated_one_is_taken(evaluated: Evaluated) -> None:
    """`dvc exp run` trains the best job of a sweep again, to the same bytes."""
    client = client_of(evaluated.project.folder)
    experiment = client.get_run(evaluated.good).info.experiment_id
    tags = {"model.sha256": "0" * 64}
    _, second, _ = (client.create_run(experiment, tags=tags, run_name="twin").info.run_id for _ in range(3))
    client.log_metric(second, "test/error", 0.1)
    assert Lookup(evaluated.config).run("twin").info.run_id == second
    client.create_run(experiment, tags={"model.sha256": "1" * 64}, run_name="twin")
    with pytest.raises(UserError, match="'twin' may be one of 4 runs"):
        Lookup(evaluated.config).run("twin")


def test_experiment_of_dvc_is_its_latest_finished_training_run(evaluated: Evaluated) -> None:
    """`dvc exp run --force` repeats an experiment, which then has several runs. A failed one may have no finished run.

    A name may have quotes, and characters that a filter's pattern takes for any.
    """
    earlier, latest, failed, sweep, other = _runs_of_experiments(
        evaluated,
        ("it's_odd", "FINISHED", {}),
        ("it's_odd", "FINISHED", {}),
        ("it's_odd", "FAILED", {}),
        ("it's_odd", "FINISHED", {"sweep.key": "a"}),
        ("it's-odd", "FAILED", {}),
    )
    lookup = Lookup(evaluated.config)
    assert lookup.run("it's_odd").info.run_id == latest
    assert lookup.run("it's-odd").info.run_id == other
    for run_id in (earlier, failed, sweep):
        assert lookup.run(run_id).info.run_id == run_id


def test_of_runs_with_the_same_name_the_finished_one_is_taken(evaluated: Evaluated) -> None:
    """A sweep repeats a job that was killed, under the same name. The killed run is still found by its id."""
    client = client_of(evaluated.project.folder)
    experiment = client.get_run(evaluated.good).info.experiment_id
    finished, killed = (client.create_run(experiment, run_name="repeated").info.run_id for _ in range(2))
    lookup = Lookup(evaluated.config)
    client.set_terminated(killed, "KILLED")
    client.set_terminated(finished, "FINISHED")
    assert lookup.run("repeated").info.run_id == finished
    assert lookup.run(killed).info.run_id == killed


def test_name_of_an_experiment_and_of_another_run_is_ambiguous(evaluated: Evaluated) -> None:
    """So are experiments with the same name and different baselines. A run that has the name twice is found."""
    _, own, *same = _runs_of_experiments(
        evaluated,
        ("shared", "FINISHED", {}),
        ("own", "FINISHED", {"mlflow.runName": "own"}),
        ("same", "FINISHED", {"dvc.baseline": "1" * 40}),
        ("same", "FINISHED", {"dvc.baseline": "2" * 40}),
    )
    _runs_of_experiments(evaluated, ("further", "FINISHED", {"mlflow.runName": "shared"}))
    lookup = Lookup(evaluated.config)
    assert lookup.run("own").info.run_id == own
    for name in ("shared", "same"):
        with pytest.raises(UserError, match=f"'{name}' may be one of 2 runs"):
            lookup.run(name)
    with pytest.raises(UserError, match=" .*".join(run_id[:8] for run_id in reversed(same))):
        lookup.run("same")


def _runs_of_experiments(evaluated: Evaluated, *rows: tuple[str, str, dict[str, str]]) -> list[str]:
    """Make runs of DVC experiments with names, statuses and further tags, and return their ids."""
    client = client_of(evaluated.project.folder)
    mlflow_experiment = client.get_run(evaluated.good).info.experiment_id
    ids = []
    for second, (name, status, tags) in enumerate(rows, start=1):
        all_tags = {"dvc.experiment": name, "dvc.baseline": "0" * 40, **tags}
        run = client.create_run(mlflow_experiment, start_time=second * 1000, tags=all_tags)
        client.set_terminated(run.info.run_id, status)
        ids.append(run.info.run_id)
    return ids


def test_other_images_are_not_compared(evaluated: Evaluated) -> None:
    """A paired test needs the same images."""
    lookup = Lookup(evaluated.config)
    first = answers.predictions_for(lookup, lookup.run_or_model(evaluated.good), evaluated.config)
    other = Predictions(first.labels[::-1], first.predicted[::-1], first.probability[::-1])
    with pytest.raises(UserError, match="other images"):
        answers.paired_test(first, other)
    part = Predictions(first.labels[:100], first.predicted[:100], first.probability[:100])
    assert answers.paired_test(first, part).p_value == 1.0


def promoted(evaluated: Evaluated, *args: str, **settings: float) -> int:
    """Promote in this process, and return the exit code."""
    config = evaluated.config
    for name, value in settings.items():
        setattr(config.promotion, name, value)
    return promote.main(promote.arguments().parse_args(list(args)), config)


def champion(evaluated: Evaluated) -> str | None:
    version = registry.champion(Client(f"sqlite:///{evaluated.project.folder}/mlflow.db"), "digits")
    return None if version is None else str(version.run_id)


def test_run_that_does_not_pass_is_refused_with_all_reasons(
    evaluated: Evaluated, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was not evaluated, or is not accurate enough: exit code 1, and no model is registered."""
    assert promoted(evaluated, evaluated.untested) == 1
    assert "not promoted: it has not been evaluated: put its settings into conf/" in capsys.readouterr().err
    assert promoted(evaluated, evaluated.good, "--json", min_accuracy=0.99) == 1
    printed = capsys.readouterr()
    assert "and promotion.min_accuracy is 99.00%" in printed.err
    document = json.loads(printed.out)
    assert [f"error: not promoted: {reason}" for reason in document.pop("reasons")] == printed.err.splitlines()
    unknown = {"version": None, "replaced": None, "unchanged": False, "forced": False}
    assert document == {"promoted": False, "run_id": evaluated.good, "model": "digits", **unknown}
    assert champion(evaluated) is None
    assert client_of(evaluated.project.folder).search_registered_models() == []


def test_good_run_becomes_the_champion(evaluated: Evaluated) -> None:
    """The whole command; the version has the run's metrics and provenance."""
    done = evaluated.project.stage("promote", evaluated.good, "-S", "promotion.min_accuracy=0.7")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"run {evaluated.good} is now version 1 of digits and its champion\nnext: ")
    client = client_of(evaluated.project.folder)
    version = client.get_model_version_by_alias("digits", "champion")
    run = client.get_run(evaluated.good)
    assert version.run_id == evaluated.good
    assert float(version.tags["test/error"]) == pytest.approx(run.data.metrics["test/error"], rel=1e-5)
    assert version.tags["data.md5"] == run.data.tags["data.md5"]
    assert "test/error_low" in version.description
    again = evaluated.project.stage("promote", "champion")
    assert again.returncode == 0
    assert again.stdout.startswith(f"run {evaluated.good} is the champion already: version 1 of digits\nnext: ")
    document = json.loads(evaluated.project.stage("promote", "champion", "--json").stdout)
    assert (document["promoted"], document["unchanged"], document["version"]) == (True, True, 1)


def test_worse_run_is_refused_and_force_is_recorded(evaluated: Evaluated, capsys: pytest.CaptureFixture[str]) -> None:
    """The paired test decides, even if promotion.min_accuracy is low."""
    assert promoted(evaluated, evaluated.bad, min_accuracy=0.0) == 1
    assert f"significantly worse than the champion, run {evaluated.good}: " in capsys.readouterr().err
    assert champion(evaluated) == evaluated.good
    assert promoted(evaluated, evaluated.bad, "--force", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    client = client_of(evaluated.project.folder)
    version = client.get_model_version_by_alias("digits", "champion")
    assert (document["run_id"], document["version"]) == (evaluated.bad, int(version.version))
    assert (document["promoted"], document["forced"], document["replaced"]) == (True, True, 1)
    assert "; ".join(document["reasons"]) == version.tags["forced"]
    assert version.run_id == evaluated.bad
    assert "significantly worse than the champion" in version.tags["forced"]
    assert "promotion.min_accuracy" in version.tags["forced"]
    assert promoted(evaluated, evaluated.good, min_accuracy=0.7) == 0
    assert "forced" not in client.get_model_version_by_alias("digits", "champion").tags


def test_run_evaluated_on_other_test_data_is_not_promoted(
    evaluated: Evaluated, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lower error may come from an easier test set."""
    client = client_of(evaluated.project.folder)
    experiment = client.get_run(evaluated.good).info.experiment_id
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "test/error", 0.001)
    inputs = client.get_run(evaluated.good).inputs.dataset_inputs
    for item in inputs:
        item.dataset._digest = "0" * 32 + ".dir"
    client.log_inputs(run.info.run_id, inputs)
    client.set_terminated(run.info.run_id)
    assert promoted(evaluated, run.info.run_id) == 1
    assert f"it was evaluated on other test data ({'0' * 32}.dir) than the champion" in capsys.readouterr().err


def test_champion_whose_run_is_gone_is_replaced_only_with_force(
    evaluated: Evaluated, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if there is a folder named champion, which RUN would then name."""
    (tmp_path / "champion").mkdir()
    monkeypatch.chdir(tmp_path)
    client = client_of(evaluated.project.folder)
    for run_id in (None, "f" * 32):
        version = client.create_model_version("digits", str(tmp_path), run_id)
        client.set_registered_model_alias("digits", "champion", version.version)
        assert promoted(evaluated, evaluated.good, min_accuracy=0.7) == 1
        assert f"the run of the champion, version {version.version} of digits, is gone" in capsys.readouterr().err
    (tmp_path / "champion").rmdir()
    with pytest.raises(UserError, match=r"has no champion in .* whose run exists"):
        Lookup(evaluated.config).run("champion")
    assert promoted(evaluated, evaluated.good, "--force", min_accuracy=0.7) == 0
    assert champion(evaluated) == evaluated.good


@pytest.mark.server
def test_champion_is_served_over_http_with_the_same_numbers(evaluated: Evaluated) -> None:
    """A real `mlflow models serve` on loopback. It refuses pixels from 0 to 1, and standardized ones.

    MLflow casts them to bytes: each would be an empty picture, which has an answer, too.
    """
    folder, port = evaluated.project.folder, free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/digits@champion"]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    env = evaluated.project.environment(MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}")
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen([*command, *options], env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        pixels = np.load(folder / "prepared/test_images.npy").reshape(-1, 64)[:20]
        url = f"http://127.0.0.1:{port}/invocations"
        answer = requests.post(url, json={"inputs": pixels.tolist()}, timeout=60).json()
        scaled = pixels / 255
        refused = [
            requests.post(url, json=request, timeout=60)
            for request in (
                {"inputs": scaled.tolist()},
                {"instances": [*pixels.tolist(), scaled[0].tolist()]},
                {"dataframe_split": {"columns": list(range(64)), "data": scaled.tolist()}},
                {"inputs": ((pixels - pixels.mean()) / pixels.std()).tolist()},
            )
        ]
    finally:
        os.killpg(process.pid, 15)
        process.wait()
    lookup = Lookup(evaluated.config)
    model = keras.models.load_model(lookup.model_file(lookup.run_or_model(evaluated.good)))
    np.testing.assert_array_equal(np.float32(answer["predictions"]), model(pixels).numpy())
    for response in refused:
        assert response.status_code == 400
        assert "pixels_are_0_to_255_and_one_is_above_16" in response.text


@pytest.mark.parametrize(
    ("command", "words", "code"),
    [
        ("evaluate", [], 0),
        ("compare", ["{good}", "{untested}"], 0),
        ("predict", [str(ROOT / "docs/digits/thin-7.png"), "--model", "{untested}"], 0),
        ("promote", ["{untested}"], 1),
        ("report", ["{good}"], 0),
        ("optimum", ["{good}"], 0),
    ],
)
def test_commands_that_read_a_model_load_neither_tensorflow_nor_keras(
    command: str, words: list[str], code: int, evaluated: Evaluated
) -> None:
    """They take seconds to import, and Keras would deserialize what a foreign file describes."""
    words = [word.format(good=evaluated.good, untested=evaluated.untested) for word in words]
    done = run_and_list(evaluated.project, f"pipeline.{command}", words, {"tensorflow", "keras"})
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_deleted_model_is_an_error(evaluated: Evaluated) -> None:
    """The error names the run, which is still there, and the store."""
    client = client_of(evaluated.project.folder)
    client.delete_logged_model(client.get_run(evaluated.untested).outputs.model_outputs[0].model_id)
    lookup = Lookup(evaluated.config)
    with pytest.raises(UserError, match=f"the model of run {evaluated.untested} is no longer in sqlite:"):
        lookup.model_file(lookup.run_or_model(evaluated.untested))
