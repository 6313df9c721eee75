"""Text for people: without credentials, without control characters, and no longer than MLflow stores."""

import re

MAX_PARAM_LENGTH = 6000  # characters: MLflow's own limit

# PostgreSQL and others accept a slash in a password: behind a colon, everything up to the last "@" may belong to it.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/\s@]*:\S*|[^/\s]*)@|(?<=[?&]password=)[^&\s'\"]*")


def redact(text: str) -> str:
    """Remove credentials from URLs: user and password before the host, and PostgreSQL's parameter `password`."""
    return _CREDENTIALS.sub("", text)


def truncate(value: str, file: str) -> str:
    """Cut a param to the length that MLflow stores, and say in which file of the run the full value is."""
    mark = f"... (the whole is in {file})"
    return value if len(value) <= MAX_PARAM_LENGTH else value[: MAX_PARAM_LENGTH - len(mark)] + mark


def printable(text: str) -> str:
    """Redact, and replace line breaks and control characters, which file names may contain, by question marks."""
    return "".join(character if character.isprintable() else "?" for character in redact(text))
