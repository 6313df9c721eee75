"""Write the tables of settings in docs/reference.md from conf/ and from the schema in pipeline/core/config.py.

python docs/reference.py
"""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml

from pipeline.core.atomic import write_text
from pipeline.core.config import Config, File
from pipeline.core.paths import CONF

PAGE = Path(__file__).with_name("reference.md")
BEGIN, END = "<!-- written by docs/reference.py -->", "<!-- end -->"
COMMENT = re.compile(r"\s#\s+(.*)$")
# The file of conf/ with the default of each section, and where the section is in it.
FILES = {
    "settings.yaml": "",
    "train/sgd.yaml": "train",
    "model/softmax.yaml": "model",
    "data/mnist.yaml": "data",
    "tracking/sqlite.yaml": "tracking",
    "config.yaml": "",
    "promotion/gate.yaml": "promotion",
}
# Files of Hydra's own section, whose settings are not in the schema.
HYDRA_FILES = {
    "hydra/output/project.yaml": "hydra",
    "hydra/sweeper/grid.yaml": "hydra.sweeper",
    "hydra/launcher/bank.yaml": "hydra.launcher",
    "hydra/launcher/ray.yaml": "hydra.launcher",
    "sweep/search.yaml": "",
}
UNLISTED = ("_target_", "mode", "params")  # keys of Hydra's section that are not for users to change
GROUPS = ("data", "model", "train", "tracking", "promotion", "experiment", "sweep", "hydra/launcher", "hydra/sweeper")


class Setting(NamedTuple):
    """A setting: the text of its default, and the comment beside it."""

    default: str
    comment: str


def tables() -> Iterator[str]:
    """The lines of the tables: the files of each group, then the settings of each file."""
    yield "| option | command, and what it does |"
    yield "|---|---|"
    for group in GROUPS:
        for path in sorted((CONF / group).glob("*.yaml")):
            lines = path.read_text(encoding="utf-8").splitlines()
            command, _, purpose = lines[lines[0].startswith("# @package")].removeprefix("# ").partition("    ")
            yield f"| `{group}={path.stem}` | `{command}`: {_escape(purpose)} |"
    allowed = dict(_allowed(Config))
    listed = set()
    for file, section in FILES.items():
        yield f"\n`conf/{file}`:\n"
        yield "| setting | default | allowed | meaning |"
        yield "|---|---|---|---|"
        for key, setting in _read(file, section):
            if key in allowed:
                listed.add(key)
                yield f"| `{key}` | {setting.default} | {_escape(allowed[key])} | {_escape(setting.comment)} |"
    missing = set(allowed) - listed
    assert not missing, f"no default in {', '.join(FILES)}: {missing}"
    for file, section in HYDRA_FILES.items():
        yield f"\n`conf/{file}`:\n"
        yield "| setting | default | meaning |"
        yield "|---|---|---|"
        for key, setting in _read(file, section):
            if not set(key.split(".")) & set(UNLISTED):
                yield f"| `{key}` | {setting.default} | {_escape(setting.comment)} |"


def _allowed(schema: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each setting by its dotted key, and what its value may be."""
    for field in dataclasses.fields(schema):
        key = prefix + field.name
        section = next(filter(dataclasses.is_dataclass, (field.type, *get_args(field.type))), None)
        if field.name == "files":
            yield key, f"four files, each with {', '.join(each.name for each in dataclasses.fields(File))}; or null"
        elif section is not None:
            yield from _allowed(section, f"{key}.")
        else:
            yield key, field.metadata.get("allowed") or _type_name(field.type)


def _type_name(kind: Any) -> str:
    return {bool: "true or false", str: "text", int: "a whole number", float: "a number"}.get(kind, "a list of texts")


def _read(file: str, section: str) -> Iterator[tuple[str, Setting]]:
    """The settings of a file of conf/, with the comment on the line of each key."""
    text = (CONF / file).read_text(encoding="utf-8")
    yield from _mapping(yaml.compose(text), text.splitlines(), f"{section}." if section else "")


def _mapping(node: yaml.Node | None, lines: list[str], prefix: str) -> Iterator[tuple[str, Setting]]:
    assert isinstance(node, yaml.MappingNode)
    for key_node, value in node.value:
        key = prefix + key_node.value
        if isinstance(value, yaml.MappingNode) and key != "data.files":
            yield from _mapping(value, lines, f"{key}.")
        else:
            match = COMMENT.search(lines[key_node.start_mark.line])
            yield key, Setting(_default(value), match[1] if match else "")


def _default(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return f"`{node.value}`" if node.value else "empty"
    return "see the file"


def _escape(text: str) -> str:
    return text.replace("|", r"\|")


def page() -> str:
    """The page with its tables renewed."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{chr(10).join(tables())}\n\n{END}{after}"


if __name__ == "__main__":
    write_text(PAGE, page())
