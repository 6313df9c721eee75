"""Pictures in the usual formats, read upright and as grey values."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.errors import UserError

# None of Pillow's other formats: for EPS, even inside IPTC, it starts Ghostscript, which executes the file.
FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA")
MAX_PIXELS = 70_000_000  # more than phones take; decoded, they need up to 280 MB
MAX_SIDE = 20_000  # pixels
WORKING_SIDE = 600  # pixels of the longer side of a reduced picture: strokes of a pen stay visible
PREVIEW_SIDE = 160  # pixels of the longer side of a preview
OPAQUE_SHARE = 0.5  # of a picture: with more, its transparent background becomes like the rest
MID_GREY = 127
GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
# Errors of Pillow's decoders for a damaged file.
DAMAGED = (
    OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, SyntaxError, RuntimeError,
    AssertionError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A small copy in colours for display, and grey values, float32 (height, width), 0 to 1."""

    small: Image.Image
    grey: npt.NDArray[np.float32]


def read(path: Path) -> Picture:
    """Read a picture's first frame, rotated according to its EXIF data and reduced to at most 600 pixels a side.

    16-bit values keep their range. A transparent background becomes black or white, in contrast to the rest; if most
    of the picture is opaque, it becomes like the rest.

    Raises:
        UserError: the file is missing, no picture, damaged, or has more than 70 million pixels or 20,000 a side.
    """
    with _open(path) as image:
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # a JPEG file is decoded at the size that is needed
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode in ("I", "F", *GREY_16):
            return _read_deep(image)
        reduced = image.convert("RGBA" if image.has_transparency_data else "RGB")
        reduced.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
        flat = _flatten(reduced) if reduced.mode == "RGBA" else reduced
        return Picture(_preview(flat), np.asarray(flat.convert("L"), np.float32) / np.float32(255))


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Read a picture's grey values in full size, uint8 (height, width), rotated according to its EXIF data.

    16-bit values keep their upper 8 bits. A transparent background becomes as for `read`.

    Raises:
        UserError: the file is missing, no picture, damaged, too large, an animation, or has values without a range.
    """
    with _open(path) as image:
        # Phones store a smaller copy of a photo as a second frame.
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise UserError("it is an animation: save one of its frames")
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode in GREY_16:
            return (np.asarray(image) >> 8).astype(np.uint8)
        if image.mode in ("I", "F"):
            raise UserError("its values have no fixed range: save it with 8 or 16 bits a pixel")
        flat = _flatten(image.convert("RGBA")) if image.has_transparency_data else image
        return np.asarray(flat.convert("L"))


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a picture, and turn every error of the file into a UserError of one line."""
    if path.is_dir():
        raise UserError("this is a folder: name the pictures in it")
    if not path.exists():
        raise UserError("there is no such file")
    if not path.is_file():
        raise UserError("this is not a file: save the picture as PNG or JPEG")
    if path.stat().st_size == 0:
        raise UserError("the file is empty: save the picture again")
    try:
        # Pillow warns of what is harmless, or refused below.
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            _check_size(*image.size)  # from the header, before anything is decoded
            yield image
    except PermissionError as error:
        raise UserError("you may not read it: change its permissions") from error
    except UnidentifiedImageError as error:
        raise UserError("this is not a picture in a supported format: save it as PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"it has more than {MAX_PIXELS:,} pixels, or {MAX_SIDE:,} a side: make it smaller") from error
    except DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"its file is damaged ({reason}): save it again") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Image.DecompressionBombError


def _read_deep(image: Image.Image) -> Picture:
    """Scale 16-bit values by their full range; wider values, which have no fixed range, by their extremes."""
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    lowest, highest = (0, 65535) if image.mode in GREY_16 else (values.min(), values.max())
    reduced = Image.fromarray((values - lowest) / max(highest - lowest, np.float32(1e-30)))
    reduced.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    grey = np.asarray(reduced)
    return Picture(_preview(Image.fromarray(np.round(255 * grey).astype(np.uint8))), grey)


def _preview(image: Image.Image) -> Image.Image:
    image = image.convert("RGB")
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return image


def _flatten(image: Image.Image) -> Image.Image:
    """Replace the transparency of an RGBA picture by a background."""
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255
    visible = np.asarray(image.convert("RGB").convert("L"))[alpha > 0]
    median = int(np.median(visible)) if visible.size else 0
    background = median if alpha.mean() > OPAQUE_SHARE else 0 if median > MID_GREY else 255
    flat = Image.new("RGBA", image.size, (background, background, background, 255))
    flat.alpha_composite(image)
    return flat.convert("RGB")
