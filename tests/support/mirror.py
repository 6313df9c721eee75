"""A web server on loopback with the correct and faulty answers of download mirrors."""

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
    """Serve NAME.gz for each file through `answer`. Yields the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, files[self.path.rpartition("/")[2].removesuffix(".gz")])

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()  # 0.01 s: polls for shutdown
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, code: int = 200, promised: int | None = None) -> None:
    """Send a body. `promised` is a Content-Length that differs from the body's."""
    handler.send_response(code)
    handler.send_header("Content-Length", str(len(body) if promised is None else promised))
    handler.end_headers()
    handler.wfile.write(body)


def good(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the .gz file, as published."""
    send(handler, gzip.compress(content))


def plain(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the file uncompressed under its .gz name."""
    send(handler, content)


def labelled(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the .gz file with Content-Encoding: gzip, so that the decoded body is the file itself."""
    encoded(handler, gzip.compress(content))


def twice(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the .gz file, compressed once more by the server."""
    encoded(handler, gzip.compress(gzip.compress(content)))


def encoded(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Send a body with Content-Encoding: gzip."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def in_crumbs(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the .gz file with chunked transfer encoding. The first two chunks have one byte."""
    body = gzip.compress(content)
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Connection", "close")
    handler.end_headers()
    for part in (body[:1], body[1:2], body[2:], b""):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))


def with_more(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the .gz file with other bytes after the end of the gzip data."""
    send(handler, gzip.compress(content) + b"something else" * 100)


def forbidden(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send status 403, as MNIST's original site does."""
    send(handler, b"no", 403)


def missing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send status 404."""
    send(handler, b"no", 404)


def unavailable(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send status 503."""
    send(handler, b"later", 503)


def html(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send an HTML page with status 200."""
    send(handler, b"<!DOCTYPE html><html>moved</html>")


def wrong_bytes(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send a .gz file of the right size with other contents."""
    send(handler, gzip.compress(bytes(len(content))))


def cut(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send half of the body that Content-Length promises."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2], promised=len(body))


def cut_gzip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send half of the gzip data, with the Content-Length of that half."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2])


def too_much(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send a small body that decompresses to four times the file's size."""
    send(handler, gzip.compress(bytes(4 * len(content))))


def loop(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send a redirect to the same URL."""
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def stalled(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send half of the body and then nothing, until the client disconnects."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2], promised=len(body))
    handler.rfile.read(1)


def silent(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send nothing, until the client disconnects."""
    handler.rfile.read(1)


def less_promised(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the whole body with half of its length as Content-Length."""
    body = gzip.compress(content)
    send(handler, body, promised=len(body) // 2)


def endless(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send zeros until the client disconnects."""
    pour(handler, repeat(bytes(1 << 16)))


def endless_nothing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send endless gzip data that decompresses to nothing: empty blocks."""
    pour(
        handler, (b"\x1f\x8b\x08" + bytes(7) if number == 0 else b"\x00\x00\x00\xff\xff" * 10_000 for number in count())
    )


def pour(handler: BaseHTTPRequestHandler, parts: Iterable[bytes]) -> None:
    """Send a body of unknown length until the client disconnects."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for part in parts:
            handler.wfile.write(part)


def dripping(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the body in single bytes."""
    body = gzip.compress(content)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    drip(handler, body)


def dripping_headers(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Send an endless header in single bytes."""
    drip(handler, b"HTTP/1.1 200 OK\r\nX-Header: " + b"x" * 1000)


def drip(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """Send 60 bytes, one each 0.05 s, and disconnect: longer than the time limit of a chunk in the tests."""
    pause = threading.Event()
    with suppress(OSError):
        for number in range(60):
            handler.wfile.write(body[number : number + 1])
            pause.wait(0.05)
