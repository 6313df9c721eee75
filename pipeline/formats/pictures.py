"""People's own pictures, in the usual formats, upright and as grey values."""

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.core.errors import UserError

Found = TypeVar("Found")

# No others of Pillow's: for EPS, also within IPTC, it starts Ghostscript, which runs what the file says.
FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000", "PPM", "TGA")
MOST_PIXELS = 70_000_000  # more than phones take; decoded they have up to 280 MB
LONGEST_SIDE = 20_000  # pixels
WORKING_SIDE = 600  # pixels of the longer side to which pictures are reduced: strokes of a pen stay visible
SHOWN_SIDE = 160  # pixels of the longer side of what people are shown
MOSTLY = 0.5  # of the picture
MID_GREY = 127
GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
# What Pillow's decoders raise where a file is damaged.
DAMAGED = (
    OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, SyntaxError, RuntimeError,
    AssertionError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """What a file shows: small and in colours for people, and as grey float32 (height, width) of values 0..1."""

    small: Image.Image
    grey: npt.NDArray[np.float32]


def read(path: Path) -> Picture:
    """Read a picture's first frame, turned as its EXIF data say, reduced to at most 600 pixels a side.

    Values of 16 bits and more keep their range. A transparent background becomes black or white, whichever the rest
    is not; where most of the picture is opaque it becomes like that.

    Raises:
        UserError: it is missing, no picture, damaged, or larger than 70 million pixels or 20,000 a side.
    """
    return _guarded(path, _read)


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    """A picture's grey values as they are, uint8 (height, width), turned as its EXIF data say.

    Of 16-bit values the upper bits count. A transparent background becomes as for `read`.

    Raises:
        UserError: it is missing, no picture, damaged, too large, an animation, or of values without a range.
    """
    return _guarded(path, _pixels)


def _guarded(path: Path, reader: Callable[[Path], Found]) -> Found:
    """What the reader makes of the file; all that is wrong with it is one line."""
    if path.is_dir():
        raise UserError("this is a folder: name the pictures in it")
    if not path.exists():
        raise UserError("there is no such file")
    if not path.is_file():
        raise UserError("this is not a file: save the picture as PNG or JPEG")
    if path.stat().st_size == 0:
        raise UserError("the file is empty: save the picture again")
    try:
        with warnings.catch_warnings(action="ignore"):  # what Pillow warns of is refused below, or harmless
            return reader(path)
    except PermissionError as error:
        raise UserError("you may not read it: change its permissions") from error
    except UnidentifiedImageError as error:
        raise UserError("this is not a picture of a format that is read: save it as PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise UserError(
            f"it has more than {MOST_PIXELS:,} pixels, or than {LONGEST_SIDE:,} a side: make it smaller"
        ) from error
    except DAMAGED as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"its file is damaged ({told}): save it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with Image.open(path, formats=FORMATS) as image:  # only the header: nothing is decoded before the size is known
        width, height = image.size
        if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
            raise Image.DecompressionBombError
        yield image


def _pixels(path: Path) -> npt.NDArray[np.uint8]:
    with _opened(path) as image:
        # Phones keep a smaller copy of a photo beside it, as a second frame.
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise UserError("it is an animation: save one of its frames")
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode in GREY_16:
            return (np.asarray(image) >> 8).astype(np.uint8)
        if image.mode in ("I", "F"):
            raise UserError("its values have no range of their own: save it with 8 or 16 bits a pixel")
        flat = _flattened(image.convert("RGBA")) if image.has_transparency_data else image
        return np.asarray(flat.convert("L"))


def _read(path: Path) -> Picture:
    with _opened(path) as image:
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # a JPEG file is decoded at the size that is needed
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode in ("I", "F", *GREY_16):
            return _deep(image)
        reduced = image.convert("RGBA" if image.has_transparency_data else "RGB")
    reduced.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    flat = _flattened(reduced) if reduced.mode == "RGBA" else reduced
    return Picture(_small(flat), np.asarray(flat.convert("L"), np.float32) / np.float32(255))


def _deep(image: Image.Image) -> Picture:
    """Of 16-bit values the whole range; of wider ones, which have no range of their own, what they take up."""
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    lowest, highest = (0, 65535) if image.mode in GREY_16 else (values.min(), values.max())
    reduced = Image.fromarray((values - lowest) / max(highest - lowest, np.float32(1e-30)))
    reduced.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    grey = np.asarray(reduced)
    return Picture(_small(Image.fromarray(np.round(255 * grey).astype(np.uint8))), grey)


def _small(image: Image.Image) -> Image.Image:
    image = image.convert("RGB")
    image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    return image


def _flattened(image: Image.Image) -> Image.Image:
    """An RGBA picture without its transparency."""
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255
    shown = np.asarray(image.convert("RGB").convert("L"))[alpha > 0]
    middle = int(np.median(shown)) if shown.size else 0
    around = middle if alpha.mean() > MOSTLY else 0 if middle > MID_GREY else 255
    flat = Image.new("RGBA", image.size, (around, around, around, 255))
    flat.alpha_composite(image)
    return flat.convert("RGB")
