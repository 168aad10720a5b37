"""``dance``: the same graph as the web UI, without a browser. Each command has its own module."""

import signal
from collections.abc import Callable

import typer

from pipelines.commands.apply import apply
from pipelines.commands.backup import backup, restore
from pipelines.commands.bench import bench
from pipelines.commands.clean import clean
from pipelines.commands.demo import demo
from pipelines.commands.evaluate import evaluate
from pipelines.commands.export_frames import export_frames
from pipelines.commands.formats import formats
from pipelines.commands.lineage import lineage
from pipelines.commands.promote import promote
from pipelines.commands.rollback import rollback
from pipelines.commands.run import run
from pipelines.commands.serve import serve
from pipelines.commands.status import status
from pipelines.commands.tables import tables
from pipelines.commands.ui import ui


def make_app() -> typer.Typer:
    """The command line, with its commands in the order of the help page."""
    app = typer.Typer(
        help="Dance clips and keypoint annotations in, two trained and compared pose networks out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    commands: list[Callable[..., None]] = [
        *(run, status, tables, demo, evaluate, apply, promote, rollback, lineage),
        *(export_frames, formats, ui, serve, backup, restore, bench, clean),
    ]
    for command in commands:
        app.command()(command)
    return app


def main() -> None:
    """Entry point of the ``dance`` script."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped as with Ctrl-C
    make_app()()


if __name__ == "__main__":
    main()
