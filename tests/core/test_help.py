"""`python -m pipeline` lists the commands, and --help of a stage begins with what the stage does."""

import re
import sys

import pytest

from pipeline.core.config import keys
from pipeline.core.docstrings import docstring
from tests.support.project import ROOT, Project

STAGES = ["compose", "fetch", "preprocess", "train", "evaluate"]
HIDDEN = ("__init__", "__main__", "pipeline")  # pipeline.py refuses scripts
COMMANDS = sorted(path.stem for path in (ROOT / "pipeline").glob("*.py") if path.stem not in HIDDEN)


def test_list_has_a_line_for_each_command(fresh: Project) -> None:
    """The stages come first, in the order in which `dvc repro` runs them."""
    done = fresh.run(sys.executable, "-m", "pipeline")
    assert (done.returncode, done.stderr) == (0, "")
    listed = re.findall(r"^  (\w+) +(\S.*)$", done.stdout, re.MULTILINE)
    names = [name for name, _ in listed]
    assert names[: len(STAGES)] == STAGES
    assert sorted(names) == COMMANDS
    assert all(line == docstring(name).splitlines()[0] for name, line in listed)
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_unknown_argument_of_the_list_is_an_error_of_one_line(fresh: Project) -> None:
    """`python -m pipeline train` is a likely slip; the line shows the right form."""
    done = fresh.run(sys.executable, "-m", "pipeline", "train")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: unknown argument 'train': .*`python -m pipeline\.COMMAND`\n", done.stderr)


@pytest.mark.parametrize("stage", STAGES)
def test_help_begins_with_what_the_stage_does(stage: str, fresh: Project) -> None:
    """Then three examples, the groups, and every setting."""
    done = fresh.stage(stage, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(docstring(stage) + "\n")
    assert len(re.findall(rf"^python -m pipeline\.{stage}\b", done.stdout, re.MULTILINE)) == 3
    assert "\ndata: digits, emnist_digits, " in done.stdout
    assert "\ntrain: sgd\n" in done.stdout
    for key in keys():
        assert re.search(rf"^ *{key.rpartition('.')[2]}:", done.stdout, re.MULTILINE), key
    assert f"python -m pipeline.{stage} --hydra-help" in done.stdout
