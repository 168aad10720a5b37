"""What only the user can say is on the disk once it is registered; what a run makes need not be."""

import os
from pathlib import Path

import pytest
from motion_store import motion, write_track
from quick_databases import instance_for_test

from pipelines.storage.annotations import register_annotations
from pipelines.storage.clips import register_clips
from pipelines.storage.folders import remember_tracks
from pipelines.storage.motion import register_motion
from pipelines.storage.store import Store


def test_registries_are_flushed_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(root=str(tmp_path / "store"))
    for name in ("clips/a.mp4", "annotations/a.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("{}")
    write_track(tmp_path / "motion" / "a.json", motion(40, 1))
    flushed: list[str] = []

    def note(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if not path.is_dir():
            flushed.append(path.name.split(".")[1])

    def done() -> list[str]:
        names = [*flushed]
        flushed.clear()
        return names

    with instance_for_test() as instance, monkeypatch.context() as patched:
        patched.setattr(os, "fsync", note)
        register_clips(store, instance, [tmp_path / "clips"])
        assert done() == ["raw_clips", "registered_folders"]
        register_annotations(store, instance, [tmp_path / "annotations"])
        assert done() == ["registered_folders", "raw_annotations"]
        register_motion(store, instance, [tmp_path / "motion"])
        assert done() == ["registered_folders", "raw_motion"]
        remember_tracks(store, tmp_path / "tracks")
        assert done() == ["registered_folders"]
        register_clips(store, instance, [tmp_path / "clips"])
        assert done() == ["raw_clips"], "the folders are those that were known"
