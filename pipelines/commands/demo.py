"""``dance demo``: the whole graph on a rendered corpus."""

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

    with common.reported(debug):
        folder, out = common.opened(store), common.console()
        session = Session(Request(folder.path, ProfileOptions(profile), debug=debug), out)
        corpus = session.render_demo(clips, frames, seed)
        session.register(corpus / "clips", corpus / "annotations")
        if session.run().failed:
            raise typer.Exit(common.EXIT_FAILED)
        print_tables(folder, out)
        out.print(
            "\nLook around: [bold]make ui[/], then http://127.0.0.1:3000 (Dagster) and "
            "http://127.0.0.1:5000 (MLflow)."
        )
