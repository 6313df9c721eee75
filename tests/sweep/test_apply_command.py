"""The command that a sweep prints gives the best job's bytes, whatever the sweep's own command was."""

import re
import shlex
from pathlib import Path

import pytest
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides

from tests.support.project import Project

RATES = "train.learning_rate=0.2,0.3"
COMMANDS = [
    [RATES],
    [RATES, "train=sgd", "++train.l2=0.01"],
    [RATES, "train={l2:0.01,shuffle:false}"],
    ["--config-name=own", RATES],
    ["--config-dir=extra", "train=own", RATES],
    ["train.batch_size=32,64", "seed=${train.batch_size}"],
    ["seed=2,3", "model=softmax", "model.initializer=he_normal"],
    ["model.seed=2,3", "model.initializer=random_normal"],
    [RATES, "experiment=theano_tutorial", "data=digits", "train.batch_size=100"],
    ["+sweep=grid"],
]


@pytest.fixture(scope="module")
def project(digits: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a primary config, and with a file of group `train` outside of conf/, of the user's own."""
    made = digits.copy(tmp_path_factory.mktemp("apply") / "project")
    config = (made.folder / "conf/config.yaml").read_text()
    (made.folder / "conf/own.yaml").write_text(config.replace("  - schema ", "  # ") + "model:\n  pixel_divisor: 16\n")
    (made.folder / "extra/train").mkdir(parents=True)
    (made.folder / "extra/train/own.yaml").write_text("defaults: [sgd]\nl2: 0.01\n")
    made.git("add", ".")
    made.git("commit", "-qm", "Add configurations")
    return made


@pytest.mark.repro
@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words) for words in COMMANDS])
def test_command_after_the_sweep_gives_the_bytes_of_the_best_job(words: list[str], project: Project) -> None:
    """DVC's own function edits conf/ as `dvc exp run -S` does; then comments at the top of the file are still there."""
    options = [word for word in words if word.startswith("--")]
    overrides = [word for word in words if word not in options]
    done = project.stage("train", "-m", *options, *overrides, "train.epochs=2")
    assert done.returncode == 0, done.stderr
    best = re.search(r"the best is .*, (\S+)$", done.stdout, re.MULTILINE)
    command = re.search(r"^  dvc exp run (.*)$", done.stdout, re.MULTILINE)
    assert best is not None
    assert command is not None
    edits = [word for word in shlex.split(command[1]) if word != "-S"]
    for path, changes in to_path_overrides(edits).items():
        apply_overrides(project.folder / path, changes)
    changed = [line[3:] for line in project.git("status", "--porcelain", "conf").splitlines()]
    assert changed == ["conf/settings.yaml"]
    removed = [line for line in project.git("diff", "-U0").splitlines() if re.match("-[^-]", line)]
    assert all(re.match(r"-(  \w+|seed): \S+( +# .*)?$", line) for line in removed), removed
    again = project.stage("train", "hydra.run.dir=again")
    project.git("checkout", "-q", "conf")
    assert again.returncode == 0, again.stderr
    for name in ("model.keras", "history.csv"):
        assert Path(project.folder / "again" / name).read_bytes() == (project.folder / best[1] / name).read_bytes()
