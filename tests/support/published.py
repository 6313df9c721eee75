"""A small published data set of four files, for tests of downloads."""

from hashlib import sha256
from pathlib import Path

from pipeline.core.config import Data, File, Files

CONTENT = {
    "train-images": bytes(range(256)) * 1000,
    "train-labels": b"\x01\x02" * 50,
    "t10k-images": b"\x07" * 3000,
    "t10k-labels": b"\x03" * 30,
}


def data_set(*sources: str) -> Data:
    """Return the configuration of the data set with these sources."""
    files = [File(name, len(content), sha256(content).hexdigest()) for name, content in CONTENT.items()]
    return Data(name="made", sources=list(sources), files=Files(*files))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of a folder's files by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
