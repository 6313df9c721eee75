"""People's pictures, real files of many kinds, are read as what they show, or refused in one line."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pipeline.core.errors import UserError
from pipeline.formats import pictures
from tests.support.drawn import DARK, LIGHT, draw
from tests.support.seeing import difference, seen

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
        b"<!DOCTYPE html>": "not a picture of a format that is read",
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


def iptc_field(record: int, number: int, content: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(content)) + content


def test_postscript_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would let Ghostscript run it, whatever the file is named, and within an IPTC file too."""
    ran = tmp_path / "ran"
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f'#!/bin/sh\ntouch "{ran}"\n')
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    eps = saved(Image.new("L", (5, 3)), tmp_path / "digit.eps")
    size, kind = (
        ((3, 20, b"\x00\x05"), (3, 30, b"\x00\x03")),
        ((3, 60, b"\x01\x00"), (3, 65, b"\x00"), (3, 120, b"\x05")),
    )
    iptc = b"".join(iptc_field(*field) for field in (*size, *kind, (8, 10, eps)))
    for content in (eps, iptc):
        (tmp_path / "digit.png").write_bytes(content)
        for read in (pictures.read, pictures.pixels):
            with pytest.raises(UserError, match="not a picture of a format that is read"):
                read(tmp_path / "digit.png")
    assert not ran.exists()


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
