"""Files within a page are bounded."""

from pathlib import Path

import pytest

from pipeline.reporting import embedding


@pytest.mark.parametrize(("number", "most"), [(0, 30), (1, 30), (30, 30), (31, 30), (1000, 30), (5, 2)])
def test_spread_keeps_both_ends_and_repeats_nothing(number: int, most: int) -> None:
    """A long training has more weight images than a page can hold."""
    items = list(range(number))
    found = embedding.spread(items, most)
    assert len(found) == min(number, most)
    assert found == sorted(set(found))
    assert found[:1] == items[:1]
    assert found[-1:] == items[-1:]


def test_long_text_is_cut_and_says_so(tmp_path: Path) -> None:
    """A diff may have megabytes, and bytes that are no text."""
    path = tmp_path / "git.diff"
    path.write_bytes(b"\xff" + b"x" * 30_000)
    assert str(embedding.text(path)).endswith("x\n... and 10001 characters more")
    path.write_bytes(b"")
    assert embedding.text(path) == ""
    assert embedding.text(None) is None
