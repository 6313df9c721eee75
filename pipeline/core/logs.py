"""How log lines are written."""

import logging

from pipeline.core.config import without_passwords


class Formatter(logging.Formatter):
    """Python's own, without passwords of URLs, which messages and tracebacks of libraries may repeat."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return without_passwords(super().format(record))
