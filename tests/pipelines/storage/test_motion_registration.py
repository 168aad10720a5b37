"""Motion files are registered once by content and dropped when deleted."""

import shutil
from pathlib import Path

import pytest
from motion_store import motion, write_track
from quick_databases import instance_for_test

from dance_models.errors import InputError
from pipelines.storage.motion import register_motion
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
