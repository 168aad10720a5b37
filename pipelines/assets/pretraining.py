"""Motion without video to pre-train on, and the check that no evaluated clip shows it.

The trainings on it are in ``training.py``. Without motion they are not in the graph,
``pretraining_motion`` is empty and the reports say "not pre-trained".
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import numpy as np
import polars as pl

from dance_models.config import MotionConfig, RenderedMotionConfig
from dance_models.errors import ChangedError, InputError
from dance_models.tables import SPLIT_ROWS, Schema, write_table
from dance_models.text import first_lines, printable
from pipelines import previews
from pipelines.assets.dataset import pose_dataset
from pipelines.checks.motion_leak import (
    MOTION,
    VERDICTS,
    corpus_runs,
    leak_message,
    leak_verdict,
    without_shared_motion,
    write_verdict,
)
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.folders import AwayError, away_folders
from pipelines.storage.motion import reading_motion, register_motion, registered_motion
from pipelines.storage.store import Store
from pipelines.table_schemas import column_schema

if TYPE_CHECKING:
    from dance_models.data.pose_runs import PoseRun

GROUP: Final = "pretraining"
SOURCES: Final[Schema] = {
    "source": pl.String,  # a file, or a take of a file that holds several
    "kind": pl.String,  # "bvh", "positions", "kinetics" or "tracks"
    "split": pl.String,
    "clips": pl.Int64,  # views
    "frames": pl.Int64,
    "seconds": pl.Float64,
    "problem": pl.String,  # why it is not used, else null
}
NONE: Final = (
    "Not pre-trained: there is no motion. Put BVH, Kinetics-skeleton JSON or COCO-17 tracks into "
    "`raw/motion` of the store and observe `raw_motion`, or `dance run --motion DIR`."
)

RAW_MOTION_DESCRIPTION = """Motion files for pre-training.

BVH, Kinetics-skeleton JSON and COCO-17 tracks. *Observe* looks into `raw/motion` of the store;
`dance run --motion DIR` registers files that lie elsewhere. The trainings on motion are part of the
graph once there is some: reload the definitions after the first observation. The files are yours,
under their own licences; nothing is shipped.
"""


def raw_motion_asset() -> dg.SourceAsset:
    """The observable source asset of the registered motion files."""

    @dg.observable_source_asset(
        group_name=GROUP,
        tags={"dance/stage": "raw"},
        metadata=column_schema("raw_motion"),
        description=RAW_MOTION_DESCRIPTION,
    )
    def raw_motion(context: dg.OpExecutionContext, store: Store) -> dg.DataVersion:
        folders = [store.raw_motion] if store.raw_motion.is_dir() else []
        found = register_motion(store, context.instance, folders)
        for away, files in away_folders(store, "motion").items():
            context.log.warning(
                printable(f"{away} is not there; its {files} motion files are kept")
            )
        context.log.info(f"{found.height} motion files")
        return dg.DataVersion(store.digest("raw_motion") or "none")

    return raw_motion


# --- pretraining_motion -----------------------------------------------------------------------


def _inputs(context: StageContext[MotionConfig]) -> Inputs:
    """The files' names and contents, how they are read, and the data set.

    They must share no motion with that.
    """
    files = registered_motion(context.store).select("source", "sha256").rows()
    corpus = context.store.digest("pose_dataset") if files else ""
    rate = context.profile.rendered.positions_fps
    usual = rate == RenderedMotionConfig().positions_fps  # as before it was part of the inputs
    return {
        "files": files,
        "config": context.config,
        "pose_dataset": corpus,
        **({} if usual else {"positions_fps": rate}),
    }


def _written(store: Store) -> list[Path]:
    """The report on the files, and the verdict where there is motion."""
    verdict = store.table(VERDICTS[MOTION])
    return [store.table("pretraining_sources"), *([verdict] if verdict.is_file() else [])]


@Stage(
    deps=["raw_motion", pose_dataset],
    inputs=_inputs,
    config=lambda profile: profile.motion,
    outputs=lambda store, clip: _written(store),
    group=GROUP,
    version="2",  # 2: joint positions in 3-D are read too; runs carry evidence
    kinds={"parquet", "numpy"},
)
def pretraining_motion(context: StageContext[MotionConfig]) -> Metadata:
    """Motion as pose runs: the true 2-D poses as annotation, an estimator's errors as estimate.

    BVH and joint positions are seen through virtual cameras. A file that cannot be read is
    reported and the others go on; nothing is made while the folder of one is away. A file that
    shares motion with **any** clip of the data set is left out with a warning that names both,
    whether it was renamed, cut, scaled or mirrored: folds evaluate every clip.
    """
    from dance_models.motion.read import MotionOptions, read_source
    from dance_models.motion.runs import motion_runs

    store, config = context.store, context.config
    options = MotionOptions(
        config.fps,
        config.max_fps,
        config.cameras,
        seed=config.seed,
        positions_fps=context.profile.rendered.positions_fps,
    )
    clips, problems = [], {}
    for row in registered_motion(store).iter_rows(named=True):
        try:
            with reading_motion(store, context.run.instance, [row]):
                clips += read_source(Path(row["path"]), row["source"], options)
        except (ChangedError, AwayError):
            raise
        except InputError as error:
            problems[row["source"]] = str(error)
    runs = motion_runs(clips, val_share=config.val_share, seed=config.seed)
    unused = {clip.source for clip in clips} - {run.group for run in runs}
    problems |= dict.fromkeys(sorted(unused), "no person is seen for a second without a gap")
    verdict = None
    if runs:
        group = {run.clip: run.group for run in runs}
        runs, pairs, verdict = without_shared_motion(runs, corpus_runs(store))
        for pair in pairs:
            problems[group[pair.pretraining]] = f"left out: {leak_message(pair)}"
    for line in first_lines((f"{s}: {problem}" for s, problem in problems.items()), "files"):
        context.log.warning(line)
    table, report = motion_table(runs), _report(runs, problems)
    write_table(report, store.table("pretraining_sources"), {})
    write_table(table, store.table("pretraining_motion"))
    if verdict is not None:
        write_verdict(store, verdict)
    return _shown(store, runs, table, report)


def motion_table(runs: "Sequence[PoseRun]") -> pl.DataFrame:
    """Rows (SPLIT_ROWS) of runs that have no images."""
    from dance_models.data.assemble import rows_from_pose_runs

    blank = {name: pl.lit(None, SPLIT_ROWS[name]) for name in ("take", "image", "estimator")}
    frames = pl.DataFrame(
        [(run.clip, frame) for run in runs for frame in run.frame.tolist()],
        schema={name: SPLIT_ROWS[name] for name in ("clip", "frame")},
        orient="row",
    )
    return rows_from_pose_runs(runs, frames.with_columns(**blank))


def _report(runs: "Sequence[PoseRun]", problems: dict[str, str]) -> pl.DataFrame:
    """One row per file: its content, or why it is not used."""
    rows: dict[str, dict[str, Any]] = {s: {"source": s, "problem": p} for s, p in problems.items()}
    for run in runs:
        row = rows.setdefault(
            run.group,
            {"source": run.group, "kind": run.style, "split": run.split, "frames": 0, "seconds": 0},
        )
        row.setdefault("views", set()).add(run.clip)
        row["clips"] = len(row["views"])
        row["frames"] += len(run)
        row["seconds"] += float(run.time_s[-1] - run.time_s[0])
    return pl.DataFrame(list(rows.values()), schema=SOURCES).sort("source")


def _shown(
    store: Store, runs: "Sequence[PoseRun]", table: pl.DataFrame, report: pl.DataFrame
) -> dict[str, Any]:
    lost = report.filter(pl.col("problem").is_not_null())
    shown: dict[str, Any] = {
        **previews.table_metadata(table, store.table("pretraining_motion")),
        "files": report.height - lost.height,
        "hours": report["seconds"].sum() / 3600,
        "not_used": previews.markdown_list(
            f"{source}: {problem}" for source, problem in lost.select("source", "problem").rows()
        ),
        "leaks": "Files that share motion with a clip of the data set are left out with all views.",
        "sources": previews.records(report, limit=100),
    }
    if not runs:
        return {**shown, "skipped": dg.MetadataValue.md(NONE)}
    sheet = previews.picture(
        store, "pretraining_motion", "skeletons", skeleton_sheet(runs), "motion"
    )
    return {**shown, "skeletons": sheet}


def skeleton_sheet(runs: "Sequence[PoseRun]", count: int = 12, size: int = 240) -> bytes:
    """True poses of ``count`` runs, each as large as its picture, as a JPEG."""
    from dance_models.geometry import person_box
    from dance_models.render.contact_sheet import contact_sheet

    poses = []
    for run in (runs[i] for i in previews.spread(len(runs), count)):
        known = np.flatnonzero(run.visibility.all(axis=1) | run.annotated)
        pose = run.annotation[known[len(known) // 2]]
        x0, y0, x1, y1 = person_box(pose[None])[0]
        scale = 0.8 * size / max(x1 - x0, y1 - y0, 1.0)
        poses.append((pose - [(x0 + x1) / 2, (y0 + y1) / 2]) * scale + size / 2)
    blank = np.full((size, size, 3), 40, np.uint8)
    return contact_sheet([blank] * len(poses), poses)


def no_shared_motion_check() -> dg.AssetChecksDefinition:
    """The blocking check that no motion for pre-training is in a clip that is evaluated."""

    @dg.asset_check(
        asset=pretraining_motion.name,
        blocking=True,
        description="No motion that is pre-trained on is in an evaluated clip, under any name.",
    )
    def no_shared_motion(store: Store) -> dg.AssetCheckResult:
        if not store.digest("pretraining_motion") or not store.read("pretraining_motion").height:
            return dg.AssetCheckResult(passed=True, metadata={"compared": "there is no motion"})
        messages, facts = leak_verdict(store)
        return dg.AssetCheckResult(
            passed=not messages, metadata={**facts, "shared": previews.markdown_list(messages)}
        )

    return no_shared_motion
