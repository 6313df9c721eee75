"""Bytes on their way: unpacked, bounded in size and in time, whoever sends them."""

import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import IO

from pipeline.formats.idx import GZIP

CHUNK = 1 << 16  # bytes
SECONDS_A_CHUNK = 10  # the least speed of a mirror is thus 6.5 kB/s, its answer's beginning included


class SourceError(Exception):
    """This source cannot give the file; the next one may."""


class Cut(SourceError):
    """The data ended too early; another try may have all of them."""


def of(file: IO[bytes]) -> Iterator[bytes]:
    """What the file holds."""
    while chunk := file.read(CHUNK):
        yield chunk


def bounded(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The chunks, which may have so many bytes together.

    Raises:
        SourceError: they have more.
    """
    left = most
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise SourceError(f"it sends more than {most} bytes")
        yield chunk


def plain(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, decompressed if their first bytes are gzip's, whatever the file's name says.

    Raises:
        SourceError: they are an HTML page, or damaged gzip data.
        Cut: the gzip data have no end.
    """
    inflate = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
            raise SourceError("it gave an HTML page instead of the file")
        if number == 0 and chunk.startswith(GZIP):
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
        if inflate.eof:
            return  # whatever may follow
    if inflate is not None:
        raise Cut("its gzip data end too early")


def gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks that are not small, however small they were sent."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) >= CHUNK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def promptly(chunks: Iterable[bytes]) -> Generator[bytes]:
    """The chunks, of which none may be long in coming, whatever it is that takes long: name, headers, or single bytes.

    They are read in a thread of their own, which stops after its present chunk where they are not wanted any more.

    Raises:
        SourceError: one takes longer than SECONDS_A_CHUNK.
        Exception: whatever reading them raises.
    """
    ready: Queue[bytes | Exception | None] = Queue(1)
    wanted = True

    def read() -> None:
        try:
            for chunk in chunks:
                ready.put(chunk)
                if not wanted:
                    return
            ready.put(None)
        except Exception as error:  # noqa: BLE001 - it is raised where the chunks are wanted
            ready.put(error)

    Thread(target=read, daemon=True).start()
    try:
        while (chunk := ready.get(timeout=SECONDS_A_CHUNK)) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk
    except Empty as error:
        raise SourceError(f"it sends less than {CHUNK >> 10} KiB in {SECONDS_A_CHUNK} s") from error
    finally:
        wanted = False
        with suppress(Empty):
            ready.get_nowait()  # for which the thread may wait
