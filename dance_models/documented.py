"""What a configuration's fields mean: the comments beside them, which nothing repeats."""

import inspect
import io
import sys
import tokenize
from ast import AnnAssign, ClassDef, Name, parse
from functools import cache


@cache
def field_comments(kind: type) -> dict[str, str]:
    """Name of a field of a dataclass -> the comment above and beside it in the source.

    A comment after an empty line is a heading of several fields and belongs to none. A field
    without a comment is not in it, nor is any when there is no source.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        found.update(_comments_of_module(base.__module__).get(base.__name__, {}))
    return found


@cache
def _comments_of_module(module: str) -> dict[str, dict[str, str]]:
    """Class -> field -> comment."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError, KeyError):  # built in, or without its source
        return {}
    comments, alone = _comments(source)
    lines = ["", *source.splitlines()]
    headings = {line for line in alone if not lines[line - 1].strip()}
    alone -= headings
    return {
        node.name: {
            entry.target.id: text
            for entry in node.body
            if isinstance(entry, AnnAssign)
            and isinstance(entry.target, Name)
            and (text := _of_lines(entry.lineno, entry.end_lineno or 0, comments, alone))
        }
        for node in parse(source).body
        if isinstance(node, ClassDef)
    }


def _comments(source: str) -> tuple[dict[int, str], set[int]]:
    """Line -> its comment, and the lines that hold nothing else."""
    comments: dict[int, str] = {}
    alone: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.lstrip("# ").rstrip()
            if not token.line[: token.start[1]].strip():
                alone.add(token.start[0])
    return comments, alone


def _of_lines(first: int, last: int, comments: dict[int, str], alone: set[int]) -> str:
    above = first
    while above - 1 in alone:
        above -= 1
    lines = [" ".join(comments[line] for line in range(above, first))]
    lines += [comments[line] for line in range(first, last + 1) if line in comments]
    return ". ".join(line for line in lines if line)
