"""``dance``: the same graph as the web UI, without a browser."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape

from dance_models.errors import InputError

app = typer.Typer(
    help="Dance clips and keypoint annotations in, two trained and compared pose networks out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

EXIT_FAILED: Final = 1  # a stage failed
EXIT_INPUT: Final = 2  # the command or its input cannot be used
EXIT_QUARANTINED: Final = 3  # with --strict: a clip was quarantined

PersonOption = Annotated[
    int | None, typer.Option(help="Follow the N-th largest person, 0 is the largest.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="Folder for everything made; ASSETS_STORE, else ./assets_store."),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the trace of an error.")]


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Turn errors into one line and an exit code; ``--debug`` lets the trace through."""
    try:
        yield
    except InputError as error:
        if debug:
            raise
        errors.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(EXIT_INPUT) from error
    except (typer.Exit, KeyboardInterrupt):
        raise
    except Exception as error:
        if debug:
            raise
        line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        errors.print(f"[bold red]error:[/] {escape(line)} (--debug shows the trace)")
        raise typer.Exit(EXIT_FAILED) from error


def _store(root: Path | None) -> Any:
    from pipelines.storage.store import Store, default_root

    return Store(root=str(root or default_root()))


@app.command()
def run(
    clips: Annotated[
        Path | None, typer.Option(help="Folder of clips: STYLE/CLIP.mp4, or flat.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Folder of annotation files, any of the known formats.")
    ] = None,
    motion: Annotated[
        Path | None, typer.Option(help="Folder of BVH or pose tracks to pre-train on.")
    ] = None,
    store: StoreOption = None,
    profile: Annotated[
        str, typer.Option(envvar="DANCE_PROFILE", help="smoke, demo, study or paper.")
    ] = "demo",
    only: Annotated[
        str | None, typer.Option(help="Run just these assets, separated by commas.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 when a clip was quarantined.")
    ] = False,
    person: PersonOption = None,
    tracks: Annotated[
        Path | None, typer.Option(help="Folder of pose tracks computed elsewhere, one JSON a clip.")
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="JSON that describes a top-down ONNX pose model.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Also train and score on so many grouped folds.")] = 0,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also train the variants of the two networks.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Worker processes; default: cores.")] = None,
    debug: DebugOption = False,
) -> None:
    """Register clips and annotations and run the graph on all registered clips."""
    from pipelines.settings import activate, profile_named

    with reported(debug):
        # Before the graph is imported: it holds the rows of the profile that is active then.
        profile_named(profile)
        activate(profile, ablations)
    from pipelines.execution.runner import Request
    from pipelines.execution.session import Session

    with reported(debug):
        chosen = _store(store)
        estimator = _estimator(person, tracks, onnx)
        request = Request(
            chosen.path,
            profile,
            _assets(only, profile, ablations, motion is not None or chosen.has_motion()),
            debug,
            estimator,
            folds,
            ablations,
        )
        session = Session(chosen, request, console, workers)
        session.register(clips, annotations, motion)
        outcome = session.run()
        if outcome.failed:
            raise typer.Exit(EXIT_FAILED)
        if outcome.quarantined and strict:
            raise typer.Exit(EXIT_QUARANTINED)


def _estimator(person: int | None, tracks: Path | None, onnx: Path | None) -> Any:
    """The estimator that the options ask for, None for the profile's own."""
    from dance_models.config import EstimatorConfig

    if tracks is not None and onnx is not None:
        raise InputError("--tracks and --onnx exclude each other")
    if tracks is not None:
        folder = str(tracks.resolve())
        return EstimatorConfig(name="precomputed", person=person, precomputed_dir=folder)
    if onnx is not None:
        description = str(onnx.resolve())
        return EstimatorConfig(name="onnx", person=person, onnx_description=description)
    return EstimatorConfig(person=person) if person is not None else None


def _assets(only: str | None, profile: str, ablations: bool, pretraining: bool) -> frozenset[str]:
    from pipelines.settings import profile_named, with_ablations, with_pretraining
    from pipelines.steps import assets_of

    names = frozenset(name.strip() for name in (only or "").split(",") if name.strip())
    chosen = profile_named(profile)
    chosen = with_ablations(chosen) if ablations else chosen
    known = assets_of(with_pretraining(chosen) if pretraining else chosen)
    unknown = sorted(names - set(known))
    if unknown:
        raise InputError(
            f"there is no asset {unknown[0]!r} under profile {profile}",
            hint=f"Choose from {', '.join(known)}",
        )
    return names


@app.command()
def status(store: StoreOption = None, debug: DebugOption = False) -> None:
    """Say what the store holds, what is quarantined and what a run would make anew."""
    from pipelines.commands.status import print_status

    with reported(debug):
        print_status(_store(store), console)


@app.command()
def tables(store: StoreOption = None, debug: DebugOption = False) -> None:
    """Print the recognition and prediction tables of the last run."""
    from pipelines.commands.status import print_tables

    with reported(debug):
        print_tables(_store(store), console)


@app.command()
def demo(
    store: StoreOption = None,
    clips: Annotated[int, typer.Option(help="How many clips to render.")] = 18,
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 180,
    seed: Annotated[int, typer.Option(help="Another seed, another corpus.")] = 0,
    profile: Annotated[str, typer.Option(help="smoke, demo, study or paper.")] = "demo",
    debug: DebugOption = False,
) -> None:
    """Render the synthetic demo corpus and run the whole graph on it."""
    from pipelines.commands.status import print_tables
    from pipelines.execution.runner import Request
    from pipelines.execution.session import Session

    with reported(debug):
        chosen = _store(store)
        session = Session(chosen, Request(chosen.path, profile, debug=debug), console)
        corpus = session.render_demo(clips, frames, seed)
        session.register(corpus / "clips", corpus / "annotations")
        if session.run().failed:
            raise typer.Exit(EXIT_FAILED)
        print_tables(chosen, console)
        console.print(
            "\nLook around: [bold]make ui[/], then http://127.0.0.1:3000 (Dagster) and "
            "http://127.0.0.1:5000 (MLflow)."
        )


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="NAME@ALIAS, an MLflow run id, or a network's asset.")],
    clips: Annotated[Path, typer.Option(help="Folder of clips the model never saw.")],
    annotations: Annotated[Path, typer.Option(help="Folder of their annotation files.")],
    store: StoreOption = None,
    profile: Annotated[
        str, typer.Option(envvar="DANCE_PROFILE", help="smoke, demo, study or paper.")
    ] = "demo",
    tracks: Annotated[
        Path | None, typer.Option(help="Folder of pose tracks computed elsewhere, one JSON a clip.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Score a tracked model on a corpus it never saw; prints the same tables."""
    from pipelines.commands.evaluate import Corpus
    from pipelines.commands.evaluate import evaluate as run_evaluation
    from pipelines.tracking.tracked_models import find_model

    with reported(debug):
        chosen = _store(store)
        corpus = Corpus(clips, annotations, profile, _estimator(None, tracks, None))
        run_evaluation(chosen, console, find_model(chosen, model), corpus, debug=debug)


@app.command()
def apply(
    video: Annotated[Path, typer.Argument(help="Any video with one dancer.")],
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the drawn video.")],
    recognition: Annotated[
        str, typer.Option(help="NAME@ALIAS, an MLflow run id, or a network's asset.")
    ] = "mkff_st_gcn",
    prediction: Annotated[str, typer.Option(help="Likewise.")] = "stga_net",
    store: StoreOption = None,
    person: PersonOption = None,
    draw: Annotated[bool, typer.Option(help="Also draw the skeletons onto the video.")] = True,
    debug: DebugOption = False,
) -> None:
    """Refine and forecast the poses of a video with tracked models."""
    from pipelines.commands.apply import apply_to_video

    with reported(debug):
        estimator = _estimator(person, None, None)
        models = (recognition, prediction)
        apply_to_video(_store(store), console, video, out, models, estimator, draw=draw)


@app.command()
def promote(
    task: Annotated[str, typer.Argument(help="recognition or prediction.")],
    version: Annotated[
        int | None, typer.Option(help="Version of the registered model; default: the challenger.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote whatever the gate said; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why the gate is overruled.")] = None,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Make a version that passed the gate champion."""
    from pipelines.tracking.manual_promotion import PromotionRefusedError
    from pipelines.tracking.manual_promotion import promote as promote_version

    with reported(debug):
        try:
            console.print(promote_version(_store(store), task, version, force, reason))
        except PromotionRefusedError as refused:
            errors.print(f"[bold red]refused:[/] {escape(str(refused))}")
            for line in refused.reasons:
                errors.print(f"  - {escape(line)}", highlight=False, soft_wrap=True)
            raise typer.Exit(EXIT_FAILED) from refused


@app.command()
def rollback(
    task: Annotated[str, typer.Argument(help="recognition or prediction.")],
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Make the previous champion champion again."""
    from pipelines.tracking.manual_promotion import rollback as rollback_champion

    with reported(debug):
        console.print(rollback_champion(_store(store), task))


@app.command()
def lineage(
    model: Annotated[
        str,
        typer.Argument(help="NAME@ALIAS, NAME/VERSION, an MLflow run id, or a network's asset."),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Compare every file with its digest; 1 if one differs.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also draw to a file: .mmd or .md (Mermaid), or .svg.")
    ] = None,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Show the way from a model back to its run, code, tables, clips and annotation files."""
    from pipelines.tracking.lineage import checked, differences, trace
    from pipelines.tracking.lineage_drawing import tree, write_drawing

    with reported(debug):
        root = trace(_store(store), model)
        console.print(tree(root), highlight=False, soft_wrap=True)
        if out is not None:
            write_drawing(root, out)
        if check:
            found = differences(root)
            for line in found:
                errors.print(f"[bold red]differs:[/] {escape(line)}", soft_wrap=True)
            console.print(f"{checked(root)} files checked, {len(found)} differ.")
            if found:
                raise typer.Exit(EXIT_FAILED)


@app.command("export-frames")
def export_frames(
    directory: Annotated[Path, typer.Argument(help="Folder to write images and COCO JSON to.")],
    store: StoreOption = None,
    prefill: Annotated[
        bool, typer.Option("--prefill", help="Start from the estimator's keypoints.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Export the sampled frames for an annotation tool: images and a COCO file."""
    from pipelines.commands.export_frames import export_for_annotation

    with reported(debug):
        path, frames = export_for_annotation(_store(store), directory, prefill=prefill)
        console.print(
            f"{frames} frames in {path}. Annotate them, then "
            "`dance run --annotations FOLDER_OF_THE_RESULT`."
        )


@app.command()
def ui(
    store: StoreOption = None,
    dagster_port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow UI.")] = 5000,
    debug: DebugOption = False,
) -> None:
    """Start the Dagster and MLflow web UIs on this machine, loopback only."""
    from pipelines.commands.ui import serve

    with reported(debug):
        raise typer.Exit(serve(_store(store), console, dagster_port, mlflow_port))


@app.command()
def bench(
    store: StoreOption = None,
    clips: Annotated[int, typer.Option(help="Clips to generate.")] = 4,
    frames: Annotated[int, typer.Option(help="Frames a clip.")] = 1500,
    width: Annotated[int, typer.Option(help="Pixels.")] = 480,
    height: Annotated[int, typer.Option(help="Pixels.")] = 360,
    debug: DebugOption = False,
) -> None:
    """Time ingestion against a bare decode, the estimator and training steps."""
    from pipelines.commands.bench import run_bench

    with reported(debug):
        run_bench(_store(store), console, clips, frames, (width, height))


@app.command()
def clean(
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    debug: DebugOption = False,
) -> None:
    """Delete frames, checkpoints and runs that nothing uses any more; lists them first."""
    from pipelines.commands.clean import delete, find_garbage

    with reported(debug):
        chosen = _store(store)
        garbage = find_garbage(chosen)
        for line in garbage.lines():
            console.print(line)
        if not garbage:
            return
        if not yes and not typer.confirm("Delete these?"):
            raise typer.Exit(0)
        delete(chosen, garbage)
        console.print(f"Deleted, {garbage.size_mb:.1f} MB freed.")


def main() -> None:
    """Entry point of the ``dance`` script."""
    try:
        app()
    except KeyboardInterrupt:
        errors.print("Interrupted. What was made stands; the same command goes on from there.")
        sys.exit(130)


if __name__ == "__main__":
    main()
