"""A table of a report before it is Markdown, plain text or HTML."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from dance_models.text import printable

NOT_MEASURED: Final = "n/a"


class Cell(NamedTuple):
    """The text of a cell, and whether it is marked as a win."""

    text: str
    win: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table. Markdown and plain text are written here, HTML by the report's template."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footnotes: tuple[str, ...] = ()

    @classmethod
    def of_text(
        cls,
        title: str,
        header: Sequence[str],
        rows: Iterable[Sequence[str]],
        footnotes: Sequence[str] = (),
    ) -> "Table":
        """A table without marks."""
        cells = tuple(tuple(Cell(text) for text in row) for row in rows)
        return cls(title, tuple(header), cells, tuple(footnotes))

    def markdown(self) -> str:
        """GitHub Markdown; wins are bold."""
        head = _line(map(_escaped, self.header))
        lines = [f"**{_escaped(self.title)}**", "", head, _line(["---"] * len(self.header))]
        for row in self.rows:
            texts = ((_escaped(c.text), c.win) for c in row)
            lines.append(_line([f"**{text}**" if win else text for text, win in texts]))
        notes = (f"{_escaped(note)}  " for note in self.footnotes)
        return "\n".join([*lines, "", *notes]).rstrip() + "\n"

    def text(self) -> str:
        """Aligned columns for a terminal; wins end in ``*``."""
        cells = [list(self.header)]
        cells += [[f"{c.text} *" if c.win else c.text for c in row] for row in self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in cells]
        lines.insert(1, "  ".join("-" * w for w in widths))
        body = "\n".join(line.rstrip() for line in lines)
        return "\n".join([self.title, "", body, "", *self.footnotes]) + "\n"


def _escaped(text: str) -> str:
    """Text without HTML, links and the sign that ends a cell: styles and names are anybody's."""
    plain = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", printable(text))
    return plain.replace("|", "\\|").replace("](", "]\\(")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
