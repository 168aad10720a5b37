"""The page itself: one HTML file without scripts or anything from elsewhere."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dance_models.evaluation.render_tables import Table
from dance_models.report.paper_tables import Grid

STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1100px;margin:2em auto;padding:0 1em}
h1{font-size:1.6em}h2{margin-top:2em;border-bottom:1px solid #ccc}h3{margin-bottom:.2em}
table{border-collapse:collapse;font-size:13px;margin:.6em 0}
th,td{padding:.2em .6em;border-bottom:1px solid #e4e4e4;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{border-bottom:2px solid #888}
.win{font-weight:700;background:#e8f4e8}.note{color:#555;font-size:12.5px;margin:.2em 0}
.pair{display:flex;flex-wrap:wrap;gap:2.5em}figure{margin:1em 0}img{max-width:100%}
.wide{overflow-x:auto}
"""


@dataclass
class Page:
    """Parts of the page in order; :meth:`render` gives the file's text."""

    title: str
    parts: list[str] = field(default_factory=list)

    def heading(self, text: str, level: int = 2) -> None:
        """A heading."""
        self.parts.append(f"<h{level}>{html.escape(text)}</h{level}>")

    def paragraph(self, text: str, *, note: bool = False) -> None:
        """A paragraph."""
        kind = ' class="note"' if note else ""
        self.parts.append(f"<p{kind}>{html.escape(text)}</p>")

    def bullets(self, items: Iterable[str]) -> None:
        """A list."""
        inside = "".join(f"<li>{html.escape(item)}</li>" for item in items)
        self.parts.append(f"<ul>{inside}</ul>")

    def facts(self, facts: Mapping[str, str]) -> None:
        """Names and values."""
        rows = tuple((name, value) for name, value in facts.items())
        self.parts.append(_table(("", ""), [[(cell, False) for cell in row] for row in rows]))

    def table(self, table: Table) -> None:
        """A result table with its marks and footnotes."""
        self.heading(table.title, 3)
        self.parts.append(f'<div class="wide">{_table(table.header, table.rows)}</div>')
        for note in table.footnotes:
            self.paragraph(note, note=True)

    def grids(self, *grids: Grid) -> None:
        """Tables side by side."""
        blocks = []
        for grid in grids:
            notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in grid.notes)
            rows = [[(cell, False) for cell in row] for row in grid.rows]
            title = f"<h3>{html.escape(grid.title)}</h3>"
            blocks.append(f"<div>{title}{_table(grid.header, rows)}{notes}</div>")
        self.parts.append(f'<div class="pair wide">{"".join(blocks)}</div>')

    def picture(self, png: bytes, caption: str) -> None:
        """A PNG inside the page."""
        data = base64.b64encode(png).decode()
        text = html.escape(caption)
        self.parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
            f"<figcaption class='note'>{text}</figcaption></figure>"
        )

    def render(self) -> str:
        """The whole file."""
        title = html.escape(self.title)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{title}</title><style>{STYLE}</style></head>"
            f"<body><h1>{title}</h1>{''.join(self.parts)}</body></html>\n"
        )


def _table(header: Sequence[str], rows: Iterable[Sequence[tuple[str, bool]]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=win' if win else ''}>{html.escape(text)}</td>" for text, win in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
