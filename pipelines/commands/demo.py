"""``dance demo``: the whole graph on a rendered corpus."""

import os
from typing import Annotated

import typer

from pipelines.commands import common


def demo(
    store: common.StoreOption = common.DEFAULT_STORE,
    clips: Annotated[int, typer.Option(help="How many clips to render.")] = 18,
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 180,
    seed: Annotated[int, typer.Option(help="Another seed, another corpus.")] = 0,
    profile: Annotated[str, typer.Option(help="smoke, demo, study or paper.")] = "demo",
    debug: common.DebugOption = False,
) -> None:
    """Render the synthetic demo corpus and run the whole graph on it."""
    from pipelines.commands.tables import print_tables
    from pipelines.execution.request import Request
    from pipelines.execution.session import Session
    from pipelines.profile_options import ProfileOptions
    from pipelines.storage.addresses import addresses

    with common.reported(debug):
        folder, out = common.opened(store), common.console()
        session = Session(Request(folder.path, ProfileOptions(profile), debug=debug), out)
        corpus = session.render_demo(clips, frames, seed)
        session.register(corpus / "clips", corpus / "annotations")
        if session.run().failed:
            raise typer.Exit(common.EXIT_FAILED)
        print_tables(folder, out)
        found = addresses(folder, os.environ)
        out.print(
            f"\nLook around: [bold]make ui[/], then {found.dagster} (Dagster) and "
            f"{found.mlflow} (MLflow)."
        )
