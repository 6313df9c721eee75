"""List the commands.

python -m pipeline
"""

import sys

from pipeline.core.docstrings import docstring
from pipeline.core.paths import ROOT

HIDDEN = ("__init__", "__main__", "pipeline")
STAGES = ("compose", "fetch", "preprocess", "train", "evaluate")


def main(arguments: list[str]) -> int:
    """Print each command with the first line of its docstring, and return the exit code."""
    if arguments not in ([], ["-h"], ["--help"]):
        sys.stderr.write(
            f"error: unknown argument {arguments[0]!r}: `python -m pipeline` lists the commands, and a command is "
            "started as `python -m pipeline.COMMAND`\n"
        )
        return 2
    modules = sorted(path.stem for path in (ROOT / "pipeline").glob("*.py") if path.stem not in HIDDEN)
    others = [name for name in modules if name not in STAGES]
    sys.stdout.write(
        f"Stages, which `dvc repro` runs in this order:\n{_list(STAGES)}\nOther commands:\n{_list(others)}\n"
    )
    sys.stdout.write("python -m pipeline.COMMAND --help    shows examples and options\n")
    return 0


def _list(commands: tuple[str, ...] | list[str]) -> str:
    return "".join(f"  {name:<12}{docstring(name).partition(chr(10))[0]}\n" for name in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
