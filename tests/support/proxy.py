"""A proxy before a server that loses, delays or replaces responses."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

DROPPED = ("connection", "content-encoding", "content-length", "transfer-encoding", "date", "server")


class Proxy:
    """How the proxy treats the next requests."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.url = ""
        self.status = 0  # sent in place of the server's response; 0: none
        self.forgetful = False  # the first request of each kind gets 503, though the server handles it
        self.most = math.inf  # requests; then there is no response
        self.last = b""  # a request with these bytes is the last one with a response
        self.seconds = 0.0  # before each response
        self.silent = False  # no response: the connection is closed
        self.requests = 0


@contextmanager
def proxy(server: str) -> Iterator[Proxy]:
    """Start a proxy before the server, on loopback."""
    state, seen = Proxy(server), set[tuple[str, str]]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            state.requests += 1
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if state.silent or state.requests > state.most:
                self.close_connection = True
                return
            time.sleep(state.seconds)
            status, content, headers = state.status, b"<html>\n<h1>not now</h1>", {}
            if state.forgetful and (self.command, self.path) not in seen:
                seen.add((self.command, self.path))
                status = 503
            if not state.status:
                got = requests.request(
                    self.command, state.server + self.path, data=body, headers=dict(self.headers), timeout=60
                )
                if not status:
                    status, content, headers = got.status_code, got.content, dict(got.headers)
            if state.last and state.last in body:
                state.last, state.silent = b"", True
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))  # seconds between checks for shutdown()
    thread.start()
    try:
        yield state
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
