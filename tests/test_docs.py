"""README and docs/: their size, their links, the files and commands that they name, and the generated tables."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import PAGES, READER_PAGES, blocks, commands, text
from tests.support.project import ROOT

README = READER_PAGES[0]
FOLDERS = ("conf", "pipeline", "tests", "docs", "benchmarks", "hydra_plugins", ".github", ".ci", ".dvc")
EXAMPLES = {"conf/data/letters.yaml", "pipeline/balance.py"}  # that a reader would write
UNTRACKED = {".dvc/tmp/rwlock", ".dvc/tmp/site_cache"}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_readme_is_short() -> None:
    """People decide on the first screen. Tables and links may have long lines."""
    lines = text(README).splitlines()
    assert len(text(README).split()) <= 1000
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120 and not line.startswith("|") and "](" not in line] == []


@each_page
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link and picture is in the repository, and every anchor is a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if not target.startswith(("http://", "https://")):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            assert file.exists(), target
            headings = re.findall(r"^#+ (.*)$", text(file), re.MULTILINE) if anchor else []
            assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, target


@each_page
def test_named_files_exist(page: Path) -> None:
    """A path in code font that begins with a folder of the repository is there."""
    for name in re.findall(rf"`((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*)`", text(page)):
        assert (ROOT / name).exists() or name in EXAMPLES | UNTRACKED, name


@each_page
def test_named_make_targets_exist(page: Path) -> None:
    """`make X` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert {*re.findall(r"(?:`|^)make ([a-z-]+)", text(page), re.MULTILINE)} <= targets


@each_page
def test_named_commands_exist(page: Path) -> None:
    """`python -m pipeline.X` is a file."""
    for name in re.findall(r"python -m pipeline\.([a-z_]+)", text(page)):
        assert (ROOT / "pipeline" / f"{name}.py").exists() or f"pipeline/{name}.py" in EXAMPLES, name


def test_every_page_of_docs_is_checked() -> None:
    """A new page joins the list, and README leads to it."""
    assert {page for page in PAGES if page.parent.name == "docs"} == {*(ROOT / "docs").glob("*.md")}
    for page in PAGES:
        assert f"({page.relative_to(ROOT)})" in text(README) or page in (README, ROOT / "AGENTS.md")


def test_commands_are_extracted() -> None:
    """From blocks and from tables, and not the examples of options in tables."""
    expected = {"make repro", "make ui", "python -m pipeline.train +sweep=grid", "python -m pipeline.report models"}
    assert expected <= {*commands(README)}
    assert commands(ROOT / "docs/reference.md") == []
    assert len(blocks(ROOT / "docs/tour.md", "diff")) == 3


def test_commands_in_the_sentences_of_readme_are_typed_too() -> None:
    """They are among the commands that tests/end_to_end/test_docs_commands.py types, unless they have a placeholder."""
    named = re.findall(r"`(python -m pipeline\.[a-z]+ [^`]+)`", text(README))
    typed = {command for page in READER_PAGES for command in commands(page)}
    assert {command for command in named if "RUN" not in command.split()} <= typed
    assert any("--multirun" in command for command in named)


def test_tables_of_the_reference_are_those_of_conf() -> None:
    """`make docs` would change nothing. A new setting or another default is in the page."""
    page = ROOT / "docs/reference.md"
    before = page.read_bytes()
    code = "import runpy; print(runpy.run_path('docs/reference.py')['page'](), end='')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == before
