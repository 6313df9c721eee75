"""How wide a table may be, and text that is cut to fit."""

import shutil

DEFAULT_WIDTH = 100  # characters, where stdout is no terminal
MIN_WIDTH = 60  # of a terminal that has, or claims, fewer

MIN_CLIPPED = 5  # characters of a clipped text: one at each end


def width() -> int:
    """The number of characters of a line: those of the terminal, or of the variable COLUMNS."""
    return max(MIN_WIDTH, shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns)


def clip(text: str, length: int) -> str:
    """Replace the middle of a text that is longer than `length` by "..."; the end differs more often."""
    assert length > MIN_CLIPPED
    if len(text) <= length:
        return text
    end = (length - 3) * 2 // 3
    return f"{text[: length - 3 - end]}...{text[-end:]}"
