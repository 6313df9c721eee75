"""Randomly corrupted files and settings: each must be accepted or refused with a one-line error."""

import gzip
import io
import random
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from PIL import Image

from benchmarks.torture.report import Report
from pipeline.core import hydra_errors
from pipeline.core.config import Config, Data, flatten, resolve
from pipeline.core.errors import UserError
from pipeline.core.paths import CONF
from pipeline.formats import idx
from pipeline.sources import own_data

if TYPE_CHECKING:
    from collections.abc import Callable

FILES, SETTINGS = 20_000, 2_000
SEED = 1
TRIED = ("files tried", "files refused", "settings tried", "settings refused")
UNEXPECTED, CHANGED = "errors that are not one line", "downloads changed by refused files"
FAULTS = (UNEXPECTED, CHANGED)
FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
IMAGES = np.arange(8 * 6 * 5, dtype=np.uint8).reshape(8, 6, 5)
LABELS = np.array([0, 1] * 4, np.uint8)
VALUES = (
    "", "x", "nan", "-inf", "1e400", "-1", "0", "true", "null", "[]", "[1,2]", "{a:1}", "'",
    '"', "${nope}", "a=b", "é ü", "1,2", "???", "\\", "$(rm)", "0x10", "9" * 400,
)  # fmt: skip


def measure() -> Report:
    """Try FILES corrupted files and SETTINGS random settings."""
    rng = random.Random(SEED)  # noqa: S311 - the seed makes the files reproducible; nothing here is secret
    report = Report(f"Randomly corrupted files and settings (seed {SEED})", TRIED, FAULTS)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            _try_file(Path(folder), rng, report)
            if (number + 1) % 2_000 == 0:
                report.print_progress(number + 1, FILES)
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        keys = [key for key, _ in flatten(resolve(compose("config")))]
        for _ in range(SETTINGS):
            _try_setting(f"{rng.choice(keys)}={rng.choice(VALUES)}", report)
    return report


def _try_file(folder: Path, rng: random.Random, report: Report) -> None:
    """Copy a data set that has one corrupted file into the downloads."""
    path, file = rng.choice((_idx, _npz, _picture))(folder / "own", rng)
    original = file.read_bytes()
    file.write_bytes(_corrupted(original, rng))
    downloads = folder / "downloads"
    before = {entry: entry.stat().st_ino for entry in downloads.rglob("*")}
    report.counts["files tried"] += 1
    try:
        own_data.fetch(Data("own", [], None, str(path), "", transposed=False, first_label=0, classes=None), downloads)
    except UserError as error:
        report.counts["files refused"] += 1
        if "\n" in str(error):
            report.counts[UNEXPECTED] += 1
            report.notes.append(f"{file.name}: {error}")
        report.counts[CHANGED] += before != {entry: entry.stat().st_ino for entry in downloads.rglob("*")}
    except Exception as error:  # noqa: BLE001 - every other exception is a fault to count
        report.counts[UNEXPECTED] += 1
        report.notes.append(f"{file.name}: {error!r}")
    file.write_bytes(original)


def _corrupted(content: bytes, rng: random.Random) -> bytes:
    corruptions: tuple[Callable[[], bytes], ...] = (
        lambda: content[: rng.randrange(len(content))],
        lambda: content + rng.randbytes(rng.randrange(1, 9)),
        lambda: _flipped(content, rng, len(content)),
        lambda: _flipped(content, rng, min(64, len(content))),  # most headers are in the first 64 bytes
        lambda: gzip.compress(content)[: rng.randrange(1, 99)],
        lambda: rng.randbytes(len(content)),
        _postscript,  # Pillow detects the format by the content, and would run Ghostscript
    )
    return rng.choice(corruptions)()


def _postscript() -> bytes:
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, "EPS")
    return file.getvalue()


def _flipped(content: bytes, rng: random.Random, end: int) -> bytes:
    """Replace one to four bytes before `end`."""
    flipped = bytearray(content)
    for _ in range(rng.randrange(1, 5)):
        flipped[rng.randrange(end)] = rng.randrange(256)
    return bytes(flipped)


def _idx(folder: Path, rng: random.Random) -> tuple[Path, Path]:
    folder /= "idx"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for name in ("train", "t10k"):
            (folder / f"{name}-images-idx3-ubyte").write_bytes(idx.encode(IMAGES))
            (folder / f"{name}-labels-idx1-ubyte").write_bytes(gzip.compress(idx.encode(LABELS)))
    return folder, rng.choice(sorted(folder.iterdir()))


def _npz(folder: Path, rng: random.Random) -> tuple[Path, Path]:
    path = folder / "own.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", rng.choice(PACKINGS)) as archive:
        for name, array in (("x_train", IMAGES), ("y_train", LABELS)):
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, array)
    return path, path


def _picture(folder: Path, rng: random.Random) -> tuple[Path, Path]:
    folder /= "pictures"
    if not folder.is_dir():
        for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            (folder / "train" / str(label)).mkdir(parents=True, exist_ok=True)
            kind = FORMATS[number % len(FORMATS)]
            Image.fromarray(image).save(folder / "train" / str(label) / f"{number}.{kind.lower()}", kind)
    return folder, rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def _try_setting(override: str, report: Report) -> None:
    report.counts["settings tried"] += 1
    try:
        config = resolve(compose("config", [override]))
        assert isinstance(config, Config)
    except (UserError, HydraException, OmegaConfBaseException, OverflowError) as error:
        message = str(error) if isinstance(error, UserError) else hydra_errors.short_message(error)
        report.counts["settings refused"] += 1
        if "\n" in message or not message:
            report.counts[UNEXPECTED] += 1
            report.notes.append(f"{override}: {message!r}")
    except Exception as error:  # noqa: BLE001 - every other exception is a fault to count
        report.counts[UNEXPECTED] += 1
        report.notes.append(f"{override}: {error!r}")
