"""What a user sees of a setting that is refused: one line and an exit code, in real processes."""

from pathlib import Path

import pytest

from tests.support.project import Project, create

REFUSED_COMMANDS: list[tuple[list[str], int, list[str]]] = [
    (["train.batch_size=0"], 2, ["train.batch_size=0", "at least 1"]),
    (["train.batch_size=bad"], 1, ["train.batch_size", "'bad'", "Integer"]),
    (["train.learning_rate="], 1, ["train.learning_rate", "Float"]),
    (["train.learning_rate=0,01"], 1, ["train.learning_rate=0,01", "--multirun"]),
    (["train.learning_rat=0.1"], 1, ["train.learning_rat is not a setting", "train.learning_rate"]),
    (["+train.learning_rat=0.1"], 2, ["train.learning_rat is not a setting", "train.learning_rate"]),
    (["train.lr=0.1"], 1, ["train.lr is not a setting; there are train.learning_rate"]),
    (["zzz=1"], 1, ["zzz", "there are data, model, train, tracking, sweep, promotion, seed"]),
    (["data=mnits"], 1, ["data/mnits", "digits, emnist_digits"]),
    (["experiment=nope"], 1, ["experiment/nope", "theano_tutorial"]),
    (["train=3"], 1, ["Got int"]),
    (["train.learning_rate={"], 1, ["{"]),
    (["-x"], 2, ["unrecognized arguments: -x", "--multirun, go before KEY=VALUE"]),
    (["train.epochs=1", "-m", "seed=1,2"], 2, ["unrecognized arguments: seed=1,2", "go before KEY=VALUE"]),
    (["hydra.run.dir=/proc/x"], 2, ["/proc/x: No such file or directory: install or restore it"]),
    (["--multirun", "+hydra.sweeper.params={train.lr: '1,2'}"], 1, ["train.lr is not a setting"]),
    (["seed=${nope}"], 2, ["seed", "nope"]),
    (["--multirun", "train.batch_size=32,bad"], 1, ["train.batch_size", "'bad'"]),
    (["--multirun", "train.learning_rate=interval(0.1,1)"], 2, ["is no grid", "+sweep=search"]),
]


@pytest.mark.parametrize(
    ("words", "code", "told"), REFUSED_COMMANDS, ids=[" ".join(row[0]) for row in REFUSED_COMMANDS]
)
def test_refused_command_line_is_one_line_and_an_exit_code(
    words: list[str], code: int, told: list[str], fresh: Project
) -> None:
    """No traceback, no second line; 2 from us, 1 where Hydra refuses."""
    done = fresh.stage("train", *words)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    for text in told:
        assert text in done.stderr


def test_full_error_keeps_the_traceback(fresh: Project) -> None:
    """Who debugs a refusal of Hydra's asks for it."""
    done = fresh.stage("train", "train.learning_rat=0.1", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    ours = fresh.stage("train", "train.batch_size=0", HYDRA_FULL_ERROR="1")
    assert ours.returncode == 1
    assert "Traceback" in ours.stderr


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("epochs: 100 ", "epoch: 100 ", ["train.epoch is not a setting", "train.epochs", "conf/train/sgd.yaml"]),
        ("epochs: 100 ", "epochs: many", ["train.epochs", "'many'", "conf/train/sgd.yaml"]),
        ("epochs: 100 ", "# ", ["train.epochs", "no value"]),
        ("epochs: 100 ", "epochs: 100: 3", ["sgd.yaml", "line 2"]),
    ],
)
def test_fault_in_a_conf_file_names_key_and_file(old: str, new: str, told: list[str], tmp_path: Path) -> None:
    """A typo in conf/ is as likely as one on the command line."""
    made = create(tmp_path / "project")
    made.set("conf/train/sgd.yaml", old, new)
    done = made.stage("train")
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1, done.stderr
    for text in told:
        assert text in done.stderr
