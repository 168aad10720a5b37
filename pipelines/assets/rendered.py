"""Captured motion on rendered bodies through the real estimator, to pre-train recognition on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import polars as pl

from dance_models.config import EstimatorConfig, RenderedMotionConfig
from dance_models.errors import InputError
from dance_models.tables import read_table, table_metadata, write_table
from dance_models.text import first_lines
from pipelines import previews
from pipelines.assets.pretraining import GROUP, motion_table, pretraining_motion
from pipelines.checks.motion_leak import (
    RENDERED,
    VERDICTS,
    corpus_runs,
    leak_message,
    without_shared_motion,
    write_verdict,
)
from pipelines.stage import Inputs, Metadata, Stage, StageContext
from pipelines.storage.motion import reading_motion, registered_motion
from pipelines.storage.store import Store
from pipelines.storage.weights import ready_weights

if TYPE_CHECKING:
    from dance_models.data.pose_runs import PoseRun
    from dance_models.rendered.corpus import Take


def _estimator(context: StageContext[RenderedMotionConfig]) -> EstimatorConfig:
    """The profile's estimator: it must be one that can look at new pictures."""
    estimator = replace(context.profile.estimator, person=None)
    if estimator.name == "precomputed":
        raise InputError(
            "tracks that were computed elsewhere cannot be had of rendered pictures",
            hint="Leave --rendered out, or use an estimator that runs here",
        )
    return estimator


def _inputs(context: StageContext[RenderedMotionConfig]) -> Inputs:
    """The files, which of them are used, the data set, the estimator and the configuration."""
    from dance_models.estimators.factory import estimator_fingerprint
    from dance_models.rendered.clip import VERSION

    store = context.store
    return {
        "files": registered_motion(store).select("source", "sha256").rows(),
        "sources": store.digest("pretraining_motion"),
        "pose_dataset": store.digest("pose_dataset"),
        "estimator": replace(context.profile.estimator, threads=1),
        "estimator_files": estimator_fingerprint(
            context.profile.estimator, RENDERED, store.weights
        ),
        "clips": VERSION,
        "config": replace(context.config, workers=0),
    }


@Stage(
    deps=[pretraining_motion],
    inputs=_inputs,
    config=lambda profile: profile.rendered,
    outputs=lambda store, clip: [store.table(VERDICTS[RENDERED]), *_views(store)],
    group=GROUP,
    version="1",
    kinds={"parquet", "numpy"},
)
def rendered_motion(context: StageContext[RenderedMotionConfig]) -> Metadata:
    """Motion on rendered bodies, seen by the estimator: pairs of estimate and exact truth.

    Takes of `pretraining_motion` in 3-D move bodies of many shapes; body, costume, light,
    background, camera, film and faults are drawn. Every view is one file of `rendered/` in the
    store, and views that are there are kept. The truth is there twice: exact, and as the
    estimator's own consensus over the views. Takes that share motion with a clip of the data set
    are left out.
    """
    from dance_models.rendered.corpus import render_pieces, rendered_runs

    store, config, estimator = context.store, context.config, _estimator(context)
    takes, problems = _takes(context)
    weights = ready_weights(store, estimator, context.log.info)

    def report(done: int, total: int) -> None:
        if done == total or done % max(1, total // 20) == 0:
            context.log.info(f"{done} of {total} views rendered")

    pieces = render_pieces(takes, config, estimator, weights, store.rendered, report)
    runs = rendered_runs(pieces, store.rendered, config)
    runs, pairs, verdict = without_shared_motion(runs, corpus_runs(store))
    group = {piece.name: piece.take for piece in pieces}
    for pair in pairs:
        take = group[pair.pretraining.rpartition(".")[0]]
        problems[take] = f"left out: {leak_message(pair)}"
    for line in first_lines((f"{s}: {problem}" for s, problem in problems.items()), "takes"):
        context.log.warning(line)
    table, path = motion_table(runs), store.table(RENDERED)
    write_table(table, path, table_metadata(pieces=str(config.pieces)))
    write_verdict(store, verdict, RENDERED)
    return _shown(store, runs, table, problems)


def _views(store: Store) -> list[Path]:
    """The files of the views in the table."""
    path = store.table(RENDERED)
    clips = read_table(path)["clip"].unique().sort() if path.is_file() else ()
    return [store.rendered / f"{clip}.npz" for clip in clips]


def _takes(
    context: StageContext[RenderedMotionConfig],
) -> "tuple[list[Take], dict[str, str]]":
    """Takes of the registered files that `pretraining_motion` uses. Raises InputError on none."""
    from dance_models.rendered.corpus import SUFFIXES, read_takes

    store = context.store
    files = {source: Path(path) for source, path in _paths(store) if path.endswith(SUFFIXES)}
    rows = registered_motion(store).filter(pl.col("source").is_in(list(files))).to_dicts()
    with reading_motion(store, context.run.instance, rows):
        takes, problems = read_takes(files, context.config)
    sources = store.read("pretraining_sources").filter(pl.col("problem").is_null())
    used = set(sources["source"])
    kept = [take for take in takes if take.capture.group in used]
    if not kept:
        raise InputError(
            "there is no motion in 3-D to render",
            file=store.raw_motion,
            hint="Add BVH or joint positions, or leave --rendered out",
        )
    return kept, problems


def _paths(store: Store) -> list[tuple[str, str]]:
    return registered_motion(store).select("source", "path").rows()


def _shown(
    store: Store, runs: "Sequence[PoseRun]", table: pl.DataFrame, problems: dict[str, str]
) -> dict[str, Any]:
    from dance_models.rendered.corpus import accuracy

    return {
        **previews.table_metadata(table, store.table(RENDERED)),
        "clips": len(runs),
        "bodies": len({run.performer for run in runs}),
        "takes": len({run.group for run in runs}),
        "not_used": previews.markdown_list(f"{s}: {p}" for s, p in problems.items()),
        **{name: dg.MetadataValue.float(value) for name, value in accuracy(runs).items()},
        "views": previews.picture(store, RENDERED, "views", _sheet(store, runs), "rendered views"),
    }


def _sheet(store: Store, runs: "Sequence[PoseRun]", count: int = 12) -> bytes:
    """Middle frames of ``count`` views with the estimate, as a JPEG."""
    from dance_models.render.contact_sheet import contact_sheet
    from dance_models.rendered.corpus import middle_picture

    images, poses = [], []
    for run in (runs[i] for i in previews.spread(len(runs), count)):
        image = middle_picture(store.rendered, run.clip)
        images.append(image)
        scale = np.float32(len(image) / run.height)
        poses.append(run.estimate[len(run) // 2] * scale)
    return contact_sheet(images, poses)
