"""Picture files of many kinds are read with equal results, or refused in one line."""

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
def test_all_formats_give_the_same_digit(name: str, plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """In any mode of pixels, with dark or light ink."""
    suffix, convert = FORMATS[name]
    assert difference(plain, seen(convert(DARK), tmp_path / f"picture.{suffix}")) < 0.12


def test_16_bits_are_not_clipped(tmp_path: Path) -> None:
    """Clipping at 255 of 65535 would erase grey ink on grey paper."""
    values = 3000 + np.asarray(LIGHT).astype(np.uint16) * 200
    deep = seen(Image.fromarray(values), tmp_path / "deep.png")
    assert difference(deep, seen(LIGHT, tmp_path / "light.png")) < 0.02


@pytest.mark.parametrize(("colour", "mode"), [(0, "RGBA"), (255, "RGBA"), (0, "LA"), (255, "LA")])
def test_ink_on_transparent_background_is_visible(colour: int, mode: str, tmp_path: Path) -> None:
    """White ink would be invisible on a white background, black ink on a black one."""
    image = Image.new("LA", LIGHT.size, (colour, 0))
    image.putalpha(LIGHT)
    clear = seen(image.convert(mode), tmp_path / "clear.png")
    assert difference(clear, seen(LIGHT, tmp_path / "light.png")) < 0.02


def test_transparent_corners_become_paper(plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """Screenshots of windows have them. Black corners would count as ink."""
    alpha = Image.new("L", DARK.size, 255)
    alpha.paste(0, (0, 0, 20, 20))
    image = DARK.convert("RGBA")
    image.putalpha(alpha)
    assert difference(plain, seen(image, tmp_path / "corners.png")) < 0.02


def test_picture_is_rotated_by_its_exif_data(plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """Phones save upright pictures in landscape orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    landscape = DARK.transpose(Image.Transpose.ROTATE_90)
    assert difference(plain, seen(landscape, tmp_path / "landscape.jpg", exif=exif)) < 0.1


def test_first_frame_of_an_animation_is_read(plain: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """Other frames are ignored."""
    path = tmp_path / "moving.gif"
    assert difference(plain, seen(DARK, path, save_all=True, append_images=[draw(8, "plain", "thin")])) < 0.05


def test_large_picture_is_reduced(tmp_path: Path) -> None:
    """A photo of twelve million pixels is reduced to at most 600 a side."""
    Image.new("L", (4000, 3000)).save(tmp_path / "large.jpg")
    assert pictures.read(tmp_path / "large.jpg").grey.shape == (450, 600)


def png_header(width: int, height: int) -> bytes:
    """Make a PNG file that has a header but no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (body, b"IDAT")
    )


def saved(image: Image.Image, path: Path) -> bytes:
    image.save(path)
    return path.read_bytes()


def test_error_of_unreadable_file_names_the_fault(tmp_path: Path) -> None:
    """In one line. Huge pictures are refused by their header, before decoding."""
    good = saved(DARK, tmp_path / "good.png")
    files = {
        b"": "the file is empty",
        b"<!DOCTYPE html>": "not a picture in a supported format",
        good[: len(good) // 2]: "its file is damaged",
        saved(DARK, tmp_path / "good.jpg")[:2000]: "its file is damaged",
        png_header(30_000, 10): "more than 70,000,000 pixels, or 20,000 a side",
        png_header(9_000, 9_000): "more than 70,000,000 pixels, or 20,000 a side",
        saved(Image.new("1", (14_000, 14_000)), tmp_path / "one.png"): "more than 70,000,000 pixels",
    }
    for number, (content, message) in enumerate(files.items()):
        path = tmp_path / f"{number}.png"
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as error:
            pictures.read(path)
        assert "\n" not in str(error.value)
    for path, message in (
        (tmp_path, "a folder"),
        (tmp_path / "none.png", "no such file"),
        (Path("/dev/zero"), "not a file"),
    ):
        with pytest.raises(UserError, match=message):
            pictures.read(path)


def iptc_field(record: int, number: int, content: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(content)) + content


def test_postscript_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would have Ghostscript execute it, under any file name, and inside an IPTC file."""
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
            with pytest.raises(UserError, match="not a picture in a supported format"):
                read(tmp_path / "digit.png")
    assert not ran.exists()


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_damaged_files_raise_only_user_errors(suffix: str, tmp_path: Path) -> None:
    """Decoders raise many kinds of exceptions."""
    good = saved(DARK.convert("RGB"), tmp_path / f"good.{suffix}")
    generator = np.random.default_rng(1)
    refused = 0
    for number in range(60):
        bad = bytearray(good)
        for index in generator.integers(0, min(len(bad), 600 if number % 2 else len(bad)), 4):
            bad[index] = generator.integers(256)
        path = tmp_path / f"bad.{suffix}"
        path.write_bytes(bad[: len(bad) - number * len(bad) // 100])
        try:
            pictures.read(path)
        except UserError:
            refused += 1
    assert refused > 5
