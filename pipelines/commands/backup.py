"""``dance backup`` and ``dance restore``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import common
from pipelines.shown import shown, shown_lines


def backup(
    to: Annotated[Path, typer.Argument(help="Folder for the copy; must not exist.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    debug: common.DebugOption = False,
) -> None:
    """Copy the whole store, also while the web UI and runs use it."""
    from pipelines.storage.backup import back_up, note_of_databases, outside

    with common.reported(debug):
        opened = common.existing(store)
        size = back_up(opened, to)
        out = common.console()
        out.print(f"{size / 1e6:.0f} MB in {shown(str(to))}.", soft_wrap=True)
        _print_note(note_of_databases(to.expanduser()))
        elsewhere = outside(opened)
        if elsewhere:
            out.print(
                f"[yellow]warning:[/] {len(elsewhere)} registered files and links lead out of the "
                "store, and what is there is not in the backup, the first being:",
                soft_wrap=True,
            )
            out.print(shown(elsewhere[0]), highlight=False, soft_wrap=True)


def restore(
    source: Annotated[Path, typer.Argument(help="Folder that `dance backup` made.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    debug: common.DebugOption = False,
) -> None:
    """Make a store from a backup; the store must not exist yet."""
    from pipelines.storage.backup import note_of_databases
    from pipelines.storage.backup import restore as restore_backup

    with common.reported(debug):
        opened = common.opened(store)
        files = restore_backup(source, opened)
        common.console().print(f"{files} files in {shown(str(opened.path))}.", soft_wrap=True)
        _print_note(note_of_databases(source))


def _print_note(note: str | None) -> None:
    """What is left to do about databases on PostgreSQL."""
    if note is not None:
        common.console().print(shown_lines(note.rstrip()), highlight=False, soft_wrap=True)
