"""``dance formats``: which files are read, and what to do about others."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common

if TYPE_CHECKING:
    from dance_models.formats import Format


def formats(
    name: Annotated[str | None, typer.Argument(help="A format of the list.")] = None,
    markdown: Annotated[
        bool, typer.Option(help="The tables of docs/usage/formats.md, to be pasted there.")
    ] = False,
    debug: common.DebugOption = False,
) -> None:
    """List the formats of annotations and poses that are read, or describe one."""
    with common.reported(debug):
        console = common.console()
        if markdown:
            from dance_models.formats import markdown as tables

            console.print(tables(known_formats()), markup=False, highlight=False, soft_wrap=True)
        elif name is None:
            _print_list(console)
        else:
            _print_one(console, name)


def known_formats() -> "tuple[Format, ...]":
    """All declared formats."""
    from dance_models.annotations.formats import ANNOTATION_FORMATS
    from dance_models.estimators.formats import POSE_FORMATS

    return (*ANNOTATION_FORMATS, *POSE_FORMATS)


def _print_list(console: Console) -> None:
    from rich.table import Table

    table = Table(title="Formats that are read")
    table.add_column("format", no_wrap=True)
    for title in ("tool", "export", "given with", "since"):
        table.add_column(title)
    for known in known_formats():
        if known.read:
            table.add_row(known.id, known.tool, known.export, known.option, known.since)
    console.print(table)
    for option in dict.fromkeys(known.option for known in known_formats()):
        others = [f.id for f in known_formats() if not f.read and f.option == option]
        console.print(
            f"Recognised and not read with {option}: {', '.join(others)}", highlight=False
        )
    console.print("`dance formats FORMAT` describes one.", highlight=False)


def _print_one(console: Console, name: str) -> None:
    """Print all that is declared of it. Raises InputError for a name that is not known."""
    found = [one for one in known_formats() if one.id == name.lower()]
    if not found:
        raise InputError(f"there is no format {name!r}", hint="`dance formats` lists them")
    for known in found:  # a tool may write annotations and poses alike
        _print_format(console, known)


def _print_format(console: Console, known: "Format") -> None:
    lines = {
        "tool": known.tool,
        "export": known.export,
        "given with": known.option,
        "files": ", ".join(known.suffixes),
        "recognised by": known.recognised_by,
        "what is read": known.reads,
        "read since": known.since or "not read",
        "what to do": known.instead,
        "tested with": known.tested_with,
        "example": f"\n{known.example}",
    }
    for title, text in lines.items():
        if text:
            line = f"{title + ':':<15}{text}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
