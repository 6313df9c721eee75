"""The table of compare, and what it says of a difference in error."""

import csv
import io
import re
import shutil
from pathlib import Path

import pytest

from pipeline.compare import compare
from pipeline.comparison import answers, table
from pipeline.errors import UserError
from pipeline.tracking.lookup import Lookup
from tests.comparison.conftest import Evaluated
from tests.support.stores import client_of


def test_command_tells_settings_errors_and_whether_they_differ(evaluated: Evaluated) -> None:
    """What is equal is left out; a model file, a run that was not evaluated and a prefix are as good as an id."""
    words = [evaluated.good[:10], "models", evaluated.untested]
    done = evaluated.project.stage("compare", *words)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^run +" + " +".join(word[:8] for word in (evaluated.good, evaluated.bad, evaluated.untested)),
                     done.stdout, re.MULTILINE)  # fmt: skip
    assert re.search(r"^train\.learning_rate +0\.1 +0\.0005 +0\.1$", done.stdout, re.MULTILINE)
    assert re.search(r"^train\.epochs +20 +1 +2$", done.stdout, re.MULTILINE)
    assert "train.batch_size" not in done.stdout
    assert "data.md5" not in done.stdout
    assert re.search(
        r"^.* makes .* points more errors than .*: a real difference \(p = .*\)$", done.stdout, re.MULTILINE
    )
    assert done.stdout.count("errors than") == 2


def test_figures_are_those_of_the_runs(evaluated: Evaluated) -> None:
    """Errors and the counts of the paired test, counted here from the two files of predictions."""
    compared = compare([evaluated.good, evaluated.bad], evaluated.config)
    rows = {row[0]: row[1:] for row in table.rows(compared)}
    lookup = Lookup(evaluated.config)
    wrong = []
    for run_id in (evaluated.good, evaluated.bad):
        path = lookup.artifact(lookup.run(run_id), "predictions.csv")
        assert path is not None
        with path.open() as file:
            wrong.append([row["label"] != row["predicted"] for row in csv.DictReader(file)])
    assert len(wrong[0]) == 297
    assert rows["test error"] == [f"{sum(one) / 297:.2%}" for one in wrong]
    assert rows["wrong where the first is right"] == ["-", str(sum(b and not a for a, b in zip(*wrong, strict=True)))]
    assert rows["right where the first is wrong"] == ["-", str(sum(a and not b for a, b in zip(*wrong, strict=True)))]
    assert float(rows["p-value (McNemar, exact)"][1]) < 1e-3
    assert rows["validation error"][0] == f"{lookup.run(evaluated.good).data.metrics['best/valid_error']:.2%}"


def test_model_says_on_the_spot_what_it_said_when_it_was_evaluated(evaluated: Evaluated) -> None:
    """A run without predictions, or a file that no run has made, is asked for them; the bits are the same."""
    lookup = Lookup(evaluated.config)
    subject = lookup.subject(str(evaluated.project.folder / "models"))
    assert subject.id == evaluated.bad
    path = lookup.artifact(subject.run, "predictions.csv")
    assert path is not None
    (evaluated.project.folder / "elsewhere").mkdir()
    loose = shutil.copy(evaluated.project.folder / "models/model.keras", evaluated.project.folder / "elsewhere/x.keras")
    done = evaluated.project.stage("compare", evaluated.bad, "elsewhere/x.keras", "--csv")
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(done.stdout))}
    assert rows["test error"][0] == rows["test error"][1]
    assert rows["p-value (McNemar, exact)"] == ["-", "1"]
    assert Path(loose).is_file()


def test_forms_hold_the_same_cells() -> None:
    """Markdown escapes what would end a cell."""
    rows = [["", "a|b", "c"], ["run", "1", "2"]]
    assert table.markdown(rows).splitlines()[0].split(" | ")[1].strip() == r"a\|b"
    assert list(csv.reader(io.StringIO(table.comma_separated(rows)))) == rows
    assert table.text(rows).split() == ["a|b", "c", "---", "-----", "---", "run", "1", "2"]


def test_word_that_names_no_run_or_several_is_refused(evaluated: Evaluated) -> None:
    """With what there is to choose from; a name may hold what MLflow's filters cannot quote."""
    client = client_of(evaluated.project.folder)
    experiment = client.get_run(evaluated.good).info.experiment_id
    odd = client.create_run(experiment, run_name='it\'s "odd" 100 %').info.run_id
    twice = [client.create_run(experiment, run_name="twice").info.run_id for _ in range(2)]
    lookup = Lookup(evaluated.config)
    assert lookup.run('it\'s "odd" 100 %').info.run_id == odd
    with pytest.raises(UserError, match="'twice' may be one of 2 runs") as refused:
        lookup.run("twice")
    assert all(run_id[:8] in str(refused.value) for run_id in twice)
    for word in ("nothing", "f" * 32, "it's"):
        with pytest.raises(UserError, match="as its id, as the beginning of its id, or as its name"):
            lookup.run(word)
    with pytest.raises(UserError, match="digits has no champion"):
        lookup.run("champion")


def test_other_images_are_not_compared(evaluated: Evaluated) -> None:
    """Their numbers would say nothing."""
    lookup = Lookup(evaluated.config)
    first = answers.of(lookup, lookup.subject(evaluated.good), evaluated.config)
    other = answers.Answers(first.labels[::-1], first.predicted[::-1])
    with pytest.raises(UserError, match="other images"):
        answers.paired(first, other)
    part = answers.Answers(first.labels[:100], first.predicted[:100])
    assert answers.paired(first, part).p_value == 1.0
