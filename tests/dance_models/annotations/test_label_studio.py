"""Label Studio: which text names the image, whose the points are, and what is said of the rest."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_clips import Annotated, studio_min, studio_results, studio_task

from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.annotations.detect_format import parse_file
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(480, 360, 20)


def _clip(shift: float = 0.0) -> Annotated:
    joints = {n: (150.0 + 9 * i + shift, 60.0 + 20 * i, 2) for i, n in enumerate(DANCE_14.names)}
    return Annotated("solo", 480, 360, dict.fromkeys((4, 6), joints))


def _import(folder: Path, document: Any, name: str = "export.json") -> AnnotationImport:
    path = folder / name
    path.write_text(json.dumps(document))
    return import_clip("solo", [path], INFO)


def _is_whole(
    imported: AnnotationImport, clip: Annotated, frames: tuple[int, ...] = (4, 6)
) -> None:
    assert imported.table["frame"].to_list() == list(frames)
    for row in imported.table.iter_rows(named=True):
        expected = [clip.frames[row["frame"]][name][:2] for name in DANCE_14.names]
        np.testing.assert_allclose(row["keypoints"], expected, atol=0.01)


CODED = base64.b64encode(b"s3://bucket/frames/solo/000004.jpg").decode()


@pytest.mark.parametrize(
    "data",
    [
        {"split": "train", "dancer": "A", "image": "/data/local-files/?d=frames/solo/000004.jpg"},
        {"frame": 4, "video": "solo.mp4", "img": "s3://bucket/frames/solo/000004.jpg"},
        {"img": "https://host/x/solo_000004.jpg?X-Amz-Signature=00"},
        {"thumbnail": "/data/other_000009.jpg", "img": "/data/upload/3/1f2e3d4c-solo_000004.jpg"},
        {"note": "see solo_000009", "picture": "gs://bucket/solo/frame_000004.png"},
        {"image": f"/tasks/4/resolve/?fileuri={CODED}"},
        {"video": "solo.mp4", "img": "/data/upload/3/1f2e3d4c-000004.jpg"},
        {"image": r"/data/local-files/?d=frames\solo\000004.jpg"},
    ],
    ids=lambda data: next(reversed(data)),
)
def test_the_text_that_names_the_image_is_found(tmp_path: Path, data: dict[str, Any]) -> None:
    clip = _clip()
    imported = _import(tmp_path, [studio_task(clip, 4, **data)])
    _is_whole(imported, clip, (4,))
    assert imported.problems == []


def test_a_task_without_an_image_is_named(tmp_path: Path) -> None:
    task = studio_task(_clip(), 4, split=1)
    assert "task 104 was left out: the task names no image" in str(
        _import(tmp_path, [task]).problems[0]
    )


def test_people_are_told_apart_by_region_or_relation(tmp_path: Path) -> None:
    clip, other = _clip(), _clip(shift=40.0)
    smaller = {n: (x, 60 + (y - 60) / 2, s) for n, (x, y, s) in other.frames[4].items()}
    other = Annotated("solo", 480, 360, {4: smaller})
    task = studio_task(clip, 4)
    box = {"type": "rectanglelabels", "value": {"x": 1, "y": 1, "width": 9, "height": 9}}
    first = [{**r, "parentID": "boxA"} for r in studio_results(clip, 4, "a")]
    second = studio_results(other, 4, "b")
    relations = [{"type": "relation", "from_id": "boxB", "to_id": r["id"]} for r in second]
    task["annotations"][0]["result"] = [
        {**box, "id": "boxA"}, {**box, "id": "boxB"}, *second, *first, *relations
    ]  # fmt: skip
    imported = _import(tmp_path, [task])
    _is_whole(imported, clip, (4,))
    assert sorted(p.message for p in imported.problems) == [
        "2 left out: results that are not key points (but 'rectanglelabels')",
        "2 people are annotated; the largest was kept",
    ]


def test_people_whom_nothing_tells_apart_are_reported(tmp_path: Path) -> None:
    task = studio_task(_clip(), 4)
    task["annotations"][0]["result"] += studio_results(_clip(20.0), 4, "b")
    imported = _import(tmp_path, [task])
    assert imported.table.height == 0
    (problem,) = imported.problems
    assert problem.frame == 4
    assert "several people whom nothing tells apart: 14 joints are given twice" in problem.message
    assert "Draw a box for each person" in problem.message


def test_key_points_with_labels_of_their_own(tmp_path: Path) -> None:
    clip = _clip()
    task = studio_task(clip, 4)
    pairs = []
    for result in task["annotations"][0]["result"]:
        name = result["value"].pop("keypointlabels")
        pairs.append({**result, "type": "keypoint"})
        pairs.append({**result, "type": "labels", "value": {**result["value"], "labels": name}})
    task["annotations"][0]["result"] = pairs
    imported = _import(tmp_path, [task])
    _is_whole(imported, clip, (4,))
    assert imported.problems == []


def test_other_labels_are_counted_and_the_points_read(tmp_path: Path) -> None:
    clip = _clip()
    task = studio_task(clip, 4)
    task["annotations"][0]["result"] += [
        {"type": "brushlabels", "value": {"rle": []}},
        {"type": "choices", "value": {"choices": ["good"]}},
    ]
    imported = _import(tmp_path, [task])
    _is_whole(imported, clip, (4,))
    assert sorted(p.message for p in imported.problems) == [
        "1 left out: results that are not key points (but 'brushlabels')",
        "1 left out: results that are not key points (but 'choices')",
    ]


def test_sizes_that_are_not_stated_are_the_clips(tmp_path: Path) -> None:
    clip = _clip()
    task = studio_task(clip, 4)
    for result in task["annotations"][0]["result"]:
        del result["original_width"], result["original_height"]
    _is_whole(_import(tmp_path, [task]), clip, (4,))


def test_annotators_are_numbers_or_objects(tmp_path: Path) -> None:
    tasks = [studio_task(_clip(), frame) for frame in (4, 6)]
    tasks[1]["annotations"][0]["completed_by"] = {"id": 7, "email": "a@b.org"}
    assert _import(tmp_path, tasks).table["annotator"].to_list() == ["1", "a@b.org"]


def test_one_task_a_file_and_what_a_target_storage_gets(tmp_path: Path) -> None:
    clip = _clip()
    task = studio_task(clip, 4)
    _is_whole(_import(tmp_path, task), clip, (4,))
    stored = {**task["annotations"][0], "task": {"id": 104, "data": task["data"]}}
    _is_whole(_import(tmp_path, stored, "104"), clip, (4,))


def test_predictions_and_cancelled_annotations_are_counted(tmp_path: Path) -> None:
    cancelled, predicted = studio_task(_clip(), 4), studio_task(_clip(), 6)
    cancelled["annotations"][0]["was_cancelled"] = True
    predicted["predictions"] = predicted.pop("annotations")
    imported = _import(tmp_path, [cancelled, predicted])
    assert imported.table.height == 0
    text = "\n".join(p.message for p in imported.problems)
    assert "1 left out: annotations that were cancelled" in text
    assert "1 left out: predictions (submit the correct ones as annotations)" in text


def test_predictions_that_an_annotation_was_made_from_are_no_loss(tmp_path: Path) -> None:
    task = studio_task(_clip(), 4)
    task["predictions"] = [{"result": studio_results(_clip(3.0), 4)}]
    imported = _import(tmp_path, [task])
    _is_whole(imported, _clip(), (4,))
    (said,) = imported.problems
    assert (said.action, said.frame) == ("noted", 4)


def test_json_min_reads_the_first_annotation_of_a_task(tmp_path: Path) -> None:
    clip = _clip()
    items = [studio_min(clip, 4), studio_min(_clip(5.0), 4), studio_min(clip, 6)]
    items[2]["box"] = [{"x": 1, "y": 1, "width": 5, "height": 5, "rectanglelabels": ["person"]}]
    imported = _import(tmp_path, items)
    _is_whole(imported, clip)
    assert sorted(p.message for p in imported.problems) == [
        "1 left out: results that are not key points (but 'rectanglelabels')",
        "the task has 2 annotations; the first was read",
    ]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_csv_says_to_export_json(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "export.csv"
    cell = json.dumps(studio_min(_clip(), 4)["kp"]).replace('"', '""')
    rows = [["id", "image", "kp"], ["104", "/data/upload/3/1f2e3d4c-solo_000004.jpg", f'"{cell}"']]
    path.write_text("\n".join(separator.join(row) for row in rows))
    with pytest.raises(AnnotationError, match=r"CSV or TSV of Label Studio, .* export JSON"):
        parse_file(path)
