"""A proxy before a server, which loses, delays or spoils what goes through it."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

DROPPED = ("connection", "content-encoding", "content-length", "transfer-encoding", "date", "server")


class Proxy:
    """How the proxy treats requests from now on."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.url = ""
        self.status = 0  # answered in place of the server, if it is one
        self.forgetful = False  # the first request of each kind is answered 503, though the server gets it
        self.most = math.inf  # requests, after which it is silent
        self.last = b""  # in a request, after which it is silent
        self.seconds = 0.0  # before each answer
        self.silent = False  # no answer: the connection is closed
        self.requests = 0


@contextmanager
def proxy(server: str) -> Iterator[Proxy]:
    """A proxy before the server, on loopback."""
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
            status, told, headers = state.status, b"<html>\n<h1>not now</h1>", {}
            if state.forgetful and (self.command, self.path) not in seen:
                seen.add((self.command, self.path))
                status = 503
            if not state.status:
                got = requests.request(
                    self.command, state.server + self.path, data=body, headers=dict(self.headers), timeout=60
                )
                if not status:
                    status, told, headers = got.status_code, got.content, dict(got.headers)
            if state.last and state.last in body:
                state.last, state.silent = b"", True
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))  # seconds until it hears of its end
    thread.start()
    try:
        yield state
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
