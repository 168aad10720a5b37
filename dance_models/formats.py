"""What is known of a file format: the declaration from which docs, errors and lists are made.

Each reader declares its formats beside itself (``annotations/formats.py``,
``estimators/formats.py``); nothing else says which formats there are.
"""

from dataclasses import dataclass
from typing import Literal

Content = Literal["annotations", "poses"]


@dataclass(frozen=True)
class Format:
    """One export of one tool."""

    id: str  # e.g. "cvat-images"
    tool: str  # e.g. "CVAT"
    export: str  # the export as the tool names it, e.g. "CVAT for images 1.1"
    content: Content
    suffixes: tuple[str, ...]  # of its files, lower case; a hint: the content decides
    recognised_by: str  # what in the content tells it from others
    reads: str  # what is read of it
    example: str  # a short literal example of its decisive part
    since: str  # version of this package that first read it; "" for one that is not read
    tested_with: str  # versions of the tool or of its format, or "its documentation"
    instead: str = ""  # what to export instead, of a format that is recognised and not read

    @property
    def read(self) -> bool:
        """Whether its files are read, rather than named in an error."""
        return bool(self.since)
