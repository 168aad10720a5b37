"""``dance apply``: tracked models on any video."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.shown import saying, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dance_models.apply.poses import VideoPoses
    from dance_models.config import EstimatorConfig, JointDefinition
    from pipelines.storage.store import Store
    from pipelines.tracking.tracked_models import TrackedModel


def apply(
    video: Annotated[Path, typer.Argument(help="A video with one dancer, or a folder of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the drawn video.")],
    recognition: Annotated[
        str, typer.Option(help="NAME@ALIAS, an MLflow run id, or a network's asset.")
    ] = "mkff_st_gcn",
    prediction: Annotated[str, typer.Option(help="Likewise.")] = "stga_net",
    store: common.StoreOption = common.DEFAULT_STORE,
    person: common.PersonOption = None,
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    joints: common.JointsOption = "estimator",
    draw: Annotated[bool, typer.Option(help="Also draw the skeletons onto the video.")] = True,
    debug: common.DebugOption = False,
) -> None:
    """Refine and forecast the poses of a video with tracked models."""
    with common.reported(debug):
        models = (recognition, prediction)
        estimator = common.estimator_of(person, tracks, pose_model=pose_model)
        apply_to_video(
            common.opened(store),
            common.console(),
            video,
            out,
            models,
            estimator,
            joints=joints,
            draw=draw,
        )


def apply_to_video(
    store: "Store",
    console: Console,
    video: Path,
    out: Path,
    models: tuple[str, str],
    estimator: "EstimatorConfig | None",
    *,
    joints: "JointDefinition",
    draw: bool,
) -> None:
    """Write ``<video>.json`` and ``<video>.mp4`` into ``out``; ``models``: recognition, prediction.

    Raises InputError for a video that cannot be read, in which no person is detected, or that
    would be overwritten by its own drawing.
    """
    from dance_models.apply.document import document
    from dance_models.apply.overlay_video import write_overlay
    from dance_models.tables import write_text
    from pipelines.tracking.tracked_models import find_model

    if not video.exists():
        raise InputError("there is no such video", file=video)
    drawing = out / f"{video.stem}.mp4"
    if drawing.exists() and drawing.samefile(video):
        raise InputError(
            "the drawing would replace the video", file=video, hint="Choose another --out"
        )
    common.require(store)
    found = [find_model(store, name) for name in models]
    poses, tracker = _poses(store, console, video, found, estimator, joints)
    out.mkdir(parents=True, exist_ok=True)
    used = {
        "estimator": tracker,
        "joints": f"as the {joints} defines them",
        **{
            task: f"{model.method}, MLflow run {model.run_id}"
            for task, model in zip(("recognition", "prediction"), found, strict=True)
        },
    }
    described = document(poses, used)
    written = out / f"{video.stem}.json"
    write_text(written, json.dumps(described) + "\n")
    if draw:
        write_overlay(video, poses, drawing)
    _print_summary(console, described["summary"])
    files = [str(written), *([str(drawing)] if draw else [])]
    console.print(f"Written: {shown(' and '.join(files))}", soft_wrap=True)


def _poses(
    store: "Store",
    console: Console,
    video: Path,
    models: "Sequence[TrackedModel]",
    estimator: "EstimatorConfig | None",
    joints: "JointDefinition",
) -> "tuple[VideoPoses, str]":
    """Poses of all frames, and the name and version of the estimator."""
    from dance_models.apply.poses import poses_of_video
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.factory import make_estimator
    from dance_models.estimators.protocol import notes_of
    from dance_models.inference.loading import estimator_for, load_forecaster, load_refiner
    from dance_models.video.names import clip_slug
    from dance_models.video.probe import probe_clip
    from pipelines.storage.weights import ready_weights

    refiner, forecaster = load_refiner(models[0].checkpoint), load_forecaster(models[1].checkpoint)
    options = estimator_for(refiner, estimator or EstimatorConfig())
    weights = ready_weights(store, options, saying(console))
    # The number of frames says whether the poses of a file are counted from 0 or from 1.
    counted = probe_clip(video).decoded_frames if options.name == "precomputed" else None
    tracker = make_estimator(options, weights, clip_slug(video), counted)
    for note in notes_of(tracker):
        console.print(f"[yellow]warning:[/] {shown(note)}")
    with Progress(console=console, refresh_per_second=2) as progress:
        task = progress.add_task(shown(video.name), total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        poses = poses_of_video(video, tracker, refiner, forecaster, show, joints)
    return poses, f"{tracker.name} {tracker.version}"


def _print_summary(console: Console, summary: dict[str, object]) -> None:
    frames, seen = summary["frames"], summary["frames_with_somebody"]
    console.print(f"A person in {shown(str(seen))} of {shown(str(frames))} frames.")
    exchanged = summary["exchanged_sides"]
    assert isinstance(exchanged, list)
    if exchanged:
        frames = {
            f for span in exchanged for f in range(span["first_frame"], span["last_frame"] + 1)
        }
        console.print(
            f"Left and right were exchanged, and exchanged back, in {len(frames)} frames."
        )
    errors = summary["forecast_error_percent_of_torso"]
    assert isinstance(errors, dict)
    for name, horizons in errors.items():
        listed = ", ".join(f"{value} at {ms} ms" for ms, value in horizons.items())
        told = listed or "too short to forecast"
        console.print(f"{shown(name)}, mean error in % of torso: {shown(told)}")
