"""Text from files and file names, made harmless before a person or a program sees it."""

import re
from collections.abc import Iterable
from typing import Final

# Control characters, lone surrogates, and marks that turn the direction of writing: they move a
# terminal's cursor, hide what follows, or cannot be encoded. Line ends belong to them.
_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_LONGEST: Final = 200
MOST_LINES: Final = 40  # of one kind that a command, an error or a log says
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    r"""The text with control characters and what UTF-8 cannot encode as escapes, such as \x1b.

    Names of files that are not UTF-8 and JSON with half of a surrogate pair have such characters.
    """
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def brief(error: BaseException) -> str:
    """The message of any error in one line of at most 200 characters; else its type."""
    return printable(" ".join(str(error).split()))[:_LONGEST] or type(error).__name__


def first_lines(lines: Iterable[str], what: str) -> list[str]:
    """The first of many lines, and how many more of ``what`` there are.

    A disk that is away, or a wrong folder, makes a line for each of thousands of files.
    """
    every = list(lines)
    more = len(every) - MOST_LINES
    return [*every[:MOST_LINES], *([f"and {more:,} more {what}"] if more > 0 else [])]


def frame_count(frames: int) -> str:
    """``1 frame``, ``2 frames``."""
    return "1 frame" if frames == 1 else f"{frames} frames"


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is: neither HTML, nor links, pictures, tables or emphasis."""
    plain = printable(text)
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        plain = plain.replace(sign, entity)
    return re.sub(r"([\\`*_\[\]|~!#])", r"\\\1", plain)


def markdown_code(text: str) -> str:
    """Text as code in Markdown, where nothing but a backtick is special."""
    plain = printable(text).replace("`", "'")
    return f"`{plain}`"


def csv_text(text: str) -> str:
    """Text for a cell of a CSV; one that a spreadsheet would run as a formula begins with '."""
    return f"'{text}" if text.startswith(_FORMULA) else text
