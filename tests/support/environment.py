"""The environment of this process as the .venv of a test's project, for `make` commands there."""

import sys
from pathlib import Path


def link_environment(folder: Path) -> None:
    """Link the environment into the folder, with the files that make `make setup` take it for complete."""
    (folder / "bin").mkdir(parents=True)
    for part in Path(sys.prefix).iterdir():
        if part.name != "bin" and not part.name.startswith("installed"):
            (folder / part.name).symlink_to(part)
    for command in (Path(sys.prefix) / "bin").iterdir():
        if command.name != "pip":
            (folder / "bin" / command.name).symlink_to(command)
    (folder / "bin/pip").write_text(f"#!{folder}/bin/python\n")
    for stamp in ("installed", "installed-dev"):
        (folder / stamp).touch()
