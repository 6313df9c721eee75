"""Streams of bytes from untrusted sources: decompressed, and limited in size and time."""

import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import IO

from pipeline.formats.idx import GZIP

CHUNK = 1 << 16  # bytes
CHUNK_TIMEOUT = 10  # seconds: a mirror must send at least 6.5 kB/s, and begin to answer in this time


class SourceError(Exception):
    """This source cannot provide the file. The next one may."""


class TruncatedError(SourceError):
    """The data ended too early. A retry may get all of them."""


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Read a file in chunks."""
    while chunk := file.read(CHUNK):
        yield chunk


def limit_size(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Pass on the chunks, at most `limit` bytes in total.

    Raises:
        SourceError: there are more.
    """
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise SourceError(f"it sends more than {limit} bytes")
        yield chunk


def decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress gzip data, which are recognized by their first bytes and not by a name. Pass on other data.

    Raises:
        SourceError: the data are an HTML page or corrupt gzip data.
        TruncatedError: the gzip data are incomplete.
    """
    inflate = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
            raise SourceError("it sent an HTML page instead of the file")
        if number == 0 and chunk.startswith(GZIP):
            inflate = zlib.decompressobj(wbits=31)
        if inflate is None:
            yield chunk
            continue
        try:
            plain = inflate.decompress(chunk, CHUNK)
            while plain:
                yield plain
                plain = inflate.decompress(inflate.unconsumed_tail, CHUNK)
        except zlib.error as error:
            raise SourceError("its gzip data are corrupt") from error
        if inflate.eof:
            return  # ignore bytes after the end of the gzip data
    if inflate is not None:
        raise TruncatedError("its gzip data are truncated")


def merge_small(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Merge small chunks into chunks of at least `CHUNK` bytes, but for the last one."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        if len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def limit_time(chunks: Iterable[bytes]) -> Generator[bytes]:
    """Enforce a time limit per chunk, including DNS lookup and headers.

    A thread reads the chunks. If the generator is closed, the thread stops after its current chunk.

    Raises:
        SourceError: a chunk takes longer than CHUNK_TIMEOUT.
        Exception: whatever reading the chunks raises.
    """
    ready: Queue[bytes | Exception | None] = Queue(1)
    closed = False

    def read() -> None:
        try:
            for chunk in chunks:
                ready.put(chunk)
                if closed:
                    return
            ready.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised again in the consumer's thread
            ready.put(error)

    Thread(target=read, daemon=True).start()
    try:
        while (chunk := ready.get(timeout=CHUNK_TIMEOUT)) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
    except Empty as error:
        raise SourceError(f"it sends less than {CHUNK >> 10} KiB in {CHUNK_TIMEOUT} s") from error
    finally:
        closed = True
        with suppress(Empty):
            ready.get_nowait()  # the thread may be waiting for room in the queue
