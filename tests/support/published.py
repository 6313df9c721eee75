"""A published data set of four small files, and what arrived of it."""

from hashlib import sha256
from pathlib import Path

from pipeline.core.config import Data, File, Files

CONTENT = {
    "train-images": bytes(range(256)) * 1000,
    "train-labels": b"\x01\x02" * 50,
    "t10k-images": b"\x07" * 3000,
    "t10k-labels": b"\x03" * 30,
}


def data_set(*places: str) -> Data:
    """The data set, to be had at these places."""
    files = [File(name, len(content), sha256(content).hexdigest()) for name, content in CONTENT.items()]
    return Data(name="made", sources=list(places), files=Files(*files))


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
