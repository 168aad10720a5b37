"""The clips of the data set, joined and compared anew where something of them changed."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from dance_models.config import QualityConfig
from dance_models.errors import InputError
from dance_models.tables import POSE_DATASET
from pipelines.checks.annotations import pair_findings
from pipelines.checks.dataset_clips import (
    CLIPS,
    MADE_WITH,
    PARTS,
    DatasetClip,
    complete_clips,
    made_of,
    written_clips,
)
from pipelines.storage import manifests
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.duplicates import ClipPictures
    from dance_models.quality.findings import Finding

DATASET: Final = "pose_dataset"
COPIES: Final = "duplicate_clips"  # the check that finds clips that are there twice


def joined_clips(
    store: Store, quality: QualityConfig, made_with: str
) -> tuple[pl.DataFrame, list[DatasetClip]]:
    """The rows of the data set (POSE_DATASET by clip, frame), and what became of each clip.

    Clips whose tables are as they were when the data set was made last, by code and limits that are
    those of ``made_with`` too, have the rows and the findings of then: the same as anew.
    """
    from dance_models.data.assemble import join_pose_dataset
    from dance_models.quality.findings import errors, lines

    complete, left_out = complete_clips(store)
    before, rows_before = _made_before(store, made_with)
    clips, parts = [], []
    for clip in complete:
        made = made_of(store, clip)
        if clip in before and before[clip].made_of == made:
            clips.append(before[clip])
            continue
        found = pair_findings(store, quality, clip)
        wrong = lines(errors(found))
        clips.append(DatasetClip(clip, made, wrong[0] if wrong else None, found))
        if not wrong:
            parts.append(join_pose_dataset(*(store.read(part, clip) for part in PARTS)))
    kept = {one.clip for one in clips if one is before.get(one.clip)}
    parts.append(rows_before.filter(pl.col("clip").is_in(kept)))
    table = pl.concat(
        [part for part in parts if part.height] or [pl.DataFrame(schema=POSE_DATASET)]
    )
    clips = [*_compared(store, quality, clips, kept), *_without_tables(left_out)]
    return table.sort("clip", "frame"), sorted(clips, key=lambda one: one.clip)


def _made_before(store: Store, made_with: str) -> tuple[Mapping[str, DatasetClip], pl.DataFrame]:
    """The clips and the rows of the data set as it was made last.

    Nothing where it was made with other code or limits, or a file is not what was recorded: so it
    is after damage, and after a kill between the one and the other.
    """
    manifest, path = manifests.read_manifest(store, DATASET, None) or {}, store.table(CLIPS)
    with suppress(InputError):
        recorded = store.relative(path) in manifest
        whole = recorded and not manifests.damages(store, manifest, always=manifest.keys())
        if whole and store.stated(path, MADE_WITH) == {MADE_WITH: made_with}:
            return {one.clip: one for one in written_clips(store)}, store.read(DATASET)
    return {}, pl.DataFrame(schema=POSE_DATASET)


def _compared(
    store: Store, quality: QualityConfig, clips: list[DatasetClip], kept: Collection[str]
) -> Iterator[DatasetClip]:
    """The clips with what comparing their pictures found; ``kept`` were compared before."""
    from dance_models.quality.duplicates import duplicate_clips

    known = {one.clip: _copy_of(one) for one in clips if one.clip in kept}
    pictures = filter(None, (_pictures(store, one.clip) for one in clips))
    copies = {one.clip: one for one in duplicate_clips(pictures, quality, known)}
    for one in clips:
        others = [finding for finding in one.findings if finding.check != COPIES]
        yield replace(one, findings=[*others, *filter(None, [copies.get(one.clip)])])


def _copy_of(clip: DatasetClip) -> "Finding | None":
    return next((finding for finding in clip.findings if finding.check == COPIES), None)


def _pictures(store: Store, clip: str) -> "ClipPictures | None":
    from dance_models.quality.duplicates import ClipPictures
    from dance_models.video.signature import SIZE

    columns = ("status", "sha256", "time_s", "signature")
    row = {name: one for name, (one,) in store.read_columns("clip_probe", clip, columns).items()}
    if row["status"] != "ok":
        return None
    signature = np.frombuffer(b"".join(row["signature"]), np.uint8).reshape(-1, SIZE)
    return ClipPictures(clip, row["sha256"], row["time_s"], signature)


def _without_tables(reasons: Mapping[str, str]) -> Iterator[DatasetClip]:
    """Clips that are left out. Warnings only: the asset that stopped the clip reports the error."""
    from dance_models.quality.findings import Finding

    for clip, reason in reasons.items():
        message = f"is not in the data set ({reason})"
        warning = Finding("clips_left_out", clip, message, 1.0, 0.0)
        yield DatasetClip(clip, left_out=reason, findings=[warning])
