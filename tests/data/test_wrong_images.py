"""The file with the wrong validation images of a job."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.wrong_images import WrongImages


@pytest.mark.parametrize("images", [0, 1, 8, 359])
def test_file_keeps_a_bit_for_each_image(tmp_path: Path, images: int) -> None:
    """Also where their number is no multiple of 8."""
    wrong = np.random.default_rng(images).random(images) < 0.3
    WrongImages("digest", wrong).write(tmp_path / "wrong.json")
    read = WrongImages.read(tmp_path / "wrong.json")
    assert read.data == "digest"
    np.testing.assert_array_equal(read.wrong, wrong)
    assert (tmp_path / "wrong.json").stat().st_size < 60 + images / 4


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"data": "x", "images": 9, "wrong": "zz"}', '{"data": "x", "images": null, "wrong": ""}']
)
def test_damaged_file_is_a_value_error(tmp_path: Path, text: str) -> None:
    """A sweep shows the job as not compared; a traceback would lose its leaderboard."""
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(ValueError, match="is damaged"):
        WrongImages.read(tmp_path / "wrong.json")
