"""Clips: probing, sampling, and the estimator's pose tracks (one partition a clip)."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from dance_models.config import EstimatorConfig, SamplingConfig
from dance_models.errors import InputError, VideoError
from dance_models.tables import CLIP_PROBE, FRAMES, TRACKS, conform, table_metadata, write_table
from pipelines import previews
from pipelines.checks.annotations import TRACK_CHECKS
from pipelines.checks.clips import FRAMES_CHECKS, PROBE_CHECKS
from pipelines.partitions import CLIPS
from pipelines.settings import EstimatorSettings, SamplingSettings
from pipelines.skip_rule import Inputs, Made, Result, run_stage
from pipelines.storage.registration import register_clips, registered_clips
from pipelines.storage.store import Store

GROUP = "ingestion"


def _registered(store: Store, clip: str) -> dict[str, Any]:
    rows = registered_clips(store).filter(pl.col("clip") == clip).to_dicts()
    if not rows:
        raise InputError(
            f"the clip {clip!r} is not registered",
            file=store.table("raw_clips"),
            hint="Run `dance run --clips DIR`, or put it in raw/clips and observe raw_clips",
        )
    return rows[0]


RAW_CLIPS_DESCRIPTION = """Dance clips as they came.

*Observe* looks into `raw/clips` of the store, registers new clips as partitions and notes the
sha256 of each. `dance run --clips DIR` registers clips that lie elsewhere.
"""


@dg.observable_source_asset(
    partitions_def=CLIPS,
    group_name=GROUP,
    tags={"dance/stage": "raw"},
    description=RAW_CLIPS_DESCRIPTION,
)
def raw_clips(context: dg.OpExecutionContext, store: Store) -> dg.DataVersionsByPartition:
    """Register the clips of the store's own folder."""
    result = register_clips(store, context.instance, [store.raw_clips])
    for problem in result.problems:
        context.log.warning(f"{problem.file}: {problem.message}")
    for clip in result.missing:
        context.log.warning(f"{clip}: the file has gone; its tables are kept")
    rows = registered_clips(store)
    return dg.DataVersionsByPartition(
        {row["clip"]: row["sha256"] or "unreadable" for row in rows.to_dicts()}
    )


# --- clip_probe -------------------------------------------------------------------------------


def _identity(store: Store, clip: str) -> dict[str, Any]:
    """What makes a clip the same clip: not where it lies."""
    row = _registered(store, clip)
    return {k: row[k] for k in ("clip", "style", "performer", "take", "sha256")}


def clip_probe_inputs(store: Store, config: None, clip: str | None) -> Inputs:
    """The registry row: content, style, performer and take of the clip."""
    return {"code": "2", "clip": _identity(store, clip or "")}


@dg.asset(
    partitions_def=CLIPS,
    deps=[raw_clips],
    group_name=GROUP,
    code_version="2",
    pool="decode",
    check_specs=PROBE_CHECKS.specs(),
    kinds={"parquet"},
)
def clip_probe(context: dg.AssetExecutionContext, store: Store) -> Result:
    """What a clip really holds.

    One sequential decode: codec, size, rotation, frame rate from the time stamps, nominal against
    decoded frames, motion, and a coarse signature of every frame against which later decoding is
    checked. A clip that cannot be used is **quarantined** here with its reason; the others go on.
    """
    clip = context.partition_key

    def make() -> Made:
        from dance_models.video.probe import probe_clip

        record: dict[str, Any] = dict.fromkeys(CLIP_PROBE)
        record.update(_identity(store, clip))
        try:
            probe = probe_clip(Path(_registered(store, clip)["path"]))
            record.update(probe.as_row(), status="ok")
        except VideoError as error:
            context.log.warning(f"Quarantined: {error}")
            record.update(status="quarantined", reason=str(error))
        table = conform(pl.DataFrame([record], schema=CLIP_PROBE), CLIP_PROBE)
        path = store.table("clip_probe", clip)
        version = write_table(table, path)
        summary = table.drop("time_s", "motion", "signature")
        return Made(
            version,
            {
                **previews.table_metadata(table, path, partition=True),
                "status": record["status"],
                **({"quarantined": record["reason"]} if record["reason"] else {}),
                "probe": previews.records(summary),
            },
        )

    return run_stage(context, store, clip_probe_inputs(store, None, clip), make, PROBE_CHECKS)


# --- sampled_frames ---------------------------------------------------------------------------


def _sampling_plan(store: Store, config: SamplingConfig, clip: str) -> list[tuple[int, int]]:
    """The runs to keep of a clip; frames sampled or annotated before are always kept."""
    from dance_models.data.sampling import frame_share, plan_runs

    probe = store.read("clip_probe", clip).row(0, named=True)
    if probe["status"] != "ok":
        return []
    frames = store.table("sampled_frames", clip)
    existing: list[int] = []
    if frames.is_file() and pl.read_parquet_metadata(frames).get("clip_sha256") == probe["sha256"]:
        existing = pl.read_parquet(frames, columns=["frame"])["frame"].to_list()
    annotations = store.table("pose_annotations", clip)
    annotated = (
        pl.read_parquet(annotations, columns=["frame"])["frame"].to_list()
        if annotations.is_file()
        else []
    )
    runs = plan_runs(
        config,
        motion=probe["motion"],
        share=frame_share(config, registered_clips(store).height),
        annotated=annotated,
        existing=existing,
    )
    return [(run.start, run.stop) for run in runs]


def sampled_frames_inputs(store: Store, config: SamplingConfig, clip: str | None) -> Inputs:
    """The probe, and the plan rather than the budget: a new clip leaves the others' plans alone."""
    return {
        "code": "1",
        "clip_probe": store.digest("clip_probe", clip),
        "plan": _sampling_plan(store, config, clip or ""),
        "jpeg_quality": config.jpeg_quality,
    }


@dg.asset(
    partitions_def=CLIPS,
    # pose_annotations: frames that somebody annotated are taken first
    deps=[clip_probe, "pose_annotations"],
    group_name=GROUP,
    code_version="1",
    pool="decode",
    check_specs=FRAMES_CHECKS.specs(),
    kinds={"parquet"},
)
def sampled_frames(
    context: dg.AssetExecutionContext, config: SamplingSettings, store: Store
) -> Result:
    """The frames that are kept: contiguous runs of real frames within the budget, as JPEGs.

    Biased to movement; annotated frames come first; sampling again only adds, so ids that were
    handed to annotators stay valid. Decoded with decord in a child process under a time limit,
    every frame checked against the probe's signature, with PyAV as the fall-back.
    """
    clip, sampling = context.partition_key, config.value()

    def make() -> Made:
        return _extract(context, store, sampling, clip)

    inputs = sampled_frames_inputs(store, sampling, clip)
    return run_stage(context, store, inputs, make, FRAMES_CHECKS)


def _extract(
    context: dg.AssetExecutionContext, store: Store, config: SamplingConfig, clip: str
) -> Made:
    from dance_models.video.decode import extract_frames
    from dance_models.video.probe import ClipProbe

    probe = store.read("clip_probe", clip).row(0, named=True)
    plan = _sampling_plan(store, config, clip)
    rows: list[dict[str, Any]] = []
    reason = probe["reason"]
    if plan:
        run_of = {f: i for i, (start, stop) in enumerate(plan) for f in range(start, stop)}
        try:
            extracted = extract_frames(
                Path(_registered(store, clip)["path"]),
                ClipProbe.from_row(probe),
                sorted(run_of),
                store.frames(clip),
                jpeg_quality=config.jpeg_quality,
            )
            rows = [
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
        except VideoError as error:
            reason = str(error)
            context.log.warning(f"Quarantined: {error}")
    table = conform(pl.DataFrame(rows, schema=FRAMES), FRAMES)
    path = store.table("sampled_frames", clip)
    metadata = table_metadata(clip_sha256=probe["sha256"], quarantined=reason or "")
    version = write_table(table, path, metadata)
    shown: dict[str, Any] = {"quarantined": reason} if reason else {}
    if rows:
        from dance_models.render.contact_sheet import contact_sheet

        picks = [rows[i] for i in previews.spread(len(rows), 12)]
        images = [previews.read_image(store.path / row["image"]) for row in picks]
        shown["contact_sheet"] = previews.picture(contact_sheet(images), f"frames of {clip}")
        shown["runs"] = ", ".join(f"{start}-{stop - 1}" for start, stop in plan)
        shown["backend"] = ", ".join(sorted({row["backend"] for row in rows}))
    return Made(version, {**previews.table_metadata(table, path, partition=True), **shown})


# --- pose_tracks ------------------------------------------------------------------------------


def pose_tracks_inputs(store: Store, config: EstimatorConfig, clip: str | None) -> Inputs:
    """The frames and the estimator."""
    from dance_models.estimators.factory import estimator_fingerprint

    return {
        "code": "1",
        "sampled_frames": store.digest("sampled_frames", clip),
        "estimator": config,
        "files": estimator_fingerprint(config, clip or ""),
    }


@dg.asset(
    partitions_def=CLIPS,
    deps=[sampled_frames],
    group_name=GROUP,
    code_version="1",
    check_specs=TRACK_CHECKS.specs(),
    kinds={"parquet"},
)
def pose_tracks(
    context: dg.AssetExecutionContext, config: EstimatorSettings, store: Store
) -> Result:
    """What an off-the-shelf estimator sees: 14 keypoints with confidence on every sampled frame.

    BlazePose by default (all 33 landmarks kept beside the 14), or tracks computed elsewhere, or
    any top-down ONNX model. Nobody found leaves null, not zeros.
    """
    clip, estimator_config = context.partition_key, config.value()

    def make() -> Made:
        from dance_models.estimators.factory import make_estimator
        from dance_models.estimators.tracks import track_clip

        frames = store.read("sampled_frames", clip)
        if frames.height:
            estimator = make_estimator(estimator_config, store.weights, clip)
            table = track_clip(frames, store.path, estimator, clip)
        else:
            table = pl.DataFrame(schema=TRACKS)
        path = store.table("pose_tracks", clip)
        version = write_table(conform(table, TRACKS), path)
        found = table["keypoints"].is_not_null().sum()
        if frames.height and not found:
            context.log.warning(f"{clip}: no person was found on any of {frames.height} frames")
        return Made(
            version,
            {
                **previews.table_metadata(table, path, partition=True),
                "person_found": f"{found} of {table.height} frames",
                **_skeleton_preview(store, frames, table, clip),
            },
        )

    inputs = pose_tracks_inputs(store, estimator_config, clip)
    return run_stage(context, store, inputs, make, TRACK_CHECKS)


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
    return {"contact_sheet": previews.picture(sheet, f"skeletons on {clip}")}
