"""Clips and annotation files: registered by reference, in the store's tables and in Dagster."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from lock_owner import owner
from watched_process import wait_until

from dance_models.tables import file_digest, write_table
from dance_models.video.images import clip_digest
from pipelines.partitions import clip_keys
from pipelines.storage import clips
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.clips import (
    clips_by_key,
    corpus_label,
    register_clips,
    registered_clips,
    update_digests,
)
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


def write_clip(path: Path, text: str = "film") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text} {path.stem}")
    return path


def versions(instance: dg.DagsterInstance, clip: str) -> list[str]:
    """Data versions of a clip that were reported to Dagster, newest first."""
    records = instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("raw_clips"), asset_partitions=[clip]), 10
    ).records
    found = [record.asset_observation for record in records]
    return [one.tags[VERSION_TAG] for one in found if one is not None]


def test_clips_are_reported_as_new_changed_or_missing(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    solo, duo = (write_clip(tmp_path / "clips" / "ballet" / f"{n}.mp4") for n in ("solo", "duo"))
    (tmp_path / "CORPUS").write_text("a small corpus\n")
    first = register_clips(store, instance, [tmp_path / "clips"])
    assert (sorted(first.new), first.changed, first.missing) == (["duo", "solo"], [], [])
    assert clip_keys(store, instance) == ["duo", "solo"]
    assert [*clips_by_key(store).values()] == registered_clips(store).to_dicts()
    assert corpus_label(store) == "a small corpus"
    assert versions(instance, "solo") == [file_digest(solo)]

    before = file_digest(duo)
    write_clip(duo, "another film")
    kept = register_clips(store, instance, [tmp_path / "clips"], changed=lambda path: False)
    assert kept.changed == [], "a file that did not change is not read"
    again = update_digests(store, instance, {duo})
    assert (again.new, again.changed) == ([], ["duo"])
    assert clips_by_key(store)["duo"]["sha256"] == file_digest(duo), "the table was written again"
    assert versions(instance, "duo") == [file_digest(duo), before]

    solo.unlink()
    rescan = register_clips(store, instance, [tmp_path / "clips"])
    assert rescan.missing == ["solo"]
    assert registered_clips(store)["clip"].to_list() == ["duo", "solo"], "a clip is never dropped"


def test_a_clip_that_is_as_it_was_is_not_read_again(
    tmp_path: Path,
    store: Store,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever it lies; with another time it is, and with the same content it is no other clip."""
    read: list[str] = []

    def digest(path: Path) -> str:
        read.append(path.name)
        return clip_digest(path)

    monkeypatch.setattr(clips, "clip_digest", digest)
    write_clip(store.raw_clips / "own.mp4")
    solo = write_clip(tmp_path / "clips" / "solo.mp4")
    write_clip(tmp_path / "clips" / "steps" / "0001.jpg")
    image = write_clip(tmp_path / "clips" / "steps" / "0002.jpg")
    folders = [store.raw_clips, tmp_path / "clips"]

    def again() -> tuple[list[str], list[str]]:
        read.clear()
        changed = register_clips(store, instance, folders).changed
        return sorted(read), changed

    register_clips(store, instance, folders)
    assert again() == ([], [])
    os.utime(solo, ns=(1, 1))
    assert again() == (["solo.mp4"], [])
    write_clip(solo, "FILM")  # of the same size
    os.utime(image, ns=(1, 1))
    assert again() == (["solo.mp4", "steps"], ["solo"])
    assert again() == ([], [])


def test_a_folder_of_images_is_registered_by_its_content(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "clips" / "salsa" / "solo"
    images = [write_clip(folder / f"{number:04d}.jpg") for number in range(3)]
    (tmp_path / "clips" / "clips.csv").write_text("clip,fps\nsolo,25\n")
    first = register_clips(store, instance, [tmp_path / "clips"])
    (row,) = registered_clips(store).to_dicts()
    assert (first.new, row["style"], row["path"]) == (["solo"], "salsa", str(folder))
    assert (row["fps"], row["sha256"]) == ("25", clip_digest(folder))
    write_clip(images[1], "another image")
    assert register_clips(store, instance, [tmp_path / "clips"]).changed == ["solo"]
    for image in images:
        image.unlink()
    assert register_clips(store, instance, [tmp_path / "clips"]).missing == ["solo"]


def test_clips_that_were_registered_before_have_no_rate(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    write_clip(tmp_path / "clips" / "solo.mp4")
    register_clips(store, instance, [tmp_path / "clips"])
    write_table(registered_clips(store).drop("fps"), store.table("raw_clips"))
    assert registered_clips(store)["fps"].to_list() == [""]
    again = register_clips(store, instance, [tmp_path / "clips"])
    assert (again.new, again.changed) == ([], [])


def test_two_files_with_the_same_name(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three")]
    paths = [write_clip(folder / "ballet" / "solo.mp4", folder.name) for folder in folders]
    found = register_clips(store, instance, folders)
    assert [problem.file for problem in found.problems] == [str(path) for path in paths[1:]]
    assert found.problems[0].message.startswith(f"the name 'solo' is taken by {paths[0]}, as")
    keys = dict(registered_clips(store).select("path", "clip").rows())
    assert keys[str(paths[0])] == "solo"
    assert all(re.fullmatch("solo-[0-9a-f]{6}", keys[str(path)]) for path in paths[1:])
    assert len(keys) == 3
    again = register_clips(store, instance, folders[::-1])
    assert (again.new, again.changed, again.problems) == ([], [], [])


def test_names_of_other_scripts_are_clips_of_their_own(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    names = ("舞蹈", "舞1", "другой1", "танец_вальс", "вальс_танго")
    for name in names:
        write_clip(tmp_path / "clips" / f"{name}.mp4", name)
    assert register_clips(store, instance, [tmp_path / "clips"]).problems == []
    found = registered_clips(store)["clip"].to_list()
    assert found == ["drugoy1", "tanets_vals", "vals_tango", "wu1", "wudao"]


def test_a_registered_file_keeps_its_key(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    path = write_clip(tmp_path / "clips" / "другой1.mp4")
    register_clips(store, instance, [tmp_path / "clips"])
    table = registered_clips(store).with_columns(clip=pl.lit("1"))  # as an earlier version named it
    write_table(table, store.table("raw_clips"), {})
    write_clip(tmp_path / "clips" / "1.mp4", "another")
    found = register_clips(store, instance, [tmp_path / "clips"])
    keys = dict(registered_clips(store).select("path", "clip").rows())
    assert keys[str(path)] == "1"
    assert found.new == [next(key for key in keys.values() if key.startswith("1-"))]


@pytest.mark.parametrize("first", ["a", "c"])
def test_moved_files_of_one_name_keep_their_keys_in_any_order(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, first: str
) -> None:
    for name in ("a/solo.mp4", "b/Solo.mp4"):
        write_clip(tmp_path / "old" / name, name)
    register_clips(store, instance, [tmp_path / "old"])
    before = registered_clips(store).select("clip", "sha256")
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "new" / "a").rename(tmp_path / "new" / first)
    found = register_clips(store, instance, [tmp_path / "new"])
    assert (found.new, found.missing) == ([], [])
    assert sorted(found.changed) == before["clip"].to_list()
    assert registered_clips(store).select("clip", "sha256").equals(before)


@pytest.mark.parametrize("mounted_at", [".", "ballet"])
def test_a_clip_on_a_disk_that_is_away_keeps_its_key(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, mounted_at: str
) -> None:
    """Of a disk that is not mounted nothing, or an empty folder, is left."""
    disk, other = tmp_path / "disk", tmp_path / "other"
    path = write_clip(disk / "ballet" / "solo.mp4")
    register_clips(store, instance, [disk])
    (disk / mounted_at).rename(tmp_path / "away")
    (disk / mounted_at).mkdir()
    write_clip(other / "solo.mp4", "another film")
    found = register_clips(store, instance, [other])
    assert (found.changed, found.missing) == ([], ["solo"])
    assert found.problems[0].message.startswith(f"the name 'solo' is taken by {path}, as")
    (disk / mounted_at).rmdir()
    (tmp_path / "away").rename(disk / mounted_at)
    again = register_clips(store, instance, [disk, other])
    assert (again.new, again.changed, again.missing) == ([], [], [])
    assert clips_by_key(store)["solo"]["path"] == str(path)


def test_a_file_that_was_encoded_again_beside_others_is_the_same_clip(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    old = write_clip(tmp_path / "clips" / "solo.mov")
    register_clips(store, instance, [tmp_path / "clips"])
    old.unlink()
    write_clip(tmp_path / "clips" / "solo.mp4", "the same dance")
    found = register_clips(store, instance, [tmp_path / "clips"])
    assert (found.new, found.changed, found.missing) == ([], ["solo"], [])


def test_a_registration_that_waits_says_for_whom(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    """And how far it is: all files are read, which may take minutes."""
    for name in ("a", "b"):
        write_clip(tmp_path / "clips" / f"{name}.mp4")
    told: list[tuple[int, int]] = []
    with owner(store.path / "tables" / ".registry.lock") as (process, _), ThreadPoolExecutor() as p:
        found = p.submit(
            register_clips,
            store,
            instance,
            [tmp_path / "clips"],
            progress=lambda done, of: told.append((done, of)),
        )
        wait_until(lambda: "waiting for it" in caplog.text)
        assert f"the registry of files is in use by process {process.pid} on" in caplog.text
        assert told == []
        process.kill()
        assert found.result(30).new == ["a", "b"]
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_concurrent_registrations_lose_nothing(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folders = [tmp_path / f"corpus_{i}" for i in range(6)]
    for i, folder in enumerate(folders):
        write_clip(folder / "ballet" / f"clip_{i}.mp4")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda folder: register_clips(store, instance, [folder]), folders))
    assert registered_clips(store).height == 6


def test_annotation_files_are_dropped_when_deleted(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "broken.json").write_text("{")
    labels = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "empty.json").write_text(json.dumps(labels))
    problems = register_annotations(store, instance, [tmp_path])
    assert str(tmp_path / "broken.json") in {problem.file for problem in problems}
    assert registered_annotations(store).height == 2
    version = store.digest("raw_annotations")
    register_annotations(store, instance, [tmp_path])
    assert store.digest("raw_annotations") == version
    (tmp_path / "broken.json").unlink()
    register_annotations(store, instance, [])
    assert [Path(path).name for path in registered_annotations(store)["path"]] == ["empty.json"]


def test_more_clips_than_a_statement_takes_are_registered(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes 32,766 values in one, and Dagster gives it as many as it is given."""
    given: list[list[str]] = []
    add = instance.add_dynamic_partitions

    def counted(name: str, keys: list[str]) -> None:
        given.append(keys)
        add(name, keys)

    monkeypatch.setattr(clips, "LISTED_AT_ONCE", 2)
    monkeypatch.setattr(instance, "add_dynamic_partitions", counted)
    for name in "bdace":
        write_clip(tmp_path / "clips" / f"{name}.mp4")
    register_clips(store, instance, [tmp_path / "clips"])
    assert given == [["a", "b"], ["c", "d"], ["e"]]
    write_clip(tmp_path / "clips" / "f.mp4")
    instance.delete_dynamic_partition("clips", "c")  # as a process that is killed between two
    register_clips(store, instance, [tmp_path / "clips"])
    assert given[3:] == [["c", "f"]]
    assert clip_keys(store, instance) == ["a", "b", "c", "d", "e", "f"]


def test_names_that_differ_in_their_form_of_unicode_alone_are_clips_each(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    forms = ("\u1ec7", "\u00ea\u0323", "\u1eb9\u0302", "e\u0323\u0302", "e\u0302\u0323")
    for form in forms:
        write_clip(tmp_path / "clips" / f"{form}.mp4")
    found = register_clips(store, instance, [tmp_path / "clips"])
    assert len(set(found.new)) == len(forms)
    assert register_clips(store, instance, [tmp_path / "clips"]).new == []


def test_keys_of_many_clips_are_found_without_looking_at_all_others(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    class Row(dict[str, object]):
        def __getitem__(self, column: str) -> object:
            nonlocal asked
            asked += 1
            return super().__getitem__(column)

    of_entry = clips._row
    monkeypatch.setattr(clips, "_row", lambda *given: Row(of_entry(*given)))
    for number in range(100):
        write_clip(tmp_path / "clips" / f"dance_{number:03d}.mp4")
    assert len(register_clips(store, instance, [tmp_path / "clips"]).new) == 100
    assert asked <= 20 * 100
