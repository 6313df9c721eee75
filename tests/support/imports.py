"""The import graph of pipeline/, read from its sources, and the packages that a command loads."""

import ast
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from tests.support.project import Project

ROOT = Path(__file__).resolve().parents[2]


def imported_names(file: Path) -> set[str]:
    """Return every module and member that the file imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def direct_imports(file: Path) -> set[Path]:
    """Return the pipeline files that the file imports directly."""
    return {path for name in imported_names(file) for path in _module_files(name)}


def pipeline_files(file: Path) -> set[Path]:
    """Return the file, all pipeline files that it imports directly or indirectly, and their packages' __init__.py."""
    visited: set[Path] = set()
    pending = {file}
    while pending:
        current = pending.pop()
        visited.add(current)
        pending |= direct_imports(current) - visited
        pending |= {path for folder in current.parents if (path := folder / "__init__.py").is_file()} - visited
    return visited


def _module_files(name: str) -> set[Path]:
    path = ROOT.joinpath(*name.split("."))
    return {candidate for candidate in (path.with_suffix(".py"), path / "__init__.py") if candidate.is_file()}


def run_and_list(
    project: Project, module: str, words: Sequence[str], packages: Collection[str]
) -> CompletedProcess[str]:
    """Run a command in a new process. The last line of its output is `loaded` with those of the packages it loads."""
    code = (
        "import runpy, sys, atexit\n"
        f"atexit.register(lambda: print('loaded', sorted({set(packages)!r} & set(sys.modules))))\n"
        f"sys.argv = ['x', *{list(words)!r}]\n"
        f"runpy.run_module({module!r}, run_name='__main__')\n"
    )
    return project.run(sys.executable, "-c", code)
