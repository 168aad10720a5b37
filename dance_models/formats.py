"""What is known of a file format: the declaration from which docs, errors and lists are made.

Each reader declares its formats beside itself (``annotations/formats.py``,
``estimators/formats.py``); nothing else says which formats there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Content = Literal["annotations", "poses"]
_OPTION: Final[dict[Content, str]] = {"annotations": "`--annotations`", "poses": "`--tracks`"}


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

    @property
    def option(self) -> str:
        """The option of the command line that its folder is given with."""
        return _OPTION[self.content]


def not_read(known: Format) -> str:
    """What to tell a user who gives a file of a format that is not read."""
    return f"this looks like {known.export} of {known.tool}, which is not read; {known.instead}"


def markdown(formats: Sequence[Format]) -> str:
    """The tables of the documentation: what is read, by content, and what is recognised only."""
    parts = []
    titles: dict[Content, str] = {"annotations": "Annotations", "poses": "Poses of estimators"}
    for content, title in titles.items():
        read = [known for known in formats if known.read and known.content == content]
        if read:
            head = ("tool", "export", "recognised by", "what is read", "since", "tested with")
            rows = [
                (f.tool, f.export, f.recognised_by, f.reads, f.since, f.tested_with) for f in read
            ]
            parts.append(f"## {title}\n\n{_table(head, rows)}")
    others = [known for known in formats if not known.read]
    if others:
        told = [(f.tool, f.export, f.option, f.recognised_by, f.instead) for f in others]
        table = _table(("tool", "export", "given with", "recognised by", "what to do"), told)
        parts.append(f"## Recognised and not read\n\n{table}")
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
