"""Mermaid diagrams as SVG, drawn when the site is built.

The theme would draw them in the browser with a script from the network. This hook needs none, and
the pages keep the Mermaid source, which code hosts draw themselves.
"""

import re
from typing import Any

import mmdr

FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each Mermaid fence of a page by its picture."""
    number = 0

    def drawn(match: re.Match[str]) -> str:
        nonlocal number
        number += 1
        svg = mmdr.render(match[1]).svg()
        # Every picture brings a style sheet for its own id.
        svg = svg.replace("merman", f"diagram-{number}")
        # The colours are drawn for a light page.
        return f'<div style="background:#fff;margin:1em 0">{svg}</div>'

    return FENCE.sub(drawn, markdown)
