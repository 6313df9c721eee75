"""A web server on loopback that answers as real mirrors do on bad days."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@contextmanager
def serving(answer: Answer, files: dict[str, bytes]) -> Iterator[str]:
    """Serve NAME.gz for each file, through `answer`, and give the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, files[self.path.rpartition("/")[2].removesuffix(".gz")])

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, code: int = 200, promised: int | None = None) -> None:
    """Send a body, or less of it than is promised."""
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


def forbidden(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """403, as the original site answers."""
    send(handler, b"no", 403)


def missing(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """404."""
    send(handler, b"no", 404)


def html(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """A page that says 200."""
    send(handler, b"<!DOCTYPE html><html>moved</html>")


def wrong_bytes(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A file of the right size with other contents."""
    send(handler, gzip.compress(bytes(len(content))))


def cut(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of what was promised."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2], promised=len(body))


def cut_gzip(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A whole answer that holds half a gzip file."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2])


def too_much(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """A small answer that unpacks to more than the file."""
    send(handler, gzip.compress(bytes(4 * len(content))))


def loop(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """A redirect to itself."""
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def stalled(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    """Sends half of the file and then nothing, until the client hangs up."""
    body = gzip.compress(content)
    send(handler, body[: len(body) // 2], promised=len(body))
    handler.rfile.read(1)


def silent(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Takes the request and says nothing, until the client hangs up."""
    handler.rfile.read(1)
