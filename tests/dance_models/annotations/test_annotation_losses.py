"""Everything in a file that is not imported is counted, with its clip and frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.annotations.folder_index import index_annotations
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(width=320, height=240, frames=10)
PLACES = {joint: (100.0 + 5 * i, 60.0 + 8 * i) for i, joint in enumerate(DANCE_14.names)}


def _coco(frames: int = 3) -> dict[str, Any]:
    values = [value for x, y in PLACES.values() for value in (x, y, 2)]
    return {
        "categories": [{"id": 1, "keypoints": list(DANCE_14.names)}],
        "images": [{"id": i, "file_name": f"solo/{i:06d}.jpg"} for i in range(frames)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": list(values)}
            for i in range(frames)
        ],
    }


def _studio(frame: int, **task: Any) -> dict[str, Any]:
    return {"id": frame, "data": {"image": f"/data/solo/{frame:06d}.jpg"}, **task}


def _results(width: int = 320, height: int = 240) -> list[dict[str, Any]]:
    return [
        {
            "type": "keypointlabels",
            "original_width": width,
            "original_height": height,
            "value": {"x": x / 3.2, "y": y / 2.4, "keypointlabels": [joint]},
        }
        for joint, (x, y) in PLACES.items()
    ]


def _points() -> str:
    return "".join(f'<points label="{j}" points="{x},{y}"/>' for j, (x, y) in PLACES.items())


def _import(tmp_path: Path, document: Any) -> tuple[AnnotationImport, str]:
    """Import a document; the report as one text without the file's name."""
    path = tmp_path / ("a.xml" if isinstance(document, str) else "a.json")
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    result = import_clip("solo", [path], INFO)
    return result, "\n".join(str(p).removeprefix(f"{path}: ") for p in result.problems)


def test_a_joint_in_the_pictures_corner_is_absent_whatever_its_visibility(tmp_path: Path) -> None:
    """COCO writes (0, 0, 0) for a joint that is not there, and many tools (0, 0, 1)."""
    document = _coco(2)
    document["annotations"][1]["keypoints"][:6] = [0, 0, 1, 0, 0, 2]
    result, report = _import(tmp_path, document)
    kept = result.table["visibility"].to_list()
    assert [list(row).count(0) for row in kept] == [0, 2]
    assert "frame 1: 2 left out: joints at (0, 0), the corner, which stands for none" in report


def test_frames_not_annotated_yet_are_counted_once_with_their_numbers(tmp_path: Path) -> None:
    document = _coco(15)
    for annotation in document["annotations"][1:]:
        annotation["keypoints"] = [0] * 42
    result, report = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [0]
    assert report == (
        "clip solo: 14 left out: annotations without a visible joint "
        "(frames 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 4 more)"
    )
    assert result.problems[0].action == "empty"


def test_points_of_other_skeletons_are_counted_by_name(tmp_path: Path) -> None:
    document = _coco(2)
    document["categories"][0]["keypoints"].append("nose")
    for annotation in document["annotations"]:
        annotation["keypoints"] += [5, 5, 2]
    result, report = _import(tmp_path, document)
    assert result.table.height == 2
    expected = "2 not used: points of 'nose', which is none of our joints (frames 0, 1)"
    assert report == f"clip solo: {expected}"


def test_duplicate_coco_ids_are_reported_and_the_first_is_kept(tmp_path: Path) -> None:
    document = _coco(2)
    document["images"].append({"id": 0, "file_name": "solo/000007.jpg"})
    document["categories"].append({"id": 1, "keypoints": ["nose"]})
    result, report = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [0, 1]
    assert "frame 7: image 0 is declared twice; the first was kept" in report
    assert "categories[1] has the id 1 of another one; the first was kept" in report


def test_coco_annotations_of_unknown_images_are_located_by_their_id(tmp_path: Path) -> None:
    document = _coco(3)
    document["annotations"][1]["image_id"] = 99
    document["annotations"][2]["image_id"] = {"not": "an id"}
    result, report = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [0]
    assert "annotation 1 is of image 99, which was left out or is unknown" in report
    assert "annotation 2 is of image {'not': 'an id'}, which was left out or is unknown" in report


def test_annotations_repeated_in_a_file_are_counted(tmp_path: Path) -> None:
    document = _coco(1)
    document["annotations"] *= 3
    result, report = _import(tmp_path, document)
    assert result.table.height == 1
    assert report == "clip solo: 2 left out: repeated from a.json (frames 0, 0)"


def test_posetrack_annotations_of_unlabelled_images_are_counted(tmp_path: Path) -> None:
    document = _coco(3)
    for image in document["images"]:
        image |= {"vid_id": "1", "is_labeled": image["id"] == 0}
    result, report = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [0]
    assert report == "2 left out: annotations of images that are not labelled"


def test_predictions_alone_do_not_count_as_annotation(tmp_path: Path) -> None:
    result, report = _import(tmp_path, [_studio(2, predictions=[{"result": _results()}])])
    assert result.table.is_empty()
    assert "frame 2: 1 left out: predictions" in report
    assert "frame 2: 1 left out: tasks without a usable annotation" in report


def test_label_studio_points_that_disagree_on_the_image_are_refused(tmp_path: Path) -> None:
    results = _results()
    results[3]["original_width"] = 640
    result, report = _import(tmp_path, [_studio(2, annotations=[{"result": results}])])
    assert result.table.is_empty()
    assert "frame 2: the task was left out: its points do not give one original_width" in report


def test_label_studio_points_of_a_larger_original_are_scaled(tmp_path: Path) -> None:
    task = _studio(2, annotations=[{"result": _results(1280, 960)}])
    result, report = _import(tmp_path, [task])
    assert result.table["keypoints"][0].to_numpy()[0] == pytest.approx(PLACES[DANCE_14.names[0]])
    assert result.problems[0].action == "repaired"
    assert "frame 2: 1 annotations are of 1280x960 images, the clip has 320x240" in report
    assert "solo/000002.jpg" in report


@pytest.mark.parametrize("size", [(0, 240), ("wide", 240), (None, 240), (10**400, 240)])
def test_an_invalid_image_size_drops_the_image(tmp_path: Path, size: tuple[Any, Any]) -> None:
    document = _coco(2)
    document["images"][0] |= {"width": size[0], "height": size[1]}
    result, report = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [1]
    assert "image 0 was left out: " in report
    assert "is not the size of an image" in report


def test_sizes_within_one_percent_of_the_shape_are_scaled_by_axis(tmp_path: Path) -> None:
    document = _coco(2)
    document["images"][0] |= {"width": 642, "height": 480}
    document["images"][1] |= {"width": 648, "height": 480}
    result, report = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [0]
    x, y = PLACES[DANCE_14.names[0]]
    scaled = (x * 320 / 642, y / 2)
    assert result.table["keypoints"][0].to_numpy()[0] == pytest.approx(scaled)
    assert "frame 1: 1 annotations are of 648x480 images" in report


def test_labelme_shapes_with_several_points_name_the_joint(tmp_path: Path) -> None:
    shapes = [
        {"label": joint, "shape_type": "point", "points": [[x, y]]}
        for joint, (x, y) in PLACES.items()
    ]
    shapes[0]["points"] = [[1, 2], [3, 4]]
    document = {"imagePath": "solo/000001.jpg", "shapes": shapes}
    result, report = _import(tmp_path, document)
    assert result.table.is_empty()
    assert f"frame 1: joint {DANCE_14.names[0]}: [[1, 2], [3, 4]] is not one point" in report


def test_skeleton_tracks_of_cvat_videos_are_read_frame_by_frame(tmp_path: Path) -> None:
    hidden = _points().replace(
        f'label="{DANCE_14.names[0]}"', f'label="{DANCE_14.names[0]}" outside="1" occluded="0"'
    )
    result, report = _import(
        tmp_path,
        "<annotations><version>1.1</version><meta><job><original_size><width>320</width>"
        "<height>240</height></original_size></job><source>solo.mp4</source></meta>"
        f'<track id="0" label="person"><skeleton frame="1" keyframe="1">{_points()}</skeleton>'
        f'<skeleton frame="2" keyframe="0">{hidden}</skeleton>'
        f'<skeleton frame="x">{_points()}</skeleton></track></annotations>',
    )
    assert result.table["frame"].to_list() == [1, 2]
    assert result.table["visibility"].to_numpy()[:, 0].tolist() == [2, 0]
    assert report == "track '0': a <skeleton> of frame 'x' of clip solo was left out"


def test_cvat_projects_keep_their_videos_apart(tmp_path: Path) -> None:
    def track(task: str) -> str:
        return f'<track {task}><skeleton frame="1">{_points()}</skeleton></track>'

    result, report = _import(
        tmp_path,
        "<annotations><meta><project><tasks><task><id>4</id><source>duet.mp4</source></task>"
        "<task><id>5</id><source>solo.mp4</source></task></tasks></project></meta>"
        + track("task_id='4'")
        + track("id='8'")
        + "</annotations>",
    )
    assert result.table.is_empty()
    assert "track '8' was left out with 1 shapes: the file has several tasks" in report
    assert import_clip("duet", [tmp_path / "a.xml"], INFO).table.height == 1


def test_cvat_shapes_with_several_points_name_the_joint(tmp_path: Path) -> None:
    points = _points().replace('points="100.0,60.0"', 'points="1,2;3,4"')
    text = f'<annotations><image name="solo/000001.jpg">{points}</image></annotations>'
    result, report = _import(tmp_path, text)
    assert result.table.is_empty()
    assert f"frame 1: joint {DANCE_14.names[0]}: '1,2;3,4' is not one point" in report


def test_xml_of_other_tools_is_refused(tmp_path: Path) -> None:
    _, report = _import(tmp_path, "<annotation><object/></annotation>")
    assert "looks like VOC XML of Pascal VOC, which is not read; it has boxes" in report


def test_a_file_without_any_clip_has_its_reason_in_the_index(tmp_path: Path) -> None:
    document = _coco(2)
    for image in document["images"]:
        image["file_name"] = "holiday.jpg"
    _import(tmp_path, document)
    (entry,) = index_annotations(tmp_path)
    assert entry.clips == {}
    assert entry.problem is not None
    assert entry.problem == (
        "1 problems and no clip; the first: 2 left out: annotations of images whose names give no "
        "clip and frame, such as 'holiday.jpg'. Expected CLIP_000123.jpg or CLIP/000123.jpg"
    )
    assert [problem.rows for problem in entry.problems] == [2]


def test_text_that_utf8_cannot_hold_is_replaced(tmp_path: Path) -> None:
    document = _coco(1)
    document["annotations"][0]["annotator"] = "half \ud83d"
    result, report = _import(tmp_path, document)
    assert result.table["annotator"].to_list() == ["half \ufffd"]
    assert "halves of characters were replaced by U+FFFD, 1 in all" in report


def test_a_pose_wholly_outside_the_image_is_reported_as_dropped(tmp_path: Path) -> None:
    document = _coco(1)
    values = document["annotations"][0]["keypoints"]
    values[0::3] = [x + 5000 for x in values[0::3]]
    result, report = _import(tmp_path, document)
    assert result.table.is_empty()
    assert report.endswith("frame 0: no joint lies inside the image; the annotation was dropped")


def _sized(tmp_path: Path, size: tuple[int, int] | None) -> AnnotationImport:
    """Poses on images of a size, of a clip of 240x240 pixels that is shown as 320x240."""
    document = _coco(2)
    for image in document["images"]:
        if size:
            image["width"], image["height"] = size
    shown = size or (320, 240)
    for annotation in document["annotations"]:
        annotation["keypoints"] = [
            value
            for x, y in PLACES.values()
            for value in (x * shown[0] / 320, y * shown[1] / 240, 2)
        ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    return import_clip("solo", [path], ClipInfo(320, 240, 10, unstretched=(240, 240)))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((320, 240), None),
        ((640, 480), "they were scaled (repaired)"),
        ((240, 240), "they have the pixels of the file, and were stretched as it is displayed"),
        ((480, 480), "they have the pixels of the file, and were stretched as it is displayed"),
        (None, "taken as 320x240, as displayed"),
    ],
)
def test_annotations_of_pixels_that_are_not_square(
    tmp_path: Path, size: tuple[int, int] | None, words: str | None
) -> None:
    result = _sized(tmp_path, size)
    points = result.table["keypoints"].to_numpy()
    np.testing.assert_allclose(points, [list(PLACES.values())] * 2, atol=1e-3)
    text = "\n".join(str(problem) for problem in result.problems)
    if words is None:
        assert text == ""
    else:
        assert words in text
        assert "320x240 (240x240 in the file: pixels not square)" in text


def test_another_shape_than_either_is_dropped(tmp_path: Path) -> None:
    result = _sized(tmp_path, (200, 300))
    assert result.table.height == 0
    assert "they were dropped" in str(result.problems[0])
