"""``dance demo``: the whole graph on a rendered corpus, and what came of it in plain words."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.shown import shown

if TYPE_CHECKING:
    from pipelines.storage.store import Store

NOT_MEANT: Final = (
    "{doubt}; the dancers are rendered, the trainings short, and real video is another matter."
)
NEXT: Final = (
    "a video of your own, which needs no annotation: dance analyze VIDEO. To train on your own "
    "clips: dance run --clips DIR --annotations DIR --profile study. Where `dance` is not found: "
    "source .venv/bin/activate, or .venv/bin/dance."
)


def demo(
    store: common.StoreOption = common.DEFAULT_STORE,
    clips: Annotated[int, typer.Option(min=1, help="How many clips to render.")] = 18,
    frames: Annotated[int, typer.Option(min=2, help="Frames per clip.")] = 180,
    seed: Annotated[int, typer.Option(help="Of the rendered corpus.")] = 0,
    profile: Annotated[str, typer.Option(help="smoke, demo, study or paper.")] = "demo",
    debug: common.DebugOption = False,
) -> None:
    """Render the synthetic demo corpus and run the whole graph on it."""
    from pipelines.execution.request import Request
    from pipelines.execution.session import Given, Session
    from pipelines.profile_options import ProfileOptions

    with common.reported(debug):
        folder, out = common.opened(store), common.console()
        session = Session(Request(folder.path, ProfileOptions(profile), debug=debug), out)
        corpus = session.render_demo(clips, frames, seed)
        session.register(Given([corpus / "clips"], [corpus / "annotations"]))
        if session.run().failed:
            raise typer.Exit(common.EXIT_FAILED)
        print_verdict(folder, out)
        print_places(folder, out, _overlay(folder, out))


def print_verdict(store: "Store", out: Console) -> None:
    """The short tables, who won, what that does not mean, and what to try next."""
    from dance_models.report.verdict import CONTESTS, doubt, judged_split, short_table, winners
    from dance_models.tables import read_table

    scores = [read_table(store.output(f"{contest.task}_report")) for contest in CONTESTS]
    for contest, own in zip(CONTESTS, scores, strict=True):
        out.print()
        for line in short_table(contest, own).text().rstrip().splitlines():
            out.print(shown(line), highlight=False, soft_wrap=True)
    out.print()
    paired = read_table(store.output("paired_comparisons"))
    not_meant = NOT_MEANT.format(doubt=doubt(paired, judged_split(scores[0])))
    for title, text in (
        ("Who won", winners(*scores)),
        ("What that does not mean", not_meant),
        ("What to try next", NEXT),
    ):
        if text:
            out.print(f"[bold]{shown(title)}:[/] {shown(text)}", highlight=False)


def print_places(store: "Store", out: Console, overlay: Path | None) -> None:
    """Where everything is that the demo made."""
    from pipelines.storage.addresses import addresses

    found = addresses(store, os.environ)
    report = f"{store.output('html_report')}  (all rows, figures and a glossary; open in a browser)"
    places = {
        "Report": report,
        "Overlay": f"{overlay}  (a test clip with the refined poses)" if overlay else "",
        "Web UIs": f"make ui, then {found.dagster} (Dagster) and {found.mlflow} (MLflow)",
    }
    out.print()
    for name, place in places.items():
        if place:
            out.print(f"{name + ':':<9}{shown(place)}", highlight=False, soft_wrap=True)


def _overlay(store: "Store", out: Console) -> Path | None:
    """The overlay of a test clip, None when it cannot be drawn: the demo is done all the same."""
    from pipelines.commands.demo_overlay import overlay_of_test_clip

    try:
        return overlay_of_test_clip(store, out)
    except InputError as error:
        out.print(f"[yellow]warning:[/] no overlay: {shown(str(error))}", soft_wrap=True)
        return None
