"""Annotation files are registered with what was chosen for them, and read again for new clips."""

import json
import os
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dance_models.annotations import folder_index
from dance_models.annotations.folder_index import AnnotationFile
from dance_models.annotations.image_names import Reading
from dance_models.errors import InputError
from dance_models.skeleton import DANCE_14
from dance_models.tables import write_table
from pipelines.storage import annotations
from pipelines.storage.annotation_problems import file_problems
from pipelines.storage.annotations import (
    annotations_by_clip,
    annotations_version,
    keep_annotations,
    reading_annotations,
    reading_of,
    register_annotations,
    registered_annotations,
)
from pipelines.storage.clips import register_clips
from pipelines.storage.folders import away_folders
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store"))


def _clips(store: Store, instance: dg.DagsterInstance, folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.mp4").write_text(name)
    register_clips(store, instance, [folder])


def _file(path: Path, name: str, frames: int = 2) -> Path:
    values = [value for i in range(14) for value in (100 + i, 60 + i, 2)]
    document = {
        "categories": [{"id": 1, "keypoints": list(DANCE_14.names)}],
        "images": [{"id": i, "file_name": name.format(i)} for i in range(frames)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": values} for i in range(frames)
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def _row(store: Store) -> dict[str, object]:
    return registered_annotations(store).row(0, named=True)


def test_clips_that_are_registered_later_are_found_in_files_from_before(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "duet")
    _file(tmp_path / "ann" / "solo" / "a.json", "frame_{:06d}.PNG")
    (problem,) = register_annotations(store, instance, [tmp_path / "ann"])
    assert problem.message.startswith("2 left out: annotations of images whose names give no clip")
    assert (_row(store)["clips"], _row(store)["readings"]) == ([], [])
    _clips(store, instance, tmp_path / "clips", "solo")
    assert register_annotations(store, instance, []) == []
    assert _row(store)["clips"] == ["solo"]
    assert _row(store)["problem"] is None


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the annotation files that are read."""
    names, parsed = [], folder_index.parse_files

    def parse_files(path: Path, reading: Reading) -> object:
        names.append(path.name)
        return parsed(path, reading)

    monkeypatch.setattr(folder_index, "parse_files", parse_files)
    return names


def test_a_file_that_is_as_it_was_is_not_read_again(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, read: list[str]
) -> None:
    """And what was said of it is said again."""
    _clips(store, instance, tmp_path / "clips", "solo")
    folder = tmp_path / "ann"
    _file(folder / "known.json", "solo_{:06d}.png")
    _file(folder / "unknown.json", "other_{:06d}.png")
    (folder / "torn.json").write_text('{"categories": [')
    said = register_annotations(store, instance, [folder])
    assert [Path(problem.file).name for problem in said] == ["torn.json", "unknown.json"]
    version = annotations_version(store)
    read.clear()
    assert register_annotations(store, instance, [folder]) == said
    assert read == ["torn.json"], "what cannot be read is tried again"
    os.utime(folder / "known.json", ns=(1, 1))
    assert register_annotations(store, instance, [folder]) == said
    assert read == ["torn.json", "known.json", "torn.json"]
    assert annotations_version(store) == version, "its content is the same"


def test_files_are_read_again_when_what_was_said_of_them_is_lost(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """Also of files in folders that are not named now."""
    _clips(store, instance, tmp_path / "clips", "solo")
    _file(tmp_path / "ann" / "known.json", "solo_{:06d}.png")
    _file(tmp_path / "ann" / "unknown.json", "other_{:06d}.png")
    (tmp_path / "other").mkdir()
    said = register_annotations(store, instance, [tmp_path / "ann"])
    assert len(said) == 1
    problems = store.table("annotation_file_problems")
    for folder in ("ann", "other"):
        problems.unlink()
        assert register_annotations(store, instance, [tmp_path / folder]) == said
        assert file_problems(store).height == 1


def test_a_file_is_read_again_when_it_or_how_it_is_read_is_another(
    tmp_path: Path,
    store: Store,
    instance: dg.DagsterInstance,
    read: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _clips(store, instance, tmp_path / "clips", "solo", "duo1")
    folder = tmp_path / "ann"

    def register(chosen: Reading | None = None) -> tuple[object, int]:
        read.clear()
        register_annotations(store, instance, [folder], chosen=chosen, chosen_for=[folder])
        return _row(store)["clips"], len(read)

    path = _file(folder / "a.json", "solo_{:06d}.png")
    assert register() == (["solo"], 1)
    assert register() == (["solo"], 0)
    size = path.stat().st_size
    _file(path, "duo1_{:06d}.png")
    assert path.stat().st_size == size
    assert register() == (["duo1"], 1)
    assert register(Reading(first_frame=1)) == (["duo1"], 1)
    assert register() == (["duo1"], 0), "what was chosen holds"
    monkeypatch.setattr(annotations, "_reader", lambda: "another")
    assert register() == (["duo1"], 1)


def test_files_of_an_earlier_evaluation_are_forgotten(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "solo")
    files = [_file(tmp_path / name / "solo.json", "solo_{:06d}.png") for name in ("old", "new")]
    register_annotations(store, instance, [tmp_path / "old", tmp_path / "new"])
    assert len(annotations_by_clip(store)["solo"]) == 2
    for place in (tmp_path / "new", files[1]):
        keep_annotations(store, instance, [place])
        assert [found.row["path"] for found in annotations_by_clip(store)["solo"]] == [
            str(files[1])
        ]
    register_annotations(store, instance, [tmp_path / "old"])
    assert len(annotations_by_clip(store)["solo"]) == 2


def test_files_whose_folder_is_away_stay_until_others_are_named(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """What is deleted from a folder that is there is dropped."""
    _clips(store, instance, tmp_path / "clips", "solo")
    for name in ("solo", "duet"):
        _file(tmp_path / "ann" / name / "a.json", "frame_{:06d}.png")  # the clip of its folder
    register_annotations(store, instance, [tmp_path / "ann"])
    before = registered_annotations(store)
    assert (before["clips"].to_list(), away_folders(store, "annotations")) == ([[], ["solo"]], {})
    disk = (tmp_path / "ann").rename(tmp_path / "disk")
    _clips(store, instance, tmp_path / "clips", "duet")
    register_annotations(store, instance, [])
    assert registered_annotations(store).equals(before)
    assert away_folders(store, "annotations") == {str(tmp_path / "ann"): 2}
    with (
        pytest.raises(InputError, match=r"ann is not there\. Put it back and run again, or name"),
        reading_annotations(store, instance, before.to_dicts()),
    ):
        pytest.fail("there is no file")
    assert registered_annotations(store).equals(before)
    disk.rename(tmp_path / "ann")
    register_annotations(store, instance, [])
    assert registered_annotations(store)["clips"].to_list() == [["duet"], ["solo"]]
    shutil.rmtree(tmp_path / "ann" / "duet")
    register_annotations(store, instance, [])
    assert registered_annotations(store)["clips"].to_list() == [["solo"]]
    moved = (tmp_path / "ann").rename(tmp_path / "moved")
    register_annotations(store, instance, [moved], chosen_for=[moved])
    assert registered_annotations(store)["path"].to_list() == [str(moved / "solo" / "a.json")]


def test_files_are_read_again_only_when_the_clips_are_others(
    tmp_path: Path,
    store: Store,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _clips(store, instance, tmp_path / "clips", "solo")
    path = _file(tmp_path / "ann" / "a.json", "solo_{:06d}.jpg")
    register_annotations(store, instance, [tmp_path / "ann"])
    before = store.digest("raw_annotations")
    read: list[Path] = []
    index_file = annotations.index_file

    def counted(path: Path, reading: Reading) -> AnnotationFile:
        read.append(path)
        return index_file(path, reading)

    monkeypatch.setattr(annotations, "index_file", counted)
    register_annotations(store, instance, [])
    assert (read, store.digest("raw_annotations")) == ([], before)
    first = _row(store)["readings"]
    _clips(store, instance, tmp_path / "clips", "duet")
    register_annotations(store, instance, [])
    assert read == [path]
    assert _row(store)["readings"] == first, "what is read of the clip is the same"


def test_a_longer_name_that_is_registered_later_takes_its_images(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "salsa")
    _file(tmp_path / "ann" / "a.json", "salsa_1_frame_{}.jpg")
    (problem,) = register_annotations(store, instance, [tmp_path / "ann"])
    assert "2 annotations are of a clip that is not registered" in problem.message
    _clips(store, instance, tmp_path / "clips", "salsa_1")
    assert register_annotations(store, instance, []) == []
    assert _row(store)["clips"] == ["salsa_1"]


def test_what_was_chosen_is_kept_until_something_else_is(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "Solo A", "duet")
    _file(tmp_path / "ann" / "a.json", "frame_{:06d}.PNG")
    folders = [tmp_path / "ann"]
    chosen = Reading(clip="solo_a", first_frame=1)
    assert (
        register_annotations(store, instance, folders, chosen_for=folders[-1:], chosen=chosen) == []
    )
    for _ in range(2):
        row = _row(store)
        assert (row["clips"], row["chosen_clip"]) == (["solo-a"], "solo-a")
        assert row["chosen_first_frame"] == 1
        reading = reading_of(store)(row)
        assert (reading.clip, reading.first_frame) == ("solo-a", 1)
        register_annotations(store, instance, folders)
    register_annotations(
        store,
        instance,
        folders,
        chosen_for=folders[-1:],
        chosen=Reading(clip="duet", first_frame=0),
    )
    row = _row(store)
    assert (row["clips"], row["chosen_first_frame"]) == (["duet"], 0)


def test_the_choice_is_of_the_last_folder(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "solo")
    _file(tmp_path / "raw" / "a.json", "frame_{:06d}.PNG")
    _file(tmp_path / "ann" / "b.json", "frame_{:06d}.PNG")
    folders = [tmp_path / "raw", tmp_path / "ann"]
    (problem,) = register_annotations(
        store, instance, folders, chosen_for=folders[-1:], chosen=Reading(clip="solo")
    )
    assert problem.file == str(tmp_path / "raw" / "a.json")


def test_an_unknown_choice_names_the_nearest_clip(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "salsa_01")
    (tmp_path / "ann").mkdir()
    with pytest.raises(
        InputError, match=r"no clip 'salsa_1' for --clip\. The nearest is 'salsa_01'"
    ):
        register_annotations(
            store,
            instance,
            [tmp_path / "ann"],
            chosen_for=[tmp_path / "ann"],
            chosen=Reading(clip="salsa_1"),
        )


def test_a_table_from_before_is_read(store: Store) -> None:
    old = pl.DataFrame(
        {"path": ["/a.json"], "sha256": ["0"], "clips": [["solo"]], "problem": [None]},
        schema_overrides={"problem": pl.String},
    )
    write_table(old, store.table("raw_annotations"), {})
    row = _row(store)
    assert (row["clips"], row["readings"], row["chosen_clip"]) == (["solo"], None, None)
    assert annotations_by_clip(store) == {"solo": [(row, None)]}


def test_files_are_found_by_each_clip_that_they_mention(store: Store) -> None:
    """In the order of their paths; a file with a problem is of none."""
    files = {"/b": ["duet", "solo"], "/a": ["solo"], "/c": ["solo"]}
    rows = [
        {
            "path": path,
            "clips": clips,
            "readings": [f"{path} {clip}" for clip in clips],
            "problem": "is no JSON" if path == "/c" else None,
        }
        for path, clips in files.items()
    ]
    assert annotations_by_clip(store) == {}
    write_table(pl.DataFrame(rows), store.table("raw_annotations"), {})
    found = {
        clip: [(row["path"], reading) for row, reading in files]
        for clip, files in annotations_by_clip(store).items()
    }
    assert found == {"duet": [("/b", "/b duet")], "solo": [("/a", "/a solo"), ("/b", "/b solo")]}


def test_a_clip_is_found_by_its_files_name_when_its_key_is_another(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    _clips(store, instance, tmp_path / "clips", "вальс")
    table = store.read("raw_clips").with_columns(clip=pl.lit("old"))
    write_table(table, store.table("raw_clips"), {})
    _file(tmp_path / "ann" / "a.json", "вальс_{:06d}.jpg")
    assert register_annotations(store, instance, [tmp_path / "ann"]) == []
    assert _row(store)["clips"] == ["old"]
