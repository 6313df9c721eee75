"""A web server on loopback with the faults of real mirrors."""

import gzip
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, repeat

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextmanager
def serving(answer: Answer, files: dict[str, bytes], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve NAME.gz for each file through `answer`, and yield the URL of the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, files[self.path.rpartition("/")[2].removesuffix(".gz")])

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()  # poll interval in seconds
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, code: int = 200, promised: int | None = None) -> None:
    """Send a body, with its length or the promised one in the header."""
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body) if promised is None else promised))
    handler.end_headers()
    handler.wfile.write(body)


def good(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file, as published."""
    send(handler, gzip.compress(content))


def plain(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file without compression under its .gz name."""
    send(handler, content)


def labelled(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The .gz file with a Content-Encoding header, so that the client sees the plain file."""
    encoded(handler, gzip.compress(content))


def twice(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The .gz file in a response that the server compresses again."""
    encoded(handler, gzip.compress(gzip.compress(content)))


def encoded(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Send a compressed response."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def in_crumbs(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file in chunks, the first two of one byte, without a length."""
    body = gzip.compress(content)
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for part in (body[:1], body[1:2], body[2:], b""):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))


def with_more(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file with other bytes after the end of its gzip data."""
    send(handler, gzip.compress(content) + b"something else" * 100)


def forbidden(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """403, as the original site responds."""
    send(handler, b"no", 403)


def missing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """404."""
    send(handler, b"no", 404)


def unavailable(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """503."""
    send(handler, b"later", 503)


def html(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """An HTML page with status 200."""
    send(handler, b"<!DOCTYPE html><html>moved</html>")


def wrong_bytes(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A file of the right size with other contents."""
    send(handler, gzip.compress(bytes(len(content))))


def cut(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the promised bytes."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2], promised=len(body))


def cut_gzip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A complete response with half of a gzip file."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2])


def too_much(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A small response that unpacks to more than the file."""
    send(handler, gzip.compress(bytes(4 * len(content))))


def loop(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """A redirect to itself."""
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def stalled(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the file, and then nothing until the client disconnects."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2], promised=len(body))
    handler.rfile.read(1)


def silent(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """No response until the client disconnects."""
    handler.rfile.read(1)


def less_promised(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """The whole file with half of its length in the header."""
    body = gzip.compress(content)
    send(handler, body, promised=len(body) // 2)


def endless(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Zeros until the client disconnects."""
    pour(handler, repeat(bytes(1 << 16)))


def endless_nothing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Gzip data that never end: empty blocks."""
    pour(
        handler, (b"\x1f\x8b\x08" + bytes(7) if number == 0 else b"\x00\x00\x00\xff\xff" * 10_000 for number in count())
    )


def pour(handler: BaseHTTPRequestHandler, parts: Iterable[bytes]) -> None:
    """Send a body without a length until the client disconnects."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for part in parts:
            handler.wfile.write(part)


def dripping(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Single bytes with pauses."""
    body = gzip.compress(content)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    drip(handler, body)


def dripping_headers(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Single bytes of a header that does not end, with pauses."""
    drip(handler, b"HTTP/1.1 200 OK\r\nX-Header: " + b"x" * 1000)


def drip(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Send single bytes for longer than the tests' timeout of a chunk, and disconnect."""
    pause = threading.Event()
    with suppress(OSError):
        for number in range(60):
            handler.wfile.write(body[number : number + 1])
            pause.wait(0.05)
