"""People's pictures, real files of many kinds, are read as what they show, or refused in one line."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PIL.ImageFilter import MaxFilter

from pipeline.data import ink, pictures
from pipeline.errors import UserError
from tests.support.drawn import draw

DARK = draw(3, "round", "thin")  # on white
LIGHT = draw(3, "round", "white")  # on black


def seen(image: Image.Image, path: Path, **options: Any) -> npt.NDArray[np.uint8]:
    """What a model would see of the saved picture."""
    image.save(path, **options)
    return ink.like_mnist(ink.find(pictures.read(path).grey), 28)


def difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """The part of the ink that differs: 0 for the same digit, near 2 for digits without a common pixel."""
    return float(np.abs(one.astype(int) - other).sum() / one.sum())


@pytest.fixture
def plain(tmp_path: Path) -> npt.NDArray[np.uint8]:
    """What is seen of the dark digit."""
    return seen(DARK, tmp_path / "plain.png")


def test_digit_is_made_like_mnist(plain: npt.NDArray[np.uint8]) -> None:
    """White on black, 20 pixels high, with its centre of mass at the corner between the middle pixels."""
    rows, columns = np.nonzero(plain)
    assert plain.shape == (28, 28)
    assert plain.max() == 255
    assert (plain == 0).mean() > 0.5
    assert rows.max() - rows.min() + 1 == 20
    for places in (rows, columns):
        assert np.average(places, weights=plain[rows, columns]) == pytest.approx(14, abs=0.51)


FORMATS: dict[str, tuple[str, Callable[[Image.Image], Image.Image]]] = {
    "inverted": ("png", lambda image: image.point(lambda value: 255 - value)),
    "JPEG": ("jpg", lambda image: image),
    "CMYK JPEG": ("jpg", lambda image: image.convert("CMYK")),
    "palette": ("gif", lambda image: image.convert("P")),
    "colours": ("webp", lambda image: Image.merge("RGB", (image, image, image))),
    "blue pen": ("png", lambda image: Image.merge("RGB", (image, image, Image.new("L", image.size, 255)))),
    "one bit": ("png", lambda image: image.convert("1")),
    "16 bits": ("png", lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257)),
    "dark 16 bits": ("png", lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 20)),
    "32 bits": ("tif", lambda image: Image.fromarray(np.asarray(image).astype(np.int32) * 100_000 - 7)),
    "floats": ("tif", lambda image: Image.fromarray(np.asarray(image).astype(np.float32) / 7 - 3)),
    "faint": ("png", lambda image: image.point(lambda value: 120 + value // 8)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_same_digit_is_seen_in_every_format(name: str, plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """Whatever holds the pixels, and whichever of ink and paper is dark."""
    suffix, convert = FORMATS[name]
    assert difference(plain, seen(convert(DARK), tmp_path / f"picture.{suffix}")) < 0.12


def test_16_bits_are_not_clipped(tmp_path: Path) -> None:
    """Of grey ink on grey paper, both brighter than 255 of 65535, nothing would be left."""
    values = 3000 + np.asarray(LIGHT).astype(np.uint16) * 200
    deep = seen(Image.fromarray(values), tmp_path / "deep.png")
    assert difference(deep, seen(LIGHT, tmp_path / "light.png")) < 0.02


@pytest.mark.parametrize(("colour", "canvas"), [(0, "RGBA"), (255, "RGBA"), (0, "LA"), (255, "LA")])
def test_ink_on_nothing_is_seen(colour: int, canvas: str, tmp_path: Path) -> None:
    """Black ink on a transparent ground, and white ink, which would vanish on white."""
    image = Image.new("LA", LIGHT.size, (colour, 0))
    image.putalpha(LIGHT)
    found = seen(image.convert(canvas), tmp_path / "clear.png")
    assert difference(found, seen(LIGHT, tmp_path / "light.png")) < 0.02


def test_transparent_corners_of_paper_are_paper(plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """As in screenshots of windows: black corners would be ink."""
    alpha = Image.new("L", DARK.size, 255)
    alpha.paste(0, (0, 0, 20, 20))
    image = DARK.convert("RGBA")
    image.putalpha(alpha)
    assert difference(plain, seen(image, tmp_path / "corners.png")) < 0.02


def test_picture_is_turned_as_its_exif_data_say(plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """A phone held upright saves the picture lying."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    lying = DARK.transpose(Image.Transpose.ROTATE_90)
    assert difference(plain, seen(lying, tmp_path / "lying.jpg", exif=exif)) < 0.1


def test_first_frame_of_an_animation_is_read(plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """And no other."""
    path = tmp_path / "moving.gif"
    assert difference(plain, seen(DARK, path, save_all=True, append_images=[draw(8, "plain", "thin")])) < 0.05


def test_large_picture_is_reduced(tmp_path: Path) -> None:
    """A photo of twelve million pixels becomes one of at most 600 a side."""
    Image.new("L", (4000, 3000)).save(tmp_path / "large.jpg")
    assert pictures.read(tmp_path / "large.jpg").grey.shape == (450, 600)


def png_header(width: int, height: int) -> bytes:
    """A PNG file that has a header and no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (body, b"IDAT")
    )


def saved(image: Image.Image, path: Path) -> bytes:
    image.save(path)
    return path.read_bytes()


def test_unreadable_file_is_refused_with_its_fault(tmp_path: Path) -> None:
    """In one line; what is huge is refused by its header, before anything is decoded."""
    good = saved(DARK, tmp_path / "good.png")
    files = {
        b"": "the file is empty",
        b"<!DOCTYPE html>": "not a picture that Pillow reads",
        good[: len(good) // 2]: "its file is damaged",
        saved(DARK, tmp_path / "good.jpg")[:2000]: "its file is damaged",
        png_header(30_000, 10): "more than 70,000,000 pixels, or than 20,000 a side",
        png_header(9_000, 9_000): "more than 70,000,000 pixels, or than 20,000 a side",
        saved(Image.new("1", (14_000, 14_000)), tmp_path / "one.png"): "more than 70,000,000 pixels",
    }
    for number, (content, told) in enumerate(files.items()):
        path = tmp_path / f"{number}.png"
        path.write_bytes(content)
        with pytest.raises(UserError, match=told) as caught:
            pictures.read(path)
        assert "\n" not in str(caught.value)
    for path, told in (
        (tmp_path, "a folder"),
        (tmp_path / "none.png", "no such file"),
        (Path("/dev/zero"), "not a file"),
    ):
        with pytest.raises(UserError, match=told):
            pictures.read(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_damaged_files_raise_nothing_else(suffix: str, tmp_path: Path) -> None:
    """Decoders raise all kinds of exceptions; each must become a line."""
    good = saved(DARK.convert("RGB"), tmp_path / f"good.{suffix}")
    generator = np.random.default_rng(1)
    refused = 0
    for number in range(60):
        bad = bytearray(good)
        for place in generator.integers(0, min(len(bad), 600 if number % 2 else len(bad)), 4):
            bad[place] = generator.integers(256)
        path = tmp_path / f"bad.{suffix}"
        path.write_bytes(bad[: len(bad) - number * len(bad) // 100])
        try:
            pictures.read(path)
        except UserError:
            refused += 1
    assert refused > 5


def even(value: float) -> npt.NDArray[np.float32]:
    return np.full((300, 400), value, np.float32)


NOISE = np.random.default_rng(2).standard_normal((300, 400)).astype(np.float32)


@pytest.mark.parametrize("deviation", [0.0, 0.003, 0.02, 0.1])
@pytest.mark.parametrize("fall", [0.0, 0.4])
def test_blank_page_has_no_ink(deviation: float, fall: float) -> None:
    """Nor when it is noisy, or darker to one side."""
    paper = even(0.8) - fall * np.linspace(0, 1, 400, dtype=np.float32) + deviation * NOISE
    for page in (paper, 1 - paper):
        with pytest.raises(UserError, match="nothing"):
            ink.find(np.clip(page, 0, 1))


def test_lone_speck_is_no_digit() -> None:
    """It would be blown up to a blot that looks like an answer."""
    page = even(1)
    page[100:103, 100:103] = 0
    with pytest.raises(UserError, match="3 pixels large"):
        ink.find(page)


def grey(image: Image.Image) -> npt.NDArray[np.float32]:
    return np.asarray(image, np.float32) / np.float32(255)


def test_what_is_no_ink_is_left_out(plain: npt.NDArray[np.uint8]) -> None:
    """Dust, pale ruled lines, noise, and a shadow with a sharp edge change little of what is seen."""
    page = grey(DARK)
    y, x = np.mgrid[0:300, 0:300]
    dust, lines = page.copy(), page.copy()
    dust[10:13, 10:13] = dust[280:282, 5:9] = 0
    lines[20::40] = np.minimum(lines[20::40], 0.75)
    noisy = np.clip(page * 0.8 + 0.1 + 0.02 * NOISE[:, :300], 0, 1)
    for changed in (dust, lines, noisy, page * np.where(x + 0.5 * y > 210, 0.55, 0.9)):
        found = ink.like_mnist(ink.find(changed.astype(np.float32)), 28)
        assert difference(plain, found) < 0.25


def test_place_and_size_do_not_matter(plain: npt.NDArray[np.uint8]) -> None:
    """A digit in a corner of a larger picture."""
    page = Image.new("L", (1000, 700), 255)
    page.paste(DARK.resize((150, 150)), (840, 20))
    assert difference(plain, ink.like_mnist(ink.find(grey(page)), 28)) < 0.25


def test_every_stroke_of_a_digit_is_kept() -> None:
    """The top bar of a 5 that does not touch the rest."""
    page = even(0)
    page[100:200, 150:165] = page[60:70, 150:220] = 1
    assert ink.find(page).shape == (140, 70)


def test_thin_strokes_are_thickened_and_others_are_not() -> None:
    """Strokes of a pen are a third of a pixel wide in MNIST's box, where the model expects two to four."""
    thin, thick = (grey(image) for image in (draw(4, "plain", "thin"), draw(4, "plain", "white").filter(MaxFilter(9))))
    widths = []
    for page in (thin, thick):
        found = ink.find(page)
        widths.append(ink.like_mnist(found, 28).sum() / 255 / (found.sum() * (20 / max(found.shape)) ** 2))
    assert widths[0] > 3
    assert widths[1] == pytest.approx(1, abs=0.05)


def test_image_of_mnist_stays_as_it_is() -> None:
    """Its digit is 20 pixels high, and where it belongs."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:16] = 255
    image[4:24, 12] = image[4:24, 16] = 90
    image[4, 12:17] = image[23, 12:17] = 30
    np.testing.assert_array_equal(ink.like_mnist(ink.find(grey(Image.fromarray(image))), 28), image)


@pytest.mark.parametrize(("height", "width"), [(1, 300), (300, 1), (7, 600), (9, 9)])
def test_narrow_picture_is_seen(height: int, width: int) -> None:
    """It has no inside, or next to none."""
    page = np.zeros((height, width), np.float32)
    page[height // 3 : height // 3 + max(1, height // 5), width // 3 : width // 3 + max(1, width // 5)] = 1
    if max(height, width) > 9:
        assert ink.like_mnist(ink.find(page), 28).max() == 255
    else:
        with pytest.raises(UserError, match="1 pixels large"):
            ink.find(page)
