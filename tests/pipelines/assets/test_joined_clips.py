"""The data set is made from what changed, and is the same as one that is made anew."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from quality_cases import dancing_pictures

from dance_models.config import QualityConfig
from dance_models.data import assemble
from dance_models.quality import duplicates
from dance_models.skeleton import DANCE_14
from dance_models.tables import (
    ANNOTATIONS,
    CLIP_PROBE,
    FRAMES,
    POSE_DATASET,
    TRACKS,
    Schema,
    read_metadata,
    read_table,
    write_table,
)
from pipelines.assets import joined_clips as joining
from pipelines.checks.dataset_clips import CLIPS, PARTS, DatasetClip, write_clips, written_clips
from pipelines.storage.clips import RAW_CLIPS
from pipelines.storage.manifests import manifest_of, write_manifest
from pipelines.storage.store import Store

NAMES = ("ballet_1", "ballet_2", "ballet_3", "street_1", "street_2")
LENGTH = 60  # frames
CONFIG = QualityConfig()
CODE = "of today"
Rows = pl.DataFrame
Clips = list[DatasetClip]


def _table(store: Store, asset: str, clip: str, rows: list[dict[str, object]], of: Schema) -> None:
    whole = [dict.fromkeys(of) | {"clip": clip} | row for row in rows]
    write_table(pl.DataFrame(whole, schema=dict(of)), store.table(asset, clip))


def _write_clip(store: Store, clip: str, dance: int) -> None:
    probe = {
        "sha256": clip,
        "status": "ok",
        "time_s": [frame / 30 for frame in range(LENGTH)],
        "signature": [picture.tobytes() for picture in dancing_pictures(dance, LENGTH)],
    }
    _table(store, "clip_probe", clip, [probe], CLIP_PROBE)
    frames = [{"run": 0, "frame": frame, "time_s": frame / 30} for frame in range(LENGTH)]
    _table(store, "sampled_frames", clip, frames, FRAMES)
    _write_poses(store, "pose_tracks", clip, dance)
    _write_poses(store, "pose_annotations", clip, dance)


def _write_poses(
    store: Store, asset: str, clip: str, dance: int, sides: list[int] | None = None
) -> None:
    rng = np.random.default_rng(dance)
    poses = 100 + rng.normal(0, 30, (14, 2)) + rng.normal(0, 1, (LENGTH, 14, 2))
    rows = [
        {"frame": frame, "keypoints": pose[sides or slice(None)], "visibility": [2] * 14}
        for frame, pose in enumerate(poses.astype(np.float32))
    ]
    if asset == "pose_annotations":
        _table(store, asset, clip, rows, ANNOTATIONS)
    else:
        estimates = [{k: v for k, v in row.items() if k != "visibility"} for row in rows]
        _table(store, asset, clip, [{**row, "score": [0.9] * 14} for row in estimates], TRACKS)


def _register(store: Store, *clips: str) -> None:
    rows = [dict.fromkeys(RAW_CLIPS) | {"clip": clip, "path": clip} for clip in clips]
    write_table(pl.DataFrame(rows, schema=RAW_CLIPS), store.table("raw_clips"))


def _made(store: Store, made_with: str = CODE) -> tuple[Rows, Clips]:
    """The data set, written as the stage does it."""
    table, clips = joining.joined_clips(store, CONFIG, made_with)
    write_table(table, store.table("pose_dataset"))
    write_clips(store, clips, made_with)
    files = manifest_of(store, [store.table("pose_dataset"), store.table(CLIPS)])
    write_manifest(store, "pose_dataset", None, files)
    assert written_clips(store) == [
        DatasetClip(one.clip, one.made_of, one.left_out, tuple(one.findings)) for one in clips
    ]
    return table, clips


def _reasons(clips: Clips) -> dict[str, str | None]:
    return {one.clip: one.left_out for one in clips}


def _copies(clips: Clips) -> dict[str, str | None]:
    """Clip -> the clip that it is a copy of."""
    found = [finding for one in clips for finding in one.findings]
    return {one.clip: one.other for one in found if one.check == "duplicate_clips"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five clips, of which ``street_2`` shows the pictures of ``ballet_2``."""
    store = Store(root=str(tmp_path))
    for dance, clip in enumerate(NAMES[:-1]):
        _write_clip(store, clip, dance)
    _write_clip(store, "street_2", 1)
    _register(store, *NAMES)
    return store


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Clips that were joined."""
    clips: list[str] = []
    join = assemble.join_pose_dataset

    def noted(frames: Rows, tracks: Rows, annotations: Rows) -> Rows:
        clips.append(frames["clip"][0])
        return join(frames, tracks, annotations)

    monkeypatch.setattr(assemble, "join_pose_dataset", noted)
    return clips


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Pairs of clips whose pictures were compared."""
    pairs: list[tuple[str, str]] = []
    compare = duplicates._compare

    def noted(
        earlier: duplicates._Moving, later: duplicates._Moving, config: QualityConfig
    ) -> object:
        pairs.append((earlier.clip, later.clip))
        return compare(earlier, later, config)

    monkeypatch.setattr(duplicates, "_compare", noted)
    return pairs


def _new_clip(store: Store) -> None:
    _write_clip(store, "ballet_0", 9)
    _register(store, "ballet_0", *NAMES)


def _new_original(store: Store) -> None:
    """It comes before the clip that the copy was a copy of."""
    _write_clip(store, "ballet_0", 1)
    _register(store, "ballet_0", *NAMES)


def _other_annotations(store: Store) -> None:
    _write_poses(store, "pose_annotations", "ballet_3", 2, [*DANCE_14.mirror])


def _no_original(store: Store) -> None:
    store.table("pose_tracks", "ballet_2").unlink()


def _other_pictures(store: Store) -> None:
    _write_clip(store, "street_2", 7)


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda store: None, []),
        (_new_clip, ["ballet_0"]),
        (_new_original, ["ballet_0"]),
        (_other_annotations, []),  # they are left out
        (_no_original, []),
        (_other_pictures, ["street_2"]),
    ],
)
def test_what_changed_is_made_again_and_all_is_as_if_made_anew(
    store: Store, joined: list[str], change: Callable[[Store], None], again: list[str]
) -> None:
    _made(store)
    joined.clear()
    change(store)
    table, clips = _made(store)
    assert joined == again
    content = store.table("pose_dataset").read_bytes(), store.table(CLIPS).read_bytes()
    store.table(CLIPS).unlink()
    table_anew, clips_anew = _made(store)
    assert len(joined) >= 4
    assert table.equals(table_anew)
    assert clips == clips_anew
    assert content == (store.table("pose_dataset").read_bytes(), store.table(CLIPS).read_bytes())


def test_pictures_are_compared_with_those_of_new_clips_alone(
    store: Store, compared: list[tuple[str, str]]
) -> None:
    _, clips = _made(store)
    assert _copies(clips) == {"street_2": "ballet_2"}
    assert compared == [("ballet_2", "street_2")]
    compared.clear()
    assert _copies(_made(store)[1]) == {"street_2": "ballet_2"}
    assert not compared
    _new_original(store)
    assert _copies(_made(store)[1]) == {"ballet_2": "ballet_0", "street_2": "ballet_0"}
    assert compared == [("ballet_0", "ballet_2"), ("ballet_0", "street_2")]


def test_a_clip_that_is_left_out_has_a_reason_each_time(store: Store) -> None:
    assert set(_reasons(_made(store)[1]).values()) == {None}
    _other_annotations(store)
    for part in PARTS:
        store.table(part, "street_1").unlink()
    for _ in range(2):
        table, clips = _made(store)
        assert set(table["clip"]) == {"ballet_1", "ballet_2", "street_2"}
        reasons = _reasons(clips)
        assert "swapped_sides: ballet_3" in str(reasons.pop("ballet_3"))
        assert "has no table sampled_frames" in str(reasons.pop("street_1"))
        assert set(reasons.values()) == {None}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _rename_a_column(path: Path) -> None:
    """As one wrong bit does; the table can be read."""
    table, metadata = read_table(path), read_metadata(path)
    last = table.columns[-1]
    write_table(table.rename({last: f"{last}s"}), path, metadata)


@pytest.mark.parametrize("damage", [_cut, _rename_a_column, Path.unlink])
@pytest.mark.parametrize("damaged", ["pose_dataset", CLIPS])
def test_nothing_is_kept_from_a_damaged_table(
    store: Store, joined: list[str], damaged: str, damage: Callable[[Path], None]
) -> None:
    table, clips = _made(store)
    path = store.table(damaged)
    damage(path)
    joined.clear()
    assert _made(store)[1] == clips
    assert joined == [*NAMES]
    assert read_table(store.table("pose_dataset")).equals(table)


def test_nothing_is_kept_from_other_code_or_limits_or_a_data_set_of_another_time(
    store: Store, joined: list[str]
) -> None:
    table, _ = _made(store)
    _made(store, "of tomorrow")
    assert joined == [*NAMES, *NAMES]
    joined.clear()
    # Killed after the data set and before the table of its clips: these are of the time before.
    write_table(pl.DataFrame(schema=POSE_DATASET), store.table("pose_dataset"))
    again, _ = _made(store, "of tomorrow")
    assert joined == [*NAMES]
    assert again.equals(table)
