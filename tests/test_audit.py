"""`make audit` fails on known vulnerabilities, and reports a database that it cannot reach."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCK = "".join(f"{package}==1.0 --hash=sha256:{64 * '0'}\n" for package in ("sound", "broken", "diskcache"))


class Database(BaseHTTPRequestHandler):
    """It has a vulnerability, whose summary reads like a network error, and one that the Makefile accepts."""

    def do_POST(self) -> None:
        """Answer as OSV does."""
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = query["package"]
        vulnerability = {"broken": "PYSEC-0-1", "diskcache": "CVE-2025-69872"}.get(package["name"])
        known = {"id": vulnerability, "summary": "Could not connect", "affected": [{"package": package, "ranges": []}]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"vulns": [known]} if vulnerability else {}).encode())

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a vulnerability database on loopback."""
    server = HTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_vulnerability_fails_the_check_and_a_missing_network_does_not(database: str, tmp_path: Path) -> None:
    """The vulnerability is named; the missing network is reported in one line, so that work without it goes on."""
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "requirements-dev.lock").write_text(LOCK)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    vulnerable, unreachable = (
        subprocess.run(
            ["make", "--silent", "--assume-old", "setup-dev", "audit"],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PIP_AUDIT_OSV_URL": address},
            capture_output=True,
            text=True,
            check=False,
        )
        for address in (database, "http://127.0.0.1:9")
    )
    assert vulnerable.returncode == 2
    assert "Found 1 known vulnerability" in vulnerable.stderr
    assert "broken 1.0     PYSEC-0-1" in vulnerable.stderr
    assert "sound" not in vulnerable.stderr
    assert (unreachable.returncode, unreachable.stderr) == (0, "")
    assert unreachable.stdout == "no vulnerability check: the OSV database cannot be reached\n"
