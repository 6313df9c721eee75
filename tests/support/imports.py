"""The project's import graph, read from the sources."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def imported_names(file: Path) -> set[str]:
    """Every module or member that the file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def direct_imports(file: Path) -> set[Path]:
    """The pipeline files that the file itself imports."""
    return {path for name in imported_names(file) for path in _files_of(name)}


def pipeline_files(file: Path) -> set[Path]:
    """The pipeline files that running the file reads: itself, what it and they import, and their packages."""
    found: set[Path] = set()
    waiting = {file}
    while waiting:
        current = waiting.pop()
        found.add(current)
        waiting |= direct_imports(current) - found
        waiting |= {path for folder in current.parents if (path := folder / "__init__.py").is_file()} - found
    return found


def _files_of(name: str) -> set[Path]:
    path = ROOT.joinpath(*name.split("."))
    return {candidate for candidate in (path.with_suffix(".py"), path / "__init__.py") if candidate.is_file()}
