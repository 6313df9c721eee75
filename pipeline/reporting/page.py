"""Renders a page as one self-contained HTML file.

Jinja2 escapes every value. The page's Content-Security-Policy allows the script and the style in this folder by their
hashes, images as data: URIs, and nothing else.
"""

import base64
import hashlib
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting.single import FIGURES, Single
from pipeline.reporting.sweep import Sweep

FOLDER = Path(__file__).parent
SPACE = "\N{NO-BREAK SPACE}"  # between a number and its unit


def render(page: Single | Sweep, written: datetime) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "local": local, "duration": duration, "label": label}
    code = ((FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "steps.js"))
    style, script = map(Markup, code)  # not escaped: constant files, into which no value is inserted
    return environment.get_template("page.html.j2").render(
        page=page,
        stored_run=page.stored_run,
        figures=FIGURES,
        written=written,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def percent(fraction: float) -> str:
    """As `7.56 %`."""
    return f"{100 * fraction:.2f}{SPACE}%"


def label(key: str) -> str:
    """A setting without its section, where that is clear: `learning_rate`."""
    return key.removeprefix("train.")


def local(moment: datetime) -> str:
    """ISO 8601 in local time, for example `2026-11-25 21:19:12+00:00`."""
    return moment.isoformat(sep=" ", timespec="seconds")


def duration(seconds: float) -> str:
    """As `5.7 s` or `2 min 13 s`."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}{SPACE}min {int(rest)}{SPACE}s" if minutes else f"{rest:.1f}{SPACE}s"


def _hash(text: str) -> str:
    """A source of a Content-Security-Policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
