"""The formatter of log lines."""

import logging

from pipeline.core.text import redact


class Formatter(logging.Formatter):
    """Python's own formatter, without the credentials that messages and tracebacks of libraries may repeat."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return redact(super().format(record))
