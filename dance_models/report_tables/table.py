"""A table of a report before it is Markdown, plain text or HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


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
        lines = [f"**{self.title}**", "", _line(self.header), _line(["---"] * len(self.header))]
        lines += [_line([f"**{c.text}**" if c.win else c.text for c in row]) for row in self.rows]
        return "\n".join([*lines, "", *(f"{note}  " for note in self.footnotes)]).rstrip() + "\n"

    def text(self) -> str:
        """Aligned columns for a terminal; wins end in ``*``."""
        cells = [list(self.header)]
        cells += [[f"{c.text} *" if c.win else c.text for c in row] for row in self.rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in cells]
        lines.insert(1, "  ".join("-" * w for w in widths))
        body = "\n".join(line.rstrip() for line in lines)
        return "\n".join([self.title, "", body, "", *self.footnotes]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
