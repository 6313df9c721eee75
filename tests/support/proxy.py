"""A proxy before a server, which loses, delays or spoils what goes through it."""

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
        self.passing = False  # whether the server gets what is answered with `status`
        self.seconds = 0.0  # before each answer
        self.silent = False  # no answer: the connection is closed
        self.requests = 0


@contextmanager
def proxy(server: str) -> Iterator[Proxy]:
    """A proxy before the server, on loopback."""
    state = Proxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            state.requests += 1
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if state.silent:
                self.close_connection = True
                return
            time.sleep(state.seconds)
            status = state.status
            told, headers = b"<html>\n<h1>not now</h1>", {}
            if not status or state.passing:
                got = requests.request(
                    self.command, state.server + self.path, data=body, headers=dict(self.headers), timeout=60
                )
                if not status:
                    status, told, headers = got.status_code, got.content, dict(got.headers)
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
