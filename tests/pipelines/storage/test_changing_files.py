"""What is read has the content that is registered, also when a file changes in mid-run."""

import json
from pathlib import Path

import dagster as dg
import pytest

from dance_models.errors import ChangedError, InputError, VideoError
from dance_models.skeleton import DANCE_14
from dance_models.tables import file_digest
from pipelines.storage.annotations import (
    reading_annotations,
    register_annotations,
    registered_annotations,
)
from pipelines.storage.clips import reading_clip, register_clips, registered_clips
from pipelines.storage.motion import reading_motion, register_motion, registered_motion
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


@pytest.fixture
def clip(tmp_path: Path, store: Store, instance: dg.DagsterInstance) -> Path:
    path = tmp_path / "clips" / "ballet" / "solo.mp4"
    path.parent.mkdir(parents=True)
    path.write_text("film")
    register_clips(store, instance, [tmp_path / "clips"])
    return path


def _replace_and_put_back(path: Path) -> None:
    kept = path.with_name(".kept")
    path.rename(kept)
    path.write_text("{}")
    kept.replace(path)


def _row(store: Store) -> dict[str, str]:
    return registered_clips(store).row(0, named=True)


def test_a_clip_that_was_replaced_since_is_an_error_and_its_digest_learnt(
    clip: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    clip.write_text("another film")
    message = r"solo\.mp4.*changed since it was registered.*Run again"
    with (
        pytest.raises(ChangedError, match=message),
        reading_clip(store, instance, _row(store)),
    ):
        pytest.fail("another content under the registered digest")
    assert _row(store)["sha256"] == file_digest(clip)
    with reading_clip(store, instance, _row(store)) as path:
        assert path == clip


def test_the_registry_learns_that_a_clip_was_put_back(
    clip: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    probed = _row(store)
    clip.write_text("cut")
    with pytest.raises(ChangedError), reading_clip(store, instance, probed):
        pass
    clip.write_text("film")
    with reading_clip(store, instance, probed):
        assert _row(store)["sha256"] != probed["sha256"]
    assert _row(store)["sha256"] == probed["sha256"]


def test_a_clip_that_is_replaced_during_the_decode_and_restored_is_an_error(
    clip: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    before = _row(store)
    with pytest.raises(ChangedError), reading_clip(store, instance, before) as path:
        _replace_and_put_back(path)
    assert _row(store) == before


def test_a_change_is_no_reason_for_quarantine(
    clip: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    with pytest.raises(ChangedError), reading_clip(store, instance, _row(store)) as path:
        path.write_text("cut")
        raise VideoError("the file was cut off", file=path)


def test_a_clip_that_has_gone_stays_registered(
    clip: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """Its tables may be all that is left of it, so their digest stays."""
    before = _row(store)
    clip.unlink()
    with (
        pytest.raises(InputError, match="has gone") as raised,
        reading_clip(store, instance, before),
    ):
        pytest.fail("there is no file")
    assert not isinstance(raised.value, ChangedError | VideoError)
    assert _row(store) == before


def test_an_annotation_file_that_changed_is_indexed_again(
    tmp_path: Path, clip: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    def write(frames: int) -> Path:
        images = [{"id": i, "file_name": f"solo_{i:06d}.jpg"} for i in range(frames)]
        poses = [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": [9.0, 9.0, 2] * 14}
            for i in range(frames)
        ]
        kinds = [{"id": 1, "keypoints": list(DANCE_14.names)}]
        document = {"categories": kinds, "images": images, "annotations": poses}
        path = tmp_path / "ann" / "solo.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document))
        return path

    path = write(2)
    register_annotations(store, instance, [tmp_path / "ann"])
    rows = registered_annotations(store).to_dicts()
    write(3)
    with pytest.raises(ChangedError), reading_annotations(store, instance, rows):
        pytest.fail("another content under the registered digest")
    (row,) = registered_annotations(store).to_dicts()
    assert (row["sha256"], row["frames"], row["clips"]) == (file_digest(path), 3, ["solo"])
    with pytest.raises(ChangedError), reading_annotations(store, instance, [row]):
        _replace_and_put_back(path)
    assert registered_annotations(store).to_dicts() == [row]
    path.unlink()
    with pytest.raises(ChangedError), reading_annotations(store, instance, [row]):
        pass
    assert registered_annotations(store).is_empty()


def test_a_motion_file_that_changed_is_registered_again(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "motion"
    folder.mkdir()
    for name in ("a.bvh", "b.bvh"):
        (folder / name).write_text(f"HIERARCHY {name}")
    register_motion(store, instance, [folder])
    rows = registered_motion(store).to_dicts()
    with pytest.raises(ChangedError), reading_motion(store, instance, rows):
        _replace_and_put_back(folder / "a.bvh")
    assert registered_motion(store).to_dicts() == rows
    (folder / "a.bvh").write_text("HIERARCHY another")
    with pytest.raises(ChangedError), reading_motion(store, instance, rows):
        pytest.fail("another content under the registered digest")
    first, second = registered_motion(store).to_dicts()
    assert first["sha256"] == file_digest(folder / "a.bvh")
    assert second == rows[1]
