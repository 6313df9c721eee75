"""What a command does, in the words of its module."""

import ast

from pipeline.core.paths import ROOT


def docstring(command: str) -> str:
    """Return the docstring of pipeline/COMMAND.py. The file is parsed, not imported: that could load TensorFlow."""
    module = ast.parse((ROOT / "pipeline" / f"{command}.py").read_text(encoding="utf-8"))
    return ast.get_docstring(module) or ""
