"""The work of ``dance analyze``, one video after the other."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console

from dance_models.config import JointDefinition
from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.frame_progress import frame_progress
from pipelines.commands.video_arguments import NamedVideo
from pipelines.shown import shown

if TYPE_CHECKING:
    from dance_models.analysis.video import Networks, Seen
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.protocol import PoseEstimator


@dataclass(frozen=True)
class Wanted:
    """The options of the command."""

    out: Path
    horizon_ms: int
    poses: Path | None  # of --from
    pose_model: str | None
    person: int | None
    tracks: Path | None
    fps: float | None
    size: tuple[int, int] | None
    causal: bool
    joints: JointDefinition
    draw: bool
    models: tuple[str | None, str | None]  # recognition, prediction
    store: str
    cache: Path | None
    debug: bool


@dataclass
class _Work:
    """What is loaded once for all videos."""

    wanted: Wanted
    console: Console
    networks: "Networks"
    models: Mapping[str, str]
    options: "EstimatorConfig"
    weights: Path
    estimator: "PoseEstimator | None" = field(default=None)  # one that serves every video


def check_options(videos: Sequence[Path], wanted: Wanted) -> None:
    """Raise InputError for options that do not go together."""
    if not videos and wanted.poses is None:
        raise InputError("no video is given", hint="dance analyze VIDEO, or --from FILE for poses")
    if wanted.poses is not None and wanted.tracks is not None:
        raise InputError("--from and --tracks exclude each other")
    if wanted.poses is not None and not wanted.poses.exists():
        raise InputError("there is no such file or folder (--from)", file=wanted.poses)
    if wanted.pose_model is not None and wanted.poses is None and wanted.tracks is None:
        raise InputError("--pose-model says how to read --from or --tracks, which are not given")
    alone = not videos
    if alone and not (wanted.fps and wanted.fps > 0):
        raise InputError(
            "how fast the poses of --from follow is not known",
            hint="Give --fps, or the video as well",
        )
    if not alone and (wanted.fps is not None or wanted.size is not None):
        raise InputError("--fps and --size are for --from without a video")


def analyse_videos(videos: Sequence[NamedVideo], wanted: Wanted) -> int:
    """Analyse each; one that cannot be is said and the others go on. How many could not be.

    Raises InputError when the networks or the estimator's weights cannot be had.
    """
    work = _loaded(wanted, common.console())
    failed = 0
    named: Sequence[NamedVideo | None] = videos or [None]
    for number, video in enumerate(named):
        if len(named) > 1 and video is not None:
            work.console.print(f"[bold]{shown(str(video.path))}[/] ({number + 1} of {len(named)})")
        try:
            _analyse(work, video)
        except (InputError, OSError, MemoryError) as error:
            if wanted.debug or len(named) == 1:
                raise
            common.say_error(common.error_console(), error)
            failed += 1
    return failed


def _loaded(wanted: Wanted, console: Console) -> _Work:
    from dance_models.analysis import shipped
    from dance_models.config import EstimatorConfig
    from dance_models.inference.loading import estimator_for
    from pipelines.storage.weights import cached_weights, ready_weights

    paths = {"recognition": shipped.RECOGNITION, "prediction": shipped.PREDICTION}
    if wanted.causal:
        paths["recognition"] = shipped.RECOGNITION_CAUSAL
    models = dict.fromkeys(paths, shipped.DESCRIBED)
    chosen = {name: model for name, model in zip(paths, wanted.models, strict=True) if model}
    for name, model in chosen.items():
        paths[name], models[name] = _tracked(wanted.store, model)
    networks = shipped.networks(paths["recognition"], paths["prediction"], causal=wanted.causal)
    options = common.estimator_of(
        wanted.person, wanted.tracks, pose_model=wanted.pose_model if wanted.tracks else None
    )
    threads = min(2, os.cpu_count() or 1)  # two passes over each picture, side by side
    options = replace(options or EstimatorConfig(), threads=threads)
    options = estimator_for(networks.refiner, options)
    if wanted.poses is not None:
        weights = Path()
    elif chosen:
        weights = ready_weights(common.opened(wanted.store), options, console.print)
    else:
        weights = cached_weights(wanted.cache, options, console.print)
    return _Work(wanted, console, networks, models, options, weights)


def _tracked(store: str, name: str) -> tuple[Path, str]:
    """The checkpoint of a tracked model, and what it is."""
    from pipelines.tracking.tracked_models import find_model

    model = find_model(common.existing(store), name)
    return model.checkpoint, f"{model.method}, MLflow run {model.run_id}"


def _analyse(work: _Work, video: NamedVideo | None) -> None:
    from dance_models.analysis.results import overlay_path, write_results
    from dance_models.analysis.video import poses_of

    wanted, began = work.wanted, monotonic()
    assert video is not None or wanted.poses is not None
    stem = video.stem if video is not None else wanted.poses.stem if wanted.poses else ""
    drawing = overlay_path(wanted.out, stem)
    if video is not None and drawing.exists() and drawing.samefile(video.path):
        raise InputError(
            "the drawing would replace the video", file=video.path, hint="Choose another --out"
        )
    seen, tracker = _seen(work, video)
    seen_s = monotonic() - began
    poses = poses_of(seen, work.networks, wanted.joints)
    refined_s = monotonic() - began - seen_s
    drawn = video.path if video is not None and wanted.draw else None
    models = {"estimator": tracker, "joints": f"as the {wanted.joints} defines them"}
    with frame_progress(work.console, f"{stem}: drawing") as progress:
        written = write_results(
            poses,
            {**models, **work.models},
            wanted.out,
            stem,
            video=drawn,
            horizon_ms=wanted.horizon_ms,
            progress=progress,
        )
    whole_s, frames = monotonic() - began, len(seen.run)
    print_summary(work.console, written.summary)
    work.console.print(
        f"{frames} frames in {whole_s:.1f} s: {frames / whole_s:.1f} frames/s (estimating "
        f"{frames / max(seen_s, 1e-6):.0f}, refining {frames / max(refined_s, 1e-6):.0f}, writing "
        f"{frames / max(whole_s - seen_s - refined_s, 1e-6):.0f})"
    )
    listed = ", ".join(str(path) for path in written.files)
    work.console.print(f"Written: {shown(listed)}", soft_wrap=True)


def _seen(work: _Work, video: NamedVideo | None) -> "tuple[Seen, str]":
    """What one pass over the video, or the pose file, gave, and what gave it."""
    from dance_models.analysis.track import given_poses, see_given
    from dance_models.analysis.video import see_video

    wanted = work.wanted
    if wanted.poses is not None:
        frames = _declared(video) if video is not None else None
        given, track = given_poses(wanted.poses, wanted.person, wanted.pose_model, frames)
        _say_notes(work.console, given)
        if video is None:
            assert wanted.fps is not None
            seen = see_given(wanted.poses, given, track, wanted.fps, wanted.size)
            return seen, f"{wanted.poses.name}: {given.described}"
        estimator: PoseEstimator = given
        described = f"{wanted.poses.name}: {given.described}"
    else:
        assert video is not None
        estimator = _estimator(work, video)
        _say_notes(work.console, estimator)
        described = f"{estimator.name} {estimator.version}"
    with frame_progress(work.console, f"{video.stem}: estimating") as progress:
        return see_video(video.path, estimator, progress, video.rate), described


def _estimator(work: _Work, video: NamedVideo) -> "PoseEstimator":
    """The estimator of a video; BlazePose is loaded once for all."""
    from dance_models.estimators.factory import make_estimator
    from dance_models.video.names import clip_slug

    if work.estimator is not None:
        return work.estimator
    if work.options.name != "precomputed":
        work.estimator = make_estimator(work.options, work.weights, video.stem)
        return work.estimator
    # The number of frames says whether the poses of a file are counted from 0 or from 1.
    slug = clip_slug(video.path)
    return make_estimator(work.options, work.weights, slug, _declared(video))


def _declared(video: NamedVideo) -> int | None:
    """The frames that a video claims to have."""
    from dance_models.video.source import open_source

    with open_source(video.path, video.rate) as source:
        return source.declared or None


def _say_notes(console: Console, estimator: "PoseEstimator") -> None:
    from dance_models.estimators.protocol import notes_of

    for note in notes_of(estimator):
        console.print(f"[yellow]warning:[/] {shown(note)}", soft_wrap=True)


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """What happened in the video, and how good the forecast is on it."""
    somebody, frames = summary["frames_with_somebody"], summary["frames"]
    console.print(f"A person in {somebody} of {frames} frames.")
    if summary["cuts"]:
        cuts = ", ".join(f"{cut['from_s']:.2f} s" for cut in summary["cuts"])
        console.print(f"Cuts, across which nothing is joined: {cuts}.", soft_wrap=True)
    if summary["nobody"]:
        gaps = ", ".join(f"{gap['from_s']:.1f}-{gap['to_s']:.1f} s" for gap in summary["nobody"])
        console.print(f"Nobody: {gaps}.", soft_wrap=True)
    if exchanged := summary["exchanged_sides"]:
        spans = (range(s["first_frame"], s["last_frame"] + 1) for s in exchanged)
        count = len({frame for span in spans for frame in span})
        console.print(f"Left and right were exchanged, and exchanged back, in {count} frames.")
    jitter = summary["jitter_percent_of_torso_per_frame_squared"]
    for part in ("at_rest", "in_motion"):
        rows = [f"{n.replace('_', '-')} {row[part]}" for n, row in jitter.items() if part in row]
        if rows:
            where = part.replace("_", " ")
            console.print(f"Jitter {where}, % of torso/frame²: {', '.join(rows)}", soft_wrap=True)
    console.print(summary["forecast_shown"]["why"], soft_wrap=True)
    for warning in summary["warnings"]:
        console.print(f"[yellow]warning:[/] {shown(warning)}", soft_wrap=True)
