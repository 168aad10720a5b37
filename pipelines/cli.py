"""``dance``: the same graph as the web UI, without a browser. Each command has its own module."""

import os
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from dance_models import __version__
from pipelines.commands.analyze import analyze
from pipelines.commands.backup import backup, restore
from pipelines.commands.bench import bench
from pipelines.commands.clean import clean
from pipelines.commands.compare import compare
from pipelines.commands.demo import demo
from pipelines.commands.doctor import doctor
from pipelines.commands.evaluate import evaluate
from pipelines.commands.export import export
from pipelines.commands.export_frames import export_frames
from pipelines.commands.formats import formats
from pipelines.commands.lineage import lineage
from pipelines.commands.live import live
from pipelines.commands.promote import promote
from pipelines.commands.rollback import rollback
from pipelines.commands.run import run
from pipelines.commands.serve import serve
from pipelines.commands.status import status
from pipelines.commands.tables import tables
from pipelines.commands.ui import ui
from pipelines.commands.verify import verify
from pipelines.processes import stop_on_signals

# What the help page shows, in this order: first what anyone with a video needs.
GROUPS: Final[Mapping[str, tuple[Callable[..., None], ...]]] = {
    "Your own videos: no training and no store": (analyze, compare, live, doctor),
    "Training and comparing networks": (
        *(demo, run, status, tables, evaluate, lineage, promote, rollback, export),
        *(formats, export_frames, ui, serve),
    ),
    "Looking after a store": (backup, restore, verify, clean, bench),
}


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dance {__version__}")
        raise typer.Exit


def make_app() -> typer.Typer:
    """The command line, with its commands in the groups of the help page."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_dance)
    for group, commands in GROUPS.items():
        for command in commands:
            app.command(rich_help_panel=group)(command)
    return app


def _dance(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version."),
    ] = False,
) -> None:
    """Measure dancers in videos, and train the networks that do it.

    `dance analyze VIDEO` is the first thing to try; `dance COMMAND --help` describes a command.
    """


def main() -> None:
    """Entry point of the ``dance`` script."""
    stop_on_signals(lambda text: _say(f"\n{text}\n"))
    make_app()()


def _say(text: str) -> None:
    """To standard error, past the buffers that the main thread may be writing to."""
    os.write(2, text.encode())


if __name__ == "__main__":
    main()
