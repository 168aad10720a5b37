"""What is not used: one row each, printed in groups, and summed in one line."""

import json
import os
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dance_models.annotations.parsed_file import Problem
from dance_models.tables import write_table
from pipelines.storage.annotation_problems import write_problems
from pipelines.storage.annotation_report import (
    annotation_report,
    lost_anything,
    report_lines,
    report_sum,
    write_report,
)
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.clips import register_clips, registered_clips
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path, instance: dg.DagsterInstance) -> Store:
    """A store with the clip ``salsa_01``."""
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "salsa_01.mp4").write_text("film")
    store = Store(root=str(tmp_path / "store"))
    register_clips(store, instance, [clips])
    return store


def coco_file(path: Path, frames: dict[str, list[int]]) -> None:
    """A COCO file with one person in each of the frames of each clip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [
        {"id": f"{clip} {frame}", "file_name": f"{clip}/{frame:06d}.jpg"}
        for clip, numbers in frames.items()
        for frame in numbers
    ]
    poses = [
        {"id": i, "image_id": image["id"], "category_id": 1, "keypoints": [5, 6, 2]}
        for i, image in enumerate(images)
    ]
    categories = [{"id": 1, "name": "person", "keypoints": ["neck"]}]
    path.write_text(json.dumps({"images": images, "annotations": poses, "categories": categories}))


def annotations(store: Store, instance: dg.DagsterInstance, folder: Path) -> pl.DataFrame:
    register_annotations(store, instance, [folder])
    return annotation_report(store)


def test_annotations_of_an_unregistered_clip_name_the_nearest_one(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "ann"
    coco_file(folder / "a.json", {"salsa_1": [0, 1, 2]})
    report = annotations(store, instance, folder)
    (row,) = report.to_dicts()
    assert (row["action"], row["clip"], row["rows"]) == ("dropped", "salsa_1", 3)
    assert report_lines(report) == [
        f"{folder / 'a.json'}: clip salsa_1: 3 annotations are of a clip that is not registered. "
        "The nearest registered clip is 'salsa_01': rename one of them [3 rows]"
    ]
    table = store.table("annotation_report")
    expected = f"0 annotated frames read; 3 rows dropped, see {table}"
    assert report_sum(store, report) == expected
    assert lost_anything(report)


def test_files_that_nothing_reads_are_named_once(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "clips"  # named as that of annotations too
    for name in ("b.xyz", "a.xyz", "deep/c.xyz", ".hidden.xyz", "clips.csv", "README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("clip\nsalsa_01\n")
    report = annotations(store, instance, folder)
    assert report["file"].to_list() == [str(folder / n) for n in ("a.xyz", "b.xyz", "deep/c.xyz")]
    assert set(report["action"]) == {"not read"}
    lines = report_lines(report)
    assert [line.split(": ")[0] for line in lines] == [
        f"{folder / 'a.xyz'} and 1 more file", str(folder / "deep/c.xyz"),
    ]  # fmt: skip
    assert report_sum(store, report).startswith("0 annotated frames read; 3 files not read, see ")
    (folder / "deep" / "c.xyz").unlink()
    assert annotation_report(store).height == 2


def test_a_file_that_cannot_be_used_is_in_the_report(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "broken.json").write_text("{")
    (row,) = annotations(store, instance, tmp_path / "ann").to_dicts()
    assert row["action"] == "not read"
    assert row["message"].startswith("is not JSON")


def test_losses_inside_a_clip_are_grouped_and_summed(store: Store) -> None:
    at = {"file": "/a/x.json", "clip": "salsa_01"}
    problems = [
        *(Problem(**at, message=f"({x}, 3) lies outside", frame=x, joint="neck", action="repaired")
          for x in (4, 9)),
        Problem(**at, message="12 left out: crowds", rows=12),
        Problem(**at, message="5 annotations were scaled", action="repaired"),
        Problem(**at, message="3 left out: nothing annotated yet", action="empty", rows=3),
        Problem("/a/y.json", "3 left out: boxes", None, rows=3),
    ]  # fmt: skip
    write_problems(store, "salsa_01", problems)
    frames = pl.DataFrame({"frame": [0, 1]})
    write_table(frames, store.table("pose_annotations", "salsa_01"), {})
    report = annotation_report(store)
    assert report_lines(report) == [
        "/a/x.json: clip salsa_01: joint neck: (4, 3) lies outside (frames 4, 9)",
        "/a/x.json: clip salsa_01: 12 left out: crowds [12 rows]",
        "/a/y.json: 3 left out: boxes [3 rows]",
        "/a/x.json: clip salsa_01: 5 annotations were scaled",
    ]
    assert report_sum(store, report).startswith(
        "2 annotated frames read; 15 rows dropped, 2 joints dropped, 1 repair, see "
    )


def test_nothing_lost(store: Store) -> None:
    report = annotation_report(store)
    assert report.is_empty()
    assert report_lines(report) == []
    assert not lost_anything(report)
    assert report_sum(store, report) == "0 annotated frames read; nothing dropped"


def test_a_problem_of_a_whole_file_counts_once_for_all_its_clips(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "clips" / "duo.mp4").write_text("another film")
    register_clips(store, instance, [tmp_path / "clips"])
    for clip in ("salsa_01", "duo"):
        write_problems(store, clip, [Problem("/a.json", "2 left out: of no image", rows=2)])
    assert annotation_report(store)["rows"].to_list() == [2]


def test_a_clip_that_is_registered_later_takes_its_annotations(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "ann"
    coco_file(folder / "a.json", {"duo": [0]})
    assert annotations(store, instance, folder)["rows"].to_list() == [1]
    (tmp_path / "clips" / "duo.mp4").write_text("another film")
    register_clips(store, instance, [tmp_path / "clips"])
    register_annotations(store, instance, [])
    assert annotation_report(store).is_empty()


def test_a_file_that_is_gone_is_in_no_report(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "ann"
    coco_file(folder / "a.json", {"duo": [0]})
    assert annotations(store, instance, folder).height == 1
    (folder / "a.json").unlink()
    assert annotations(store, instance, folder).is_empty()


def test_each_file_says_what_was_read_of_it(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    folder = tmp_path / "ann"
    coco_file(folder / "a.json", {"salsa_01": [0, 1], "duo": [0]})
    (folder / "broken.json").write_text("{")
    annotations(store, instance, folder)
    columns = ("format", "people", "frames", "joints", "dropped")
    found = registered_annotations(store).select(*columns).rows()
    assert found == [("coco-keypoints", 1, 3, 1, 0), ("", 0, 0, 0, 0)]


def test_links_and_folders_out_of_reach_are_named(
    tmp_path: Path,
    store: Store,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, locked = tmp_path / "ann", tmp_path / "ann" / "locked"
    for path in (folder, locked, tmp_path / "elsewhere"):
        path.mkdir()
    coco_file(tmp_path / "elsewhere" / "a.json", {"salsa_01": [0]})
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "gone.json").symlink_to(tmp_path / "nowhere.json")
    (folder / "film.gif").write_bytes(b"GIF89a")
    (folder / "beside.jpg").write_bytes(b"")
    scandir = os.scandir

    def refusing(path: str = ".") -> "os.ScandirIterator[str]":
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(locked))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    report = annotations(store, instance, folder)
    said = {Path(r["file"]).name: (r["action"], r["message"]) for r in report.to_dicts()}
    assert said == {
        "linked": (
            "not read",
            "is a link to a folder, and links to folders are not followed: name that folder",
        ),
        "gone.json": ("not read", "the link leads nowhere"),
        "locked": ("not read", "cannot be read (Permission denied)"),
        "film.gif": ("not read", "is a video: give its folder as --clips"),
        "ann": ("noted", "holds 1 images, which are not used by themselves"),
    }
    assert lost_anything(report)


def test_what_the_folder_of_clips_has_in_vain_is_in_the_report(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance
) -> None:
    """Lines of ``clips.csv``, files in a folder of images, names that two files have."""
    clips = tmp_path / "clips"
    (clips / "solo").mkdir()
    for name in ("0001.jpg", "0002.jpg", "fps", "cover.jpg", "notes.txt"):
        (clips / "solo" / name).write_text("25")
    (clips / "tango").mkdir()
    (clips / "tango" / "salsa_01.mp4").write_text("another film")
    (clips / "linked.mp4").symlink_to(clips / "salsa_01.mp4")
    (clips / "clips.csv").write_text("clip,take\nsalsa_01,t\nsalsa_O1,u\nsalsa_01,v\n,w\n")
    for _ in range(2):  # the second registration says the same
        register_clips(store, instance, [clips])
        found = {
            (Path(r["file"]).name, r["action"], r["message"])
            for r in annotation_report(store).to_dicts()
        }
        names = {(name, action, message.partition(";")[0]) for name, action, message in found}
        taken = f"the name 'salsa_01' is taken by {clips / 'salsa_01.mp4'}, as are annotations of "
        assert names == {
            ("clips.csv", "not read", "line 3: there is no clip 'salsa_O1'"),
            ("clips.csv", "not read", "line 4: 'salsa_01' is in line 2 already"),
            ("clips.csv", "not read", "line 5: no clip name"),
            ("solo", "not read", "images that were not used: 1 (cover.jpg)"),
            ("notes.txt", "not read", "is in no known format"),
            ("salsa_01.mp4", "noted", f"{taken}that name"),
        }
        assert registered_clips(store).filter(clip="salsa_01")["take"].to_list() == ["t"]
    (clips / "clips.csv").write_text("clip,take\nsalsa_01,t\n")
    register_clips(store, instance, [clips])
    assert "clips.csv" not in {Path(file).name for file in annotation_report(store)["file"]}


def test_a_report_that_is_the_same_is_not_written_again(
    store: Store, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    write_report(store, annotation_report(store))
    path = store.table("annotation_report")
    os.utime(path, ns=(1, 1))
    write_report(store, annotation_report(store))
    assert path.stat().st_mtime_ns == 1
    coco_file(tmp_path / "labels" / "a.json", {"nobody_01": [0, 1]})
    register_annotations(store, instance, [tmp_path / "labels"])
    write_report(store, annotation_report(store))
    assert path.stat().st_mtime_ns != 1
    path.write_bytes(b"")
    write_report(store, annotation_report(store))
    assert pl.read_parquet(path).height == 1


def test_a_problem_of_every_frame_is_a_row_each_and_one_line(store: Store) -> None:
    outside = "({}, 5) lies outside the image; the joint was made absent"
    problems = [
        Problem("a.json", outside.format(500 + n), "salsa_01", n, "neck", "repaired")
        for n in range(3000)
    ]
    table = write_problems(store, "salsa_01", problems)
    assert table.height == 3000
    (line,) = report_lines(table)
    assert "and 2990 more" in line
