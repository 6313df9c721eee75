"""The pages of the documentation, and the commands in them."""

import re
from pathlib import Path

from tests.support.project import ROOT

# In the order in which a reader types their commands. data.md is the last: it exchanges the data.
READER_PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("tour", "sweeps", "leaderboard", "runs", "machines", "reference")),
    *(ROOT / "docs" / f"{name}.md" for name in ("decisions", "limits", "data")),
]
PAGES = [*READER_PAGES, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "AGENTS", "SECURITY", "CHANGELOG"))]
PROGRAMS = r"(?:python|make|dvc|mlflow|pip|git)"


def commands(page: Path) -> list[str]:
    """The commands of a page in their order: the lines of `sh` blocks, and cells of tables that are a command."""
    found: list[str] = []
    for block, cell in re.findall(
        rf"^```sh\n(.*?)^```$|(?<=\| )`({PROGRAMS} [^`|]+)`(?= \|)", text(page), re.MULTILINE | re.DOTALL
    ):
        found += [cell] if cell else block.splitlines()
    return found


def blocks(page: Path, language: str) -> list[str]:
    """The content of the page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


def text(page: Path) -> str:
    """The content of a page."""
    return page.read_text(encoding="utf-8")
