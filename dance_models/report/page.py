"""The page itself: one HTML file without scripts or anything from elsewhere."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dance_models.report_tables.table import Table

TEMPLATE = "page.html.jinja"


@dataclass
class Page:
    """Parts of the page in order; :meth:`render` gives the file's text.

    Every part names a macro of the template and its arguments. The template escapes all text.
    """

    title: str
    parts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def heading(self, text: str, level: int = 2) -> None:
        """A heading; those of level 2 are in the list of contents."""
        anchor = f"section-{len(self.parts)}"
        self._add("heading", text=text, level=level, anchor=anchor)

    def paragraph(self, text: str, *, note: bool = False) -> None:
        """A paragraph."""
        self._add("paragraph", text=text, note=note)

    def bullets(self, items: Iterable[str]) -> None:
        """A list."""
        self._add("bullets", items=list(items))

    def terms(self, terms: Mapping[str, str]) -> None:
        """Terms and what they mean."""
        self._add("terms", terms=dict(terms))

    def facts(self, facts: Mapping[str, str]) -> None:
        """Names and values."""
        self._add("grid", table=Table.of_text("", ("", ""), facts.items()))

    def table(self, table: Table) -> None:
        """A table over the whole width, with its marks and footnotes."""
        self._add("wide_table", table=table)

    def side_by_side(self, *tables: Table) -> None:
        """Tables beside each other."""
        self._add("side_by_side", tables=tables)

    def picture(self, png: bytes, caption: str) -> None:
        """A PNG inside the page."""
        self._add("picture", data=base64.b64encode(png).decode(), caption=caption)

    def render(self) -> str:
        """The whole file."""
        environment = Environment(
            loader=PackageLoader("dance_models.report"),
            autoescape=True,
            undefined=StrictUndefined,
            keep_trailing_newline=True,
        )
        template = environment.get_template(TEMPLATE)
        return template.render(title=self.title, contents=self.contents(), parts=self.parts)

    def contents(self) -> list[tuple[str, str]]:
        """Anchor and text of the headings of level 2."""
        headings = [part for macro, part in self.parts if macro == "heading"]
        return [(part["anchor"], part["text"]) for part in headings if part["level"] == 2]

    def _add(self, macro: str, **arguments: Any) -> None:
        self.parts.append((macro, arguments))
