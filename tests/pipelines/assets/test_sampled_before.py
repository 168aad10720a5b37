"""Frames that were sampled before are kept, whatever happened to the table that names them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from dance_models.profiles import PROFILES
from dance_models.tables import CLIP_PROBE, FRAMES, read_table, table_metadata, write_table
from pipelines.assets.clips import sampled_frames
from pipelines.storage.manifests import manifest_of, write_manifest
from pipelines.storage.store import Store

CLIP = "solo"
SMOKE = PROFILES["smoke"]
PROFILE = replace(SMOKE, sampling=replace(SMOKE.sampling, frame_budget=30))
BEFORE = range(5, 15)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _write_frames(path: Path, frames: range, images: range) -> None:
    rows = {"frame": [*frames], "image": [f"frames/{CLIP}/{frame:06d}.jpg" for frame in images]}
    write_table(
        pl.DataFrame({**dict.fromkeys(FRAMES), **rows}, schema=dict(FRAMES)),
        path,
        table_metadata(clip_sha256="of the clip"),
    )


def _wrong_bits(path: Path) -> None:
    """A table that can be read and names other frames."""
    _write_frames(path, range(95, 105), BEFORE)


def _rename_a_column(path: Path) -> None:
    table, metadata = read_table(path), table_metadata(clip_sha256="of the clip")
    write_table(table.rename({"frame": "grame"}), path, metadata)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=str(tmp_path))
    probe = {"clip": CLIP, "status": "ok", "fps": 30.0, "sha256": "of the clip"}
    whole = {"motion": [0.0] * 60 + [1.0] * 60, "time_s": [frame / 30 for frame in range(120)]}
    row = {**dict.fromkeys(CLIP_PROBE), **probe, **whole}
    write_table(pl.DataFrame([row], schema=dict(CLIP_PROBE)), store.table("clip_probe", CLIP))
    table = store.table("sampled_frames", CLIP)
    _write_frames(table, BEFORE, BEFORE)
    images = [store.frames(CLIP) / f"{frame:06d}.jpg" for frame in BEFORE]
    write_manifest(store, "sampled_frames", CLIP, manifest_of(store, [table, *images]))
    return store


def _planned(store: Store) -> set[int]:
    plan = sampled_frames.inputs(sampled_frames.context(store, PROFILE, CLIP))["plan"]
    return {frame for start, stop in plan for frame in range(start, stop)}


@pytest.mark.parametrize("harm", [_cut, _wrong_bits, _rename_a_column])
def test_a_damaged_table_changes_no_plan(store: Store, harm: Callable[[Path], None]) -> None:
    """So the table is made again as it was, which the run says of every damaged file."""
    before = _planned(store)
    assert before >= {*BEFORE}, "frames that annotators may have are kept"
    harm(store.table("sampled_frames", CLIP))
    assert _planned(store) == before


def test_without_a_manifest_a_damaged_table_counts_as_none(store: Store) -> None:
    store.manifest("sampled_frames", CLIP).unlink()
    table = store.table("sampled_frames", CLIP)
    with_frames = _planned(store)
    _wrong_bits(table)
    damaged = _planned(store)
    table.unlink()
    assert _planned(store) == damaged != with_frames
