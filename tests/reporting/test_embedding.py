"""Files in a page have limits."""

from pathlib import Path

import pytest

from pipeline.reporting import embedding


@pytest.mark.parametrize(("number", "limit"), [(0, 30), (1, 30), (30, 30), (31, 30), (1000, 30), (5, 2)])
def test_spread_keeps_both_ends_and_repeats_nothing(number: int, limit: int) -> None:
    """A long training has more weight images than a page can hold."""
    items = list(range(number))
    kept = embedding.spread(items, limit)
    assert len(kept) == min(number, limit)
    assert kept == sorted(set(kept))
    assert kept[:1] == items[:1]
    assert kept[-1:] == items[-1:]


def test_long_text_is_truncated_with_a_note(tmp_path: Path) -> None:
    """A diff may have megabytes, and bytes that are not UTF-8."""
    path = tmp_path / "git.diff"
    path.write_bytes(b"\xff" + b"x" * 30_000)
    assert str(embedding.text(path)).endswith("x\n... and 10001 characters more")
    path.write_bytes(b"")
    assert embedding.text(path) == ""
    assert embedding.text(None) is None
