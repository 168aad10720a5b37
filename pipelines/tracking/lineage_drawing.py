"""A lineage as a tree in the terminal, as SVG and as a Mermaid diagram."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.tree import Tree

from dance_models.errors import InputError
from dance_models.tables import write_text
from dance_models.text import markdown_text, printable
from pipelines.shown import shown
from pipelines.tracking.lineage import Node

SUFFIXES = (".mmd", ".md", ".svg")


def tree(node: Node) -> Tree:
    """The node and the drawn nodes below it, for the terminal."""
    root = Tree(shown(node.label), highlight=False)
    for child in node.children:
        if child.drawn:
            root.add(tree(child))
    return root


def mermaid(root: Node) -> str:
    """A Mermaid flowchart; arrows point from an input to what was made from it."""
    lines = ["flowchart RL"]
    lines += [f'  n{number}["{_quoted(node.label)}"]' for number, node, _ in _numbered(root)]
    lines += [f"  n{number} --> n{parent}" for number, _, parent in _numbered(root) if number]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    plain = printable(text).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return plain.replace("`", "&#96;")  # three would end a fence


def _numbered(root: Node) -> Iterator[tuple[int, Node, int]]:
    """Drawn nodes, breadth first, each with its number and that of its parent."""
    waiting, number = [(root, 0)], 0
    while waiting:
        node, parent = waiting.pop(0)
        yield number, node, parent
        waiting += [(child, number) for child in node.children if child.drawn]
        number += 1


def require_suffix(path: Path) -> None:
    """Raises InputError for a file that :func:`write_drawing` cannot write."""
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"--out: a drawing cannot be written as {path.suffix or 'a file without suffix'}",
            file=path,
            hint=f"Use {', '.join(SUFFIXES)}",
        )


def write_drawing(root: Node, path: Path) -> None:
    """Write Mermaid (``.mmd``, or ``.md`` with a code fence) or an SVG picture of the tree.

    Raises InputError for another suffix.
    """
    require_suffix(path)
    if path.suffix == ".svg":
        console = Console(record=True, file=StringIO(), width=110)
        console.print(tree(root))
        write_text(path, console.export_svg(title=root.title))
    elif path.suffix == ".mmd":
        write_text(path, mermaid(root))
    else:
        write_text(path, f"# {markdown_text(root.title)}\n\n```mermaid\n{mermaid(root)}```\n")
