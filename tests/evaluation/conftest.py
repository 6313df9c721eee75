"""Figures as a test sees them while they are written."""

from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that have been written as files, the latest last."""
    found: list[Figure] = []
    save = Figure.savefig

    def noted(figure: Figure, *words: Any, **options: Any) -> None:
        save(figure, *words, **options)
        found.append(figure)

    monkeypatch.setattr(Figure, "savefig", noted)
    return found
