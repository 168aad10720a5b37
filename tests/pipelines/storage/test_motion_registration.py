"""Motion files are registered once by content, dropped when deleted and kept when away."""

import shutil
from pathlib import Path

import pytest
from motion_store import motion, write_track
from quick_databases import instance_for_test

from dance_models.errors import InputError
from pipelines.storage.folders import AwayError, away_folders
from pipelines.storage.motion import reading_motion, register_motion, registered_motion
from pipelines.storage.store import Store


def test_files_accumulate_and_are_dropped_when_deleted(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    for name, seed in (("one/a.json", 1), ("one/b.json", 2), ("two/a.json", 3)):
        write_track(tmp_path / name, motion(40, seed))
    shutil.copyfile(tmp_path / "one" / "b.json", tmp_path / "two" / "copy.json")
    (tmp_path / "one" / "notes.txt").write_text("no motion")
    assert not store.has_motion()
    with instance_for_test() as instance:
        first = register_motion(store, instance, [tmp_path / "one"])
        assert first["source"].to_list() == ["a.json", "b.json"]
        both = register_motion(store, instance, [tmp_path / "two"])
        assert both["source"].to_list() == ["a.json", "b.json", "two/a.json"]
        assert store.has_motion()
        version = store.digest("raw_motion")
        register_motion(store, instance, [tmp_path / "one", tmp_path / "two"])
        assert store.digest("raw_motion") == version, "registering again changes nothing"
        (tmp_path / "one" / "a.json").unlink()
        left = register_motion(store, instance, [])
        assert left["source"].to_list() == ["b.json", "two/a.json"]
        with pytest.raises(InputError, match="no such folder of motion"):
            register_motion(store, instance, [tmp_path / "nowhere"])


def test_files_whose_folder_is_away_stay_until_others_are_named(tmp_path: Path) -> None:
    """What is deleted from a folder that is there is dropped, with a folder below it."""
    store = Store(root=str(tmp_path / "store"))
    folder, disk = tmp_path / "motion", tmp_path / "disk"
    for name, seed in (("a.json", 1), ("deep/b.json", 2), ("frames/000_keypoints.json", 3)):
        write_track(folder / name, motion(40, seed))
    with instance_for_test() as instance:
        before = register_motion(store, instance, [], [folder])
        assert (before.height, away_folders(store, "motion")) == (3, {})
        folder.rename(disk)
        assert register_motion(store, instance, []).equals(before)
        assert away_folders(store, "motion") == {str(folder): 3}
        with (
            pytest.raises(AwayError, match=r"motion is not there\. Put it back and run again, or"),
            reading_motion(store, instance, before.to_dicts()),
        ):
            pytest.fail("there is no file")
        assert registered_motion(store).equals(before)
        store.raw_motion.mkdir(parents=True)
        shutil.copyfile(disk / "a.json", store.raw_motion / "copy.json")
        copied = register_motion(store, instance, [store.raw_motion])
        assert copied["source"].to_list() == ["copy.json", "deep/b.json", "frames"]
        disk.rename(folder)
        shutil.rmtree(folder / "deep")
        assert register_motion(store, instance, [])["source"].to_list() == ["copy.json", "frames"]
        folder.rename(disk)
        named = register_motion(store, instance, [], [disk])
        assert set(named["path"]) == {str(store.raw_motion / "copy.json"), str(disk / "frames")}
