"""A wrong setting gives one line on stderr, and an exit code in real processes."""

import io
import json
import math
import shutil
from pathlib import Path

import pytest

from pipeline.core.errors import UserError
from pipeline.core.paths import CONF
from pipeline.runs import command_line
from tests.support.project import Project

# One for each way in which a command ends; test_configuration.py and the tests below try the settings themselves.
REFUSED_COMMANDS: list[tuple[list[str], int, list[str]]] = [
    (["train.batch_size=0"], 2, ["train.batch_size=0", "at least 1"]),
    (["train.learning_rat=0.1"], 1, ["train.learning_rat is not a setting", "train.learning_rate"]),
    (["train.learning_rate=0,01"], 1, ["train.learning_rate=0,01", "--multirun"]),
    (["train=3"], 1, ["Got int"]),
    (["train.epochs=1", "-m", "seed=1,2"], 2, ["unrecognized arguments: seed=1,2 (options such as --multirun go"]),
    (["hydra.run.dir=/proc/x"], 2, ["/proc/x: No such file or directory: install or restore it"]),
    (["--multirun", "+hydra.sweeper.params={train.lr: '1,2'}"], 1, ["train.lr is not a setting"]),
    (["seed=${nope}"], 2, ["seed", "nope"]),
]


@pytest.mark.parametrize(
    ("words", "code", "expected"), REFUSED_COMMANDS, ids=[" ".join(row[0]) for row in REFUSED_COMMANDS]
)
def test_refused_command_line_is_one_line_and_an_exit_code(
    words: list[str], code: int, expected: list[str], fresh: Project
) -> None:
    """No traceback, no second line; 2 from us, 1 where Hydra refuses."""
    done = fresh.stage("train", *words)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    for text in expected:
        assert text in done.stderr


def test_full_error_keeps_the_traceback(fresh: Project) -> None:
    """HYDRA_FULL_ERROR=1 is for debugging conf/ and the command line."""
    done = fresh.stage("train", "train.learning_rat=0.1", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    ours = fresh.stage("train", "train.batch_size=0", HYDRA_FULL_ERROR="1")
    assert ours.returncode == 1
    assert "Traceback" in ours.stderr


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("train.batch_size=bad", ["train.batch_size", "'bad'", "Integer"]),
        ("train.learning_rate=", ["train.learning_rate", "Float"]),
        ("+train.learning_rat=0.1", ["train.learning_rat is not a setting", "train.learning_rate"]),
        ("train.lr=0.1", ["train.lr is not a setting; there are train.learning_rate"]),
        ("zzz=1", ["zzz", "there are data, model, train, tracking, sweep, promotion, seed"]),
        ("train.learning_rate={", ["train.learning_rate={ is not understood"]),
    ],
)
def test_wrong_override_gives_one_line(word: str, expected: list[str]) -> None:
    """The line says what is allowed instead."""
    assert_one_line([word], expected)


def test_json_has_null_for_numbers_that_are_not_finite() -> None:
    """Other programs refuse NaN and Infinity, which Python would write: the loss of a run that diverged."""
    stream = io.StringIO()
    command_line.print_json({"loss": math.nan, "rows": [(1, -math.inf), {"error": 0.25, "epoch": None}]}, stream)
    assert stream.getvalue().endswith("}\n")
    assert json.loads(stream.getvalue()) == {"loss": None, "rows": [[1, None], {"error": 0.25, "epoch": None}]}


def assert_one_line(words: list[str], expected: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        command_line.settings(words)
    assert "\n" not in str(refusal.value)
    for text in expected:
        assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epochs: 100", "epoch: 100", ["train.epoch is not a setting", "train.epochs", "conf/settings.yaml"]),
        ("epochs: 100", "epochs: many", ["train.epochs", "'many'", "conf/settings.yaml"]),
        ("epochs: 100", "", ["train.epochs", "no value"]),
        ("epochs: 100", "epochs: 100: 3", ["settings.yaml", "line 10"]),
    ],
)
def test_fault_in_a_conf_file_names_key_and_file(
    old: str, new: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typo in conf/ is as likely as one on the command line."""
    conf = shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setattr(command_line, "CONF", conf)
    Project(tmp_path).set("conf/settings.yaml", old, new)
    assert_one_line([], expected)
