"""Downloads are verified, faulty sources are skipped, and failures leave no invalid files."""

import gzip
import logging
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.core.errors import UserError
from pipeline.sources import download, mirrors, streams
from tests.support import mirror
from tests.support.published import CONTENT, contents, data_set
from tests.support.waiting import until

VALID = [mirror.good, mirror.plain, mirror.labelled, mirror.twice, mirror.in_crumbs, mirror.with_more]


@pytest.mark.parametrize("answer", VALID, ids=lambda answer: answer.__name__)
def test_valid_mirror_fills_the_folder_with_exactly_the_files(answer: mirror.Answer, tmp_path: Path) -> None:
    """Gzip is recognized by the contents, not by the name. Other files are removed."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "left-over").write_text("of another data set")
    with mirror.serving(answer, CONTENT) as url:
        download.fetch(data_set(url), folder)
    assert contents(folder) == CONTENT


FAULTS: dict[mirror.Answer, str] = {
    mirror.forbidden: "HTTP 403",
    mirror.missing: "HTTP 404",
    mirror.unavailable: "HTTP 503",
    mirror.html: "HTML page",
    mirror.wrong_bytes: "other bytes than the published ones",
    mirror.cut: "IncompleteRead",
    mirror.less_promised: "gzip data are truncated",
    mirror.stalled: "less than 64 KiB in 1 s",
    mirror.silent: "less than 64 KiB in 1 s",
    mirror.dripping: "less than 64 KiB in 1 s",
    mirror.dripping_headers: "less than 64 KiB in 1 s",
    mirror.cut_gzip: "gzip data are truncated",
    mirror.too_much: f"sends more than {len(CONTENT['train-images'])} bytes",
    mirror.endless: f"sends more than {len(CONTENT['train-images'])} bytes",
    mirror.endless_nothing: f"sends more than {len(CONTENT['train-images']) + mirrors.MAX_GZIP_OVERHEAD} bytes",
    mirror.loop: "redirects too often",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faulty_mirror_is_skipped_with_one_warning(
    fault: mirror.Answer, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning names the mirror and its fault. The test shortens the timeout of a chunk."""
    if "KiB" in FAULTS[fault]:
        monkeypatch.setattr(streams, "CHUNK_TIMEOUT", 1)
    with mirror.serving(fault, CONTENT) as bad, mirror.serving(mirror.good, CONTENT) as good:
        download.fetch(data_set(bad, good), tmp_path / "downloads")
    assert contents(tmp_path / "downloads") == CONTENT
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert bad in warning
    assert FAULTS[fault] in warning


@pytest.mark.parametrize("every", [1, 2])
def test_truncated_download_is_retried_up_to_a_limit(every: int, tmp_path: Path) -> None:
    """If every second download is truncated, all files arrive; if all are, the next source follows after three."""
    requested: list[str] = []

    def truncating(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        requested.append(handler.path)
        (mirror.good if len(requested) % every else mirror.cut)(handler, content)

    with mirror.serving(truncating, CONTENT) as bad, mirror.serving(mirror.good, CONTENT) as good:
        download.fetch(data_set(*([bad, good] if every == 1 else [bad])), tmp_path / "downloads")
    assert contents(tmp_path / "downloads") == CONTENT
    assert len(requested) == (mirrors.MAX_ATTEMPTS if every == 1 else 2 * len(CONTENT) - 1)


def test_self_signed_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names REQUESTS_CA_BUNDLE, and with it the certificate is accepted."""
    certificate = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with mirror.serving(mirror.good, CONTENT, tls) as own, mirror.serving(mirror.good, CONTENT) as good:
        download.fetch(data_set(own, good), tmp_path / "downloads")
        assert contents(tmp_path / "downloads") == CONTENT
        (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert f"{own} for train-images: certificate verify failed" in warning.replace(
            "[SSL: CERTIFICATE_VERIFY_FAILED] ", ""
        )
        assert "REQUESTS_CA_BUNDLE" in warning
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        download.fetch(data_set(own), tmp_path / "again")
    assert contents(tmp_path / "again") == CONTENT


def self_signed(folder: Path) -> Path:
    """Write a PEM file with a key and its self-signed certificate for loopback."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    first, last = now - timedelta(days=1), now + timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, first, last)
    signed = builder.add_extension(loopback, critical=True).sign(key, SHA256())
    pem = Encoding.PEM
    path = folder / "own.pem"
    path.write_bytes(key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(pem))
    return path


def test_unreachable_proxy_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy comes from the environment."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"http://mirror\.invalid \(ProxyError \(.*refused\)\)"):
        download.fetch(data_set("http://mirror.invalid"), tmp_path / "downloads")
    assert contents(tmp_path / "downloads") == {}


def test_verified_files_are_not_fetched_again(tmp_path: Path) -> None:
    """A second fetch needs no source, unless a file was damaged."""
    folder = tmp_path / "downloads"
    with mirror.serving(mirror.good, CONTENT) as url:
        download.fetch(data_set(url), folder)
    download.fetch(data_set("/nowhere"), folder)
    (folder / "t10k-labels").write_bytes(bytes(30))
    with pytest.raises(UserError, match="t10k-labels"):
        download.fetch(data_set("/nowhere"), folder)


def test_error_lists_all_failed_sources_and_the_next_step(tmp_path: Path) -> None:
    """In one line. No file gets its final name."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with mirror.serving(mirror.html, CONTENT) as bad, pytest.raises(UserError) as failure:
            download.fetch(data_set(refused, bad, str(tmp_path / "empty")), tmp_path / "downloads")
    message = str(failure.value)
    assert "\n" not in message
    for part in (refused, "refused", bad, "HTML page", "empty", "data.sources", "data=digits"):
        assert part in message
    assert contents(tmp_path / "downloads") == {}


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_local_folder_is_a_source(ending: str, tmp_path: Path) -> None:
    """For machines without a network."""
    own = tmp_path / "own"
    own.mkdir()
    for name, content in CONTENT.items():
        (own / (name + ending)).write_bytes(gzip.compress(content) if ending else content)
    download.fetch(data_set(str(own)), tmp_path / "downloads")
    assert contents(tmp_path / "downloads") == CONTENT


def test_concurrent_fetches_both_succeed(tmp_path: Path) -> None:
    """Neither reads a partial file of the other, and each file is downloaded once."""
    requested: list[str] = []
    together = threading.Barrier(2)

    def counting(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        requested.append(handler.path)
        mirror.good(handler, content)

    with mirror.serving(counting, CONTENT) as url:

        def fetch() -> None:
            together.wait()
            download.fetch(data_set(url), tmp_path / "downloads")

        threads = [threading.Thread(target=fetch) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert contents(tmp_path / "downloads") == CONTENT
    assert len(requested) == len(CONTENT)


def test_killed_fetch_leaves_no_partial_file_under_a_final_name(tmp_path: Path) -> None:
    """After SIGKILL during a download, the next fetch succeeds."""
    gone = threading.Event()

    def stuck(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(2**20))
        handler.end_headers()
        handler.wfile.write(CONTENT["train-images"][: 2 * streams.CHUNK])
        gone.wait(60)

    folder = tmp_path / "downloads"
    with mirror.serving(stuck, CONTENT) as url:
        code = f"from tests.sources.test_download import *\ndownload.fetch(data_set({url!r}), Path({str(folder)!r}))\n"
        root = Path(__file__).resolve().parents[2]
        process = subprocess.Popen([sys.executable, "-c", code], cwd=root)
        until(lambda: any(file.stat().st_size >= streams.CHUNK for file in folder.glob(".train-images*")), process)
        process.kill()
        process.wait()
        gone.set()
    assert contents(folder), "the partial file has another name"
    assert not set(contents(folder)) & set(CONTENT)
    with mirror.serving(mirror.good, CONTENT) as url:
        download.fetch(data_set(url), folder)
    assert contents(folder) == CONTENT
