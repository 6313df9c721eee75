"""The formatter of log lines, and text on terminals that lack some characters."""

import logging
import sys
from io import TextIOWrapper

from pipeline.core.text import redact


def replace_unencodable() -> None:
    """Print a question mark in place of a character that the encoding of stdout lacks."""
    if isinstance(sys.stdout, TextIOWrapper):  # pytest's is not
        sys.stdout.reconfigure(errors="replace")


class Formatter(logging.Formatter):
    """Python's own formatter, without the credentials that messages and tracebacks of libraries may repeat."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return redact(super().format(record))
