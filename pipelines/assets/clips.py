"""Clips: probing, sampling, and the estimator's pose tracks (one partition a clip)."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from dance_models.config import EstimatorConfig, SamplingConfig
from dance_models.errors import ChangedError, DamagedFileError, InputError, VideoError
from dance_models.files import steady
from dance_models.tables import (
    CLIP_PROBE,
    FRAMES,
    TRACKS,
    conform,
    read_columns,
    read_metadata,
    read_table,
    table_metadata,
    write_table,
)
from dance_models.text import first_lines
from pipelines import previews
from pipelines.checks.annotations import ANNOTATION_CHECKS, TRACK_CHECKS
from pipelines.checks.clips import FRAMES_CHECKS, PROBE_CHECKS
from pipelines.known_warnings import known_warnings_ignored
from pipelines.partitions import partitions_of
from pipelines.stage import Inputs, Metadata, Stage, StageContext, inputs_digest
from pipelines.storage.bucket_clips import mirror_again
from pipelines.storage.clips import (
    clips_by_key,
    reading_clip,
    register_clips,
    registered_clips,
)
from pipelines.storage.folders import remember_tracks
from pipelines.storage.manifests import FRAMES as FRAMES_FOLDER
from pipelines.storage.manifests import read_manifest
from pipelines.storage.pointers import clip_folders
from pipelines.storage.shards import content_of_clips, content_of_shards
from pipelines.storage.store import Store
from pipelines.storage.tracks import TRACK_NOTES
from pipelines.storage.weights import ready_weights
from pipelines.table_schemas import column_schema

if TYPE_CHECKING:
    from dance_models.estimators.protocol import PoseEstimator

GROUP = "ingestion"
SHEET = "contact_sheet"  # of a clip's frames, in the web UI
PROBE_AGAIN = (  # repeated alone, a stage after the probe fails again
    'Run again from clip_probe: with `dance run`, or in the web UI with "Re-execute all"; '
    '"From failure" helps once the earlier file is back'
)
IDENTITY = ("clip", "style", "performer", "take", "sha256")

RAW_CLIPS_DESCRIPTION = """Dance clips as they came.

*Observe* looks into `raw/clips` of the store and into the buckets that were named, registers new
clips as partitions and records the sha256 of each. `dance run --clips DIR` registers clips that lie
elsewhere.
"""


def raw_clips_asset(shards: int = 0) -> dg.SourceAsset:
    """The observable source asset of the registered clips, in a store with so many shards."""

    @dg.observable_source_asset(
        partitions_def=partitions_of(shards),
        group_name=GROUP,
        tags={"dance/stage": "raw"},
        metadata=column_schema("raw_clips"),
        description=RAW_CLIPS_DESCRIPTION,
    )
    def raw_clips(context: dg.OpExecutionContext, store: Store) -> dg.DataVersionsByPartition:
        for line in mirror_again(store):
            context.log.warning(line)
        result = register_clips(store, context.instance, clip_folders(store))
        for line in first_lines((f"{p.file}: {p.message}" for p in result.problems), "problems"):
            context.log.warning(line)
        gone = (f"{clip}: the file is missing; its tables are kept" for clip in result.missing)
        for line in first_lines(gone, "clips without a file"):
            context.log.warning(line)
        rows = registered_clips(store).to_dicts()
        versions = content_of_shards(rows, shards) if shards else content_of_clips(rows)
        with known_warnings_ignored():
            return dg.DataVersionsByPartition(versions)

    return raw_clips


def _registered(store: Store, clip: str) -> Mapping[str, Any]:
    row = clips_by_key(store).get(clip)
    if row is None:
        raise InputError(
            f"the clip {clip!r} is not registered",
            file=store.table("raw_clips"),
            hint="Run `dance run --clips DIR`, or put it in raw/clips and observe raw_clips",
        )
    return row


# --- clip_probe -------------------------------------------------------------------------------


def _identity(store: Store, clip: str) -> dict[str, Any]:
    """The identity of a clip, which does not depend on its path."""
    row = _registered(store, clip)
    known = {k: row[k] for k in IDENTITY}
    return {**known, "fps": row["fps"]} if row["fps"] else known


@Stage(
    deps=["raw_clips"],
    inputs=lambda context: {"clip": _identity(context.store, context.clip)},
    checks=PROBE_CHECKS,
    partitioned=True,
    group=GROUP,
    version="4",  # 4: numbers of images, files that were cut off
    pool="decode",
    kinds={"parquet"},
)
def clip_probe(context: StageContext[None]) -> Metadata:
    """What a clip really holds.

    One sequential decode of what a player shows: codec, size, rotation, frame rate from the time
    stamps, nominal against decoded frames, motion, and a coarse signature of every frame against
    which later decoding is checked. A clip that cannot be used is **quarantined** here with its
    reason; the others go on.
    """
    from dance_models.video.images import rate_of
    from dance_models.video.probe import probe_clip

    store, clip = context.store, context.clip
    record: dict[str, Any] = dict.fromkeys(CLIP_PROBE)
    row = _registered(store, clip)
    record.update({k: row[k] for k in IDENTITY})
    try:
        with reading_clip(store, context.run.instance, row) as source:
            probe = probe_clip(source, rate_of(row["fps"], source) if row["fps"] else None)
        record.update(probe.as_row(), status="ok")
    except VideoError as error:
        context.log.warning(f"Quarantined: {error}")
        record.update(status="quarantined", reason=str(error))
    table = conform(pl.DataFrame([record], schema=CLIP_PROBE), CLIP_PROBE)
    path = store.table("clip_probe", clip)
    write_table(table, path)
    summary = table.drop("time_s", "motion", "signature")
    return {
        **previews.table_metadata(table, path, partition=True),
        "status": record["status"],
        **({"quarantined": record["reason"]} if record["reason"] else {}),
        "probe": previews.record(summary.row(0, named=True)),
    }


# --- sampled_frames ---------------------------------------------------------------------------


def _sampling_plan(context: StageContext[SamplingConfig]) -> list[tuple[int, int]]:
    """Start and stop of the runs to keep. Frames sampled or annotated before are always kept."""
    store, clip = context.store, context.clip

    def given() -> str:
        tables = [store.digest(asset, clip) for asset in ("pose_annotations", "sampled_frames")]
        clips = len(clips_by_key(store))
        return inputs_digest({"config": context.config, "clips": clips, "tables": tables})

    probe = store.made("clip_probe", clip)
    plan = store.fact(probe, "plan", partial(_plan_again, context), given)
    return [(start, stop) for start, stop in plan]


def _plan_again(context: StageContext[SamplingConfig]) -> list[tuple[int, int]]:
    from dance_models.data.sampling import frame_share, pauses, plan_runs

    store, clip = context.store, context.clip
    # These columns alone, as it is done for each clip by a run that finds nothing to do.
    probe = store.read_columns("clip_probe", clip, ("status", "motion", "fps", "time_s", "sha256"))
    (status,), (motion,), (fps,), (time_s,), (sha256,) = probe.values()
    if status != "ok":
        return []
    annotations = store.table("pose_annotations", clip)
    annotated = read_columns(annotations, ["frame"])["frame"] if annotations.is_file() else []
    runs = plan_runs(
        context.config,
        motion=motion,
        fps=fps,
        share=frame_share(context.config, len(clips_by_key(store)), fps),
        annotated=annotated,
        existing=_sampled_before(store, clip, sha256),
        pauses=pauses(time_s),
    )
    return [(run.start, run.stop) for run in runs]


def _sampled_before(store: Store, clip: str, sha256: str) -> list[int]:
    """Frames of a table of the same content.

    Of a damaged table those whose images the manifest has: the plan stays, and the run says which
    file it made again. Without a manifest none.
    """
    path = store.table("sampled_frames", clip)
    try:
        if not path.is_file() or read_metadata(path).get("clip_sha256") != sha256:
            return []
        found = read_columns(path, ["frame", "image"])
        # Wrong bits can give other numbers; each is in the name of its image, too.
        if found["frame"] == [_frame_of(image) for image in found["image"]]:
            return found["frame"]
    except (DamagedFileError, AttributeError, ValueError):
        pass
    manifest = read_manifest(store, "sampled_frames", clip) or {}
    return [_frame_of(file) for file in manifest if file.startswith(FRAMES_FOLDER)]


def _frame_of(image: str) -> int:
    """The number in an image's name, of ``image_path``; a Path takes seven times as long."""
    return int(image.rpartition("/")[2].partition(".")[0])


def _sampled_frames_inputs(context: StageContext[SamplingConfig]) -> Inputs:
    """The probe, and the plan rather than the budget: a new clip does not change other plans."""
    return {
        "clip_probe": context.store.digest("clip_probe", context.clip),
        "plan": _sampling_plan(context),
        "jpeg_quality": context.config.jpeg_quality,
    }


def _images(store: Store, clip: str | None) -> list[Path]:
    """The JPEGs that the table refers to."""
    path = store.table("sampled_frames", clip)
    if not path.is_file():
        return []
    return [store.path / name for name in read_table(path, columns=["image"])["image"]]


@Stage(
    # pose_annotations: annotated frames are taken first
    deps=[clip_probe, "pose_annotations"],
    inputs=_sampled_frames_inputs,
    config=lambda profile: profile.sampling,
    checks=FRAMES_CHECKS,
    stopped_by=[ANNOTATION_CHECKS],
    outputs=_images,
    partitioned=True,
    group=GROUP,
    version="2",
    pool="decode",
    kinds={"parquet"},
)
def sampled_frames(context: StageContext[SamplingConfig]) -> Metadata:
    """The frames that are kept: contiguous runs of real frames within the budget, as JPEGs.

    Biased to movement; annotated frames come first. Sampling again only adds frames, so ids that
    were handed to annotators stay valid. Decoded with decord in a child process under a time
    limit, every frame checked against the probe's signature, with PyAV as the fall-back, which
    counts from the start of the file.
    """
    store, clip = context.store, context.clip
    probe = store.read("clip_probe", clip).row(0, named=True)
    plan = _sampling_plan(context)
    rows: list[dict[str, Any]] = []
    reason = probe["reason"]
    try:
        rows = _extract(context, probe, plan)
    except VideoError as error:
        reason = str(error)
        context.log.warning(f"Quarantined: {error}")
    table = conform(pl.DataFrame(rows, schema=FRAMES), FRAMES)
    path = store.table("sampled_frames", clip)
    metadata = table_metadata(
        clip_sha256=probe["sha256"],
        quarantined=reason or "",
        **store.made_of("clip_probe", clip),
        **_of_pixels(context.config),
    )
    write_table(table, path, metadata)
    shown: Metadata = {"quarantined": reason} if reason else {}
    if rows:
        if context.pictured:
            shown[SHEET] = _frames_preview(store, rows, clip)
        shown["runs"] = ", ".join(f"{start}-{stop - 1}" for start, stop in plan)
        shown["backend"] = ", ".join(sorted({row["backend"] for row in rows}))
    return {**previews.table_metadata(table, path, partition=True), **shown}


def _frames_preview(
    store: Store, rows: Sequence[Mapping[str, Any]], clip: str
) -> dg.MarkdownMetadataValue:
    from dance_models.render.contact_sheet import contact_sheet

    picks = [rows[i] for i in previews.spread(len(rows), 12)]
    sheet = contact_sheet([previews.read_image(store.path / row["image"]) for row in picks])
    return previews.picture(store, sampled_frames.name, SHEET, sheet, f"frames of {clip}", clip)


def _of_pixels(config: SamplingConfig) -> dict[str, str]:
    """What only the pixels of the images tell: what is made of them goes by the table.

    Left out of tables with the usual quality, whose bytes are those of earlier versions.
    """
    quality = config.jpeg_quality
    return {} if quality == SamplingConfig().jpeg_quality else {"jpeg_quality": str(quality)}


def _extract(
    context: StageContext[SamplingConfig], probe: dict[str, Any], plan: list[tuple[int, int]]
) -> list[dict[str, Any]]:
    """Write the planned frames as JPEGs; their rows (FRAMES)."""
    from dance_models.video.decode import extract_frames
    from dance_models.video.probe import ClipProbe

    store, clip = context.store, context.clip
    run_of = {f: i for i, (start, stop) in enumerate(plan) for f in range(start, stop)}
    if not run_of:
        return []
    row = {**_registered(store, clip), "sha256": probe["sha256"]}
    try:
        with reading_clip(store, context.run.instance, row, last=True) as source:
            extracted = extract_frames(
                source,
                ClipProbe.from_row(probe),
                sorted(run_of),
                store.frames(clip),
                jpeg_quality=context.config.jpeg_quality,
            )
    except ChangedError as error:
        file = error.file or row["path"]  # of a clip in a bucket the address
        raise ChangedError(file, "the clip changed since clip_probe", PROBE_AGAIN) from error
    return [
        {
            **{k: probe[k] for k in ("clip", "style", "performer", "take")},
            "run": run_of[frame.frame],
            "frame": frame.frame,
            "time_s": probe["time_s"][frame.frame],
            "image": store.relative(frame.path),
            "width": probe["width"],
            "height": probe["height"],
            "backend": frame.backend,
        }
        for frame in extracted
    ]


# --- pose_tracks ------------------------------------------------------------------------------


def _pose_tracks_inputs(context: StageContext[EstimatorConfig]) -> Inputs:
    """The frames and the estimator."""
    from dance_models.estimators.factory import estimator_fingerprint

    return {
        "sampled_frames": context.store.digest("sampled_frames", context.clip),
        "estimator": context.config,
        "files": estimator_fingerprint(context.config, context.clip, context.store.weights),
    }


@Stage(
    deps=[sampled_frames],
    inputs=_pose_tracks_inputs,
    config=lambda profile: profile.estimator,
    checks=TRACK_CHECKS,
    partitioned=True,
    group=GROUP,
    version="2",
    kinds={"parquet"},
)
def pose_tracks(context: StageContext[EstimatorConfig]) -> Metadata:
    """Output of an off-the-shelf estimator: 14 keypoints with confidence on every sampled frame.

    BlazePose by default (all 33 landmarks are kept beside the 14, with the evidence for each), or
    tracks computed elsewhere, or any top-down ONNX model. A frame without a detected person has
    null, not zeros.
    """
    from dance_models.estimators.protocol import notes_of, size_notes_of
    from dance_models.estimators.tracks import track_clip

    store, clip = context.store, context.clip
    frames = store.read("sampled_frames", clip)
    notes: tuple[str, ...] = ()
    described, lost = "", 0
    if frames.height:
        estimator = _estimator(context)
        notes, described = notes_of(estimator), getattr(estimator, "described", "")
        notes += size_notes_of(estimator, (frames["width"][0], frames["height"][0]))
        lost = getattr(estimator, "lost", 0)
        table = track_clip(frames, store.path, estimator, clip)
    else:
        table = pl.DataFrame(schema=TRACKS)
    for note in notes:
        context.log.warning(f"{clip}: {note}")
    path = store.table("pose_tracks", clip)
    stated = {TRACK_NOTES: json.dumps([lost, *notes])} if notes else {}
    stated |= store.made_of("sampled_frames", clip)
    write_table(conform(table, TRACKS), path, table_metadata(**stated))
    found = table["keypoints"].is_not_null().sum()
    if frames.height and not found:
        context.log.warning(f"{clip}: no person was detected on any of {frames.height} frames")
    return {
        **previews.table_metadata(table, path, partition=True),
        "person_found": f"{found} of {table.height} frames",
        **({"track_files": "; ".join([described, *notes])} if described else {}),
        **(_skeleton_preview(store, frames, table, clip) if context.pictured else {}),
    }


def _estimator(context: StageContext[EstimatorConfig]) -> "PoseEstimator":
    """The estimator of a clip, from the files that the digest of the inputs is of.

    Raises ChangedError when they are others by now.
    """
    from dance_models.estimators.factory import estimator_files, make_estimator

    store, clip, config = context.store, context.clip, context.config
    weights = ready_weights(store, config, context.log.info)
    if config.precomputed_dir:
        remember_tracks(store, Path(config.precomputed_dir))
    (counted,) = store.read_columns("clip_probe", clip, ["decoded_frames"])["decoded_frames"]
    files = estimator_files(config, clip)
    with steady(lambda: files):
        if pose_tracks.digest(context) != context.digest:
            raise ChangedError(files[0] if files else store.table("sampled_frames", clip))
        return make_estimator(config, weights, clip, counted)


def _skeleton_preview(
    store: Store, frames: pl.DataFrame, tracks: pl.DataFrame, clip: str
) -> dict[str, Any]:
    if not frames.height:
        return {}
    from dance_models.render.contact_sheet import contact_sheet

    picks = previews.spread(frames.height, 12)
    images = [previews.read_image(store.path / frames["image"][i]) for i in picks]
    keypoints = [tracks["keypoints"][i] for i in picks]
    scores = [tracks["score"][i] for i in picks]
    sheet = contact_sheet(
        images,
        [None if k is None else k.to_numpy() for k in keypoints],
        [None if s is None else s.to_numpy() for s in scores],
    )
    alt = f"skeletons on {clip}"
    return {SHEET: previews.picture(store, pose_tracks.name, SHEET, sheet, alt, clip)}
