"""``dance compare``: how a practice differs from its reference, in time and in shape."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from dance_models.errors import InputError
from pipelines.commands import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dance_models.comparison.compare import Comparison
    from dance_models.comparison.performance import Performance
    from dance_models.config import EstimatorConfig, JointDefinition
    from pipelines.storage.store import Store

NAME: Final = "comparison.json"


def compare(
    reference: Annotated[Path, typer.Argument(help="The video of how it is danced.")],
    practice: Annotated[Path, typer.Argument(help="The video of the one who practises.")],
    out: Annotated[Path, typer.Option(help="Folder for the JSON and the stills.")],
    recognition: Annotated[
        str, typer.Option(help="NAME@ALIAS, an MLflow run id, or a network's asset.")
    ] = "mkff_st_gcn",
    prediction: Annotated[str, typer.Option(help="Likewise.")] = "stga_net",
    store: common.StoreOption = common.DEFAULT_STORE,
    person: common.PersonOption = None,
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    joints: common.JointsOption = "estimator",
    debug: common.DebugOption = False,
) -> None:
    """Compare a practice with its reference: what is late, and what is shaped differently."""
    with common.reported(debug):
        for option, video in (("REFERENCE", reference), ("PRACTICE", practice)):
            if not video.exists():
                raise InputError(f"{option}: there is no such video", file=video)
        if reference.samefile(practice):
            raise InputError("REFERENCE and PRACTICE are the same video", file=reference)
        estimator = common.estimator_of(person, tracks, pose_model=pose_model)
        opened, console = common.opened(store), common.console()
        common.require(opened)
        videos, models = (reference, practice), (recognition, prediction)
        found, used, notes = _performances(opened, console, videos, models, estimator, joints)
        compare_videos(console, videos, found, out, used, notes)


def compare_videos(
    console: Console,
    videos: tuple[Path, Path],
    performances: "tuple[Performance, Performance]",
    out: Path,
    models: dict[str, str],
    notes: "Sequence[str]" = (),
) -> "Comparison":
    """Write ``comparison.json`` and a still for each moment into ``out``; reference, practice.

    ``notes`` are warnings about the files. Raises InputError for a video that cannot be read.
    """
    from dance_models.comparison.compare import compare
    from dance_models.comparison.document import document
    from dance_models.comparison.stills import write_stills
    from dance_models.tables import write_text

    found = compare(*performances)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("moment_[0-9][0-9].jpg"):  # of an earlier comparison, with more moments
        old.unlink()
    stills = write_stills(found, (videos[0], performances[0]), (videos[1], performances[1]), out)
    described = document(found, [still.name for still in stills], models)
    described["warnings"] = [*notes, *described["warnings"]]
    written = out / NAME
    write_text(written, json.dumps(described) + "\n")
    _print(console, found, described["warnings"])
    pictures = f" and {len(stills)} stills" if stills else ""
    console.print(f"Written: {escape(str(written))}{pictures}", soft_wrap=True)
    return found


def _performances(
    store: "Store",
    console: Console,
    videos: tuple[Path, Path],
    models: tuple[str, str],
    estimator: "EstimatorConfig | None",
    joints: "JointDefinition",
) -> "tuple[tuple[Performance, Performance], dict[str, str], list[str]]":
    """Both performances, what made them, and warnings about the files."""
    from dance_models.comparison.video import performance_of_video
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.factory import make_estimator
    from dance_models.estimators.protocol import notes_of
    from dance_models.inference.loading import estimator_for, load_forecaster, load_refiner
    from dance_models.video.names import clip_slug
    from dance_models.video.probe import probe_clip
    from pipelines.storage.weights import ready_weights
    from pipelines.tracking.tracked_models import find_model

    tracked = [find_model(store, name) for name in models]
    refiner = load_refiner(tracked[0].checkpoint)
    forecaster = load_forecaster(tracked[1].checkpoint)
    options = estimator_for(refiner, estimator or EstimatorConfig())
    weights = ready_weights(store, options, console.print)
    found, notes = [], []
    used = {"joints": f"as the {joints} defines them"}
    with Progress(console=console, refresh_per_second=2) as progress:
        for video in videos:
            # The number of frames says whether the poses of a file are counted from 0 or from 1.
            counted = probe_clip(video).decoded_frames if options.name == "precomputed" else None
            tracker = make_estimator(options, weights, clip_slug(video), counted)
            notes += [f"{video.name}: {note}" for note in notes_of(tracker)]
            bar = progress.add_task(escape(video.name), total=None)

            def show(done: int, total: int, bar: TaskID = bar) -> None:
                progress.update(bar, completed=done, total=total)

            performance, remarks = performance_of_video(
                video, tracker, refiner, forecaster, show, joints
            )
            found.append(performance)
            notes += [f"{video.name}: {remark}" for remark in remarks]
            used["estimator"] = f"{tracker.name} {tracker.version}"
    for kind, model in zip(("recognition", "prediction"), tracked, strict=True):
        used[kind] = f"{model.method}, MLflow run {model.run_id}"
    return (found[0], found[1]), used, notes


def _print(console: Console, found: "Comparison", warnings: "Sequence[str]") -> None:
    from dance_models.comparison.sentences import sentences

    for warning in warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    for sentence in sentences(found):
        console.print(escape(sentence), soft_wrap=True)
    for number, moment in enumerate(found.moments, 1):
        console.print(f"{number:2d}. {escape(moment.words)}", soft_wrap=True)
    for hint in found.hints:
        console.print(f"Beyond a range: {escape(hint)}", soft_wrap=True)
