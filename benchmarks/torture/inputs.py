"""Files and settings that are spoilt at random: each is taken or refused in one line, and nothing else is raised."""

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
FAULTS = ("other errors than one line", "downloads changed by what was refused")
FORMATS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP")
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
IMAGES = np.arange(8 * 6 * 5, dtype=np.uint8).reshape(8, 6, 5)
LABELS = np.array([0, 1] * 4, np.uint8)
VALUES = (
    "", "x", "nan", "-inf", "1e400", "-1", "0", "true", "null", "[]", "[1,2]", "{a:1}", "'",
    '"', "${nope}", "a=b", "é ü", "1,2", "???", "\\", "$(rm)", "0x10", "9" * 400,
)  # fmt: skip


def report() -> Report:
    """Try all of them."""
    chance = random.Random(SEED)  # noqa: S311 - nothing is secret here, and the same files come out each time
    found = Report(f"Files and settings spoilt at random (seed {SEED})", TRIED, FAULTS)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            _try_file(Path(folder), chance, found)
            if (number + 1) % 2_000 == 0:
                found.tell(number + 1, FILES)
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        keys = [key for key, _ in flatten(resolve(compose("config")))]
        for _ in range(SETTINGS):
            _try_setting(f"{chance.choice(keys)}={chance.choice(VALUES)}", found)
    return found


def _try_file(folder: Path, chance: random.Random, found: Report) -> None:
    """Bring data of which one file is spoilt."""
    path, file = chance.choice((_idx, _npz, _picture))(folder / "own", chance)
    sound = file.read_bytes()
    file.write_bytes(_spoilt(sound, chance))
    downloads = folder / "downloads"
    before = {entry: entry.stat().st_ino for entry in downloads.rglob("*")}
    found.counts["files tried"] += 1
    try:
        own_data.fetch(Data("own", [], None, str(path), "", transposed=False, first_label=0, classes=None), downloads)
    except UserError as error:
        found.counts["files refused"] += 1
        if "\n" in str(error):
            found.counts["other errors than one line"] += 1
            found.notes.append(f"{file.name}: {error}")
        found.counts["downloads changed by what was refused"] += before != {
            entry: entry.stat().st_ino for entry in downloads.rglob("*")
        }
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is counted
        found.counts["other errors than one line"] += 1
        found.notes.append(f"{file.name}: {error!r}")
    file.write_bytes(sound)


def _spoilt(content: bytes, chance: random.Random) -> bytes:
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[: chance.randrange(len(content))],
        lambda: content + chance.randbytes(chance.randrange(1, 9)),
        lambda: _flipped(content, chance, len(content)),
        lambda: _flipped(content, chance, min(64, len(content))),  # headers are in front
        lambda: gzip.compress(content)[: chance.randrange(1, 99)],
        lambda: chance.randbytes(len(content)),
        _postscript,  # which Pillow would let another program run, whatever the file's name
    )
    return chance.choice(ways)()


def _postscript() -> bytes:
    file = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(file, "EPS")
    return file.getvalue()


def _flipped(content: bytes, chance: random.Random, end: int) -> bytes:
    spoilt = bytearray(content)
    for _ in range(chance.randrange(1, 5)):
        spoilt[chance.randrange(end)] = chance.randrange(256)
    return bytes(spoilt)


def _idx(folder: Path, chance: random.Random) -> tuple[Path, Path]:
    folder /= "idx"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for name in ("train", "t10k"):
            (folder / f"{name}-images-idx3-ubyte").write_bytes(idx.encode(IMAGES))
            (folder / f"{name}-labels-idx1-ubyte").write_bytes(gzip.compress(idx.encode(LABELS)))
    return folder, chance.choice(sorted(folder.iterdir()))


def _npz(folder: Path, chance: random.Random) -> tuple[Path, Path]:
    path = folder / "own.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", chance.choice(PACKINGS)) as archive:
        for name, array in (("x_train", IMAGES), ("y_train", LABELS)):
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, array)
    return path, path


def _picture(folder: Path, chance: random.Random) -> tuple[Path, Path]:
    folder /= "pictures"
    if not folder.is_dir():
        for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            (folder / "train" / str(label)).mkdir(parents=True, exist_ok=True)
            kind = FORMATS[number % len(FORMATS)]
            Image.fromarray(image).save(folder / "train" / str(label) / f"{number}.{kind.lower()}", kind)
    return folder, chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def _try_setting(override: str, found: Report) -> None:
    found.counts["settings tried"] += 1
    try:
        config = resolve(compose("config", [override]))
        assert isinstance(config, Config)
    except (UserError, HydraException, OmegaConfBaseException, OverflowError) as error:
        told = str(error) if isinstance(error, UserError) else hydra_errors.short_message(error)
        found.counts["settings refused"] += 1
        found.counts["other errors than one line"] += "\n" in told or not told
        if "\n" in told or not told:
            found.notes.append(f"{override}: {told!r}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is counted
        found.counts["other errors than one line"] += 1
        found.notes.append(f"{override}: {error!r}")
