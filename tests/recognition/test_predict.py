"""The command predict."""

import json
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from pipeline import predict
from pipeline.core.errors import UserError
from pipeline.model import keras_file, softmax
from pipeline.recognition import seen
from pipeline.runs import command_line
from tests.support.drawn import draw
from tests.support.project import ROOT, Project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three digits in three styles, and two files without a digit."""
    draw(7, "plain", "thin").save(tmp_path / "seven.png")
    draw(3, "round", "white").save(tmp_path / "three.gif")
    draw(4, "slanted", "photo").save(tmp_path / "four.jpg")
    Image.new("L", (300, 300), 255).save(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("seven")
    return tmp_path


def test_good_pictures_are_answered_and_the_others_are_errors(folder: Path, digits: Project) -> None:
    """A bad file does not affect the others, and the exit code is 2; the sheet shows the answers."""
    names = ["blank.png", "seven.png", "text.png", "three.gif", "missing\n.png", "four.jpg"]
    model = digits.folder / "models" / "model.keras"
    sheet_file = folder / "new" / "seen.png"
    args = [*names, "--model", str(model), "--json", "--show", str(sheet_file)]
    done = digits.run(sys.executable, "-m", "pipeline.predict", *args, cwd=folder)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in lines] == ["blank.png", "text.png", "missing?.png"]
    assert "Traceback" not in done.stderr
    answers = json.loads(done.stdout)
    assert [answer["image"] for answer in answers] == ["seven.png", "three.gif", "four.jpg"]
    for answer in answers:
        assert len(answer["probabilities"]) == 10
        assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-12)
        assert answer["probabilities"][answer["digit"]] == max(answer["probabilities"])
    with Image.open(sheet_file) as sheet:
        assert sheet.format == "PNG"
        assert sheet.size[0] > 3 * 280


def test_only_bad_pictures_give_no_answer(folder: Path, digits: Project) -> None:
    """The JSON is an empty list, and no sheet is written."""
    args = ["blank.png", "--json", "--show", "seen.png"]
    done = digits.run(sys.executable, "-m", "pipeline.predict", *args, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "[]\n")
    assert done.stderr == "error: blank.png: nothing is drawn in it\n"
    assert not (folder / "seen.png").exists()


def test_run_is_found_and_a_table_printed(
    folder: Path, digits: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The beginning of a run's id names the model that is in models/."""
    done = digits.run(sys.executable, "-m", "pipeline.predict", "seven.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(folder)
    run_id = (digits.folder / "models" / "run_id").read_text()
    args = predict.arguments().parse_args(["seven.png", "--model", run_id[:10]])
    config = command_line.settings(["data=digits", f"tracking.uri=sqlite:///{digits.folder}/mlflow.db"])
    assert predict.main(args, config) == 0
    assert capsys.readouterr().out.splitlines()[:2] == done.stdout.splitlines()[:2]
    header, row, hint = done.stdout.splitlines()
    assert hint.startswith("next: python -m pipeline.predict --show ")
    assert header.split() == ["picture", "digit", "sure", *map(str, range(10))]
    name, digit, sure, sign, *percents = row.split()
    assert (name, sign, len(percents)) == ("seven.png", "%", 10)
    assert percents[int(digit)] == sure


def test_unsuitable_model_is_refused(folder: Path, digits: Project) -> None:
    """Weights that are not finite would always predict 0; other models take other images."""
    broken = softmax.build(64, 10, 255.0, "zeros", 1)
    broken.get_layer("softmax").kernel.assign(np.full((64, 10), np.nan, np.float32))
    oblong = softmax.build(60, 10, 255.0, "zeros", 1)
    other = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)])
    for model, message in (
        (broken, "has weights that are not finite"),
        (oblong, "takes images of 60 pixels, which is no square"),
    ):
        keras_file.save(model, folder / "model.keras")
        with pytest.raises(UserError, match=rf"^{folder} {re.escape(message)}"):
            predict._reader(str(folder), command_line.settings([]))
    other.save(folder / "model.keras")
    done = digits.run(sys.executable, "-m", "pipeline.predict", "seven.png", "--model", ".", cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "error: model.keras is not a model of `python -m pipeline.train`: its layers are not" in done.stderr
    assert "Traceback" not in done.stderr


def test_answers_of_other_models_can_be_read(tmp_path: Path) -> None:
    """Of a thousand classes the most probable ones are printed; large images are fitted into the sheet."""
    few, many = np.full(10, 0.1), np.full(1000, 0.0002)
    many[[7, 831]] = 0.1, 0.7
    for probabilities, cells in (
        (few, ["0", "10", "%", *["10"] * 10]),
        (many, ["831", "70", "%", "831:", "70,", "7:", "10,", "0:", "0,", "1:", "0,", "2:", "0"]),
    ):
        answer = seen.Answer("a.png", Image.new("L", (9, 9)), np.zeros((300, 300), np.uint8), probabilities.tolist())
        _, row = predict._table([answer], 100).splitlines()
        assert row.split() == ["a.png", *cells]
        seen.draw([answer], tmp_path / "seen.png")
    with Image.open(tmp_path / "seen.png") as sheet:
        assert sheet.size == (seen.WIDTH, seen.HEADER + seen.HEIGHT)


def test_long_names_of_pictures_are_cut() -> None:
    """A row fits into the terminal, and the end of the name is still there; a narrow terminal has fewer classes."""
    name = f"{'a folder/' * 20}seven.png"
    for probabilities in ([0.1] * 10, [0.001] * 1000):
        answer = seen.Answer(name, Image.new("L", (9, 9)), np.zeros((28, 28), np.uint8), probabilities)
        for width in (60, 80, 100, 200):
            header, row = predict._table([answer], width).splitlines()
            assert max(len(header), len(row)) <= width
            assert "seven.png " in row
            assert ("most probable" in header) == (width < 90 or len(probabilities) > 10)


def test_pictures_of_the_readme_are_small() -> None:
    """Every clone contains them."""
    paths = sorted((ROOT / "docs" / "digits").iterdir())
    assert [path.name for path in paths] == ["shadow-4.jpg", "thin-7.png", "white-on-black-3.png"]
    assert all(path.stat().st_size < 20_000 for path in paths)
