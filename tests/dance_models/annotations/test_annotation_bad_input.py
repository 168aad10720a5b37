"""Bad annotation files are reported with file, frame and joint; nothing else is lost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dance_models.annotations import content
from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.annotations.detect_format import parse_file
from dance_models.annotations.folder_index import index_annotations
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(width=320, height=240, frames=10)


def _document(*keypoints: list[Any], frames: list[int] | None = None) -> dict[str, Any]:
    frames = frames if frames is not None else list(range(len(keypoints)))
    return {
        "categories": [{"id": 1, "keypoints": list(DANCE_14.names)}],
        "images": [
            {"id": i, "video": "solo.mp4", "frame_index": f, "file_name": ""}
            for i, f in enumerate(frames)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": k}
            for i, k in enumerate(keypoints)
        ],
    }


def _good(shift: float = 0) -> list[Any]:
    return [v for i in range(14) for v in (100 + 5 * i + shift, 40 + 10 * i, 2)]


def _write(path: Path, document: Any) -> Path:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def _import(tmp_path: Path, document: Any) -> AnnotationImport:
    return import_clip("solo", [_write(tmp_path / "a.json", document)], INFO)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{'not': json}", "is not JSON"),
        ("", "is not JSON"),
        ('{"hello": 1}', "none of the known formats .of COCO, PoseTrack, .*Label Studio, labelme"),
        ("[" * 100_000, "nested too deeply|is not JSON"),
        ('{"images": 3, "annotations": [], "categories": []}', "does not hold what"),
    ],
    ids=("not JSON", "empty", "no format", "deep", "numbers for lists"),
)
def test_files_that_are_not_annotations(tmp_path: Path, text: str, reason: str) -> None:
    path = _write(tmp_path / "a.json", text)
    with pytest.raises(AnnotationError, match=reason) as caught:
        parse_file(path)
    assert str(path) in str(caught.value)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"é": 1}'.encode("latin-1"))
    with pytest.raises(AnnotationError, match="not UTF-8"):
        parse_file(path)
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(_document(_good())).encode())
    assert len(parse_file(path).poses) == 1  # a byte order mark does no harm


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY x "ha">]><annotations>&x;</annotations>')
    with pytest.raises(AnnotationError, match="document type is refused"):
        parse_file(path)


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = _write(tmp_path / "a.json", "no")
    good = _write(tmp_path / "b.json", _document(_good()))
    imported = import_clip("solo", [bad, good], INFO)
    assert imported.table.height == 1
    assert [p.file for p in imported.problems] == [str(bad)]
    by_name = {entry.path.name: entry for entry in index_annotations(tmp_path)}
    assert by_name["a.json"].problem
    assert by_name["b.json"].problem is None


def test_wrong_joint_count_drops_that_annotation(tmp_path: Path) -> None:
    imported = _import(tmp_path, _document(_good()[:-3], _good()))
    assert imported.table["frame"].to_list() == [1]
    (problem,) = imported.problems
    assert problem.frame == 0
    assert "39 keypoint values" in str(problem)


def test_unknown_joint_names(tmp_path: Path) -> None:
    document = _document(_good())
    document["categories"][0]["keypoints"] = [f"point {i}" for i in range(14)]
    imported = _import(tmp_path, document)
    assert imported.table.height == 0
    assert "none of the joint names" in str(imported.problems[0])


@pytest.mark.parametrize("value", [None, "12", float("nan"), float("inf"), True])
def test_non_numeric_coordinates_name_the_joint(tmp_path: Path, value: Any) -> None:
    broken = _good()
    broken[3 * DANCE_14.index["left_elbow"]] = value
    imported = _import(tmp_path, _document(broken, _good()))
    assert imported.table["frame"].to_list() == [1]
    assert imported.problems[0].joint == "left_elbow"
    assert imported.problems[0].frame == 0


@pytest.mark.parametrize(("scale", "unit"), [(1 / 320, "fractions"), (100 / 320, "percent")])
def test_other_units_are_refused_not_scaled(tmp_path: Path, scale: float, unit: str) -> None:
    values = [v if i % 3 == 2 else v * scale for i, v in enumerate(_good())]
    imported = _import(tmp_path, _document(values))
    assert imported.table.height == 0
    assert f"look like {unit}" in str(imported.problems[0])


def test_points_outside_the_image_become_absent(tmp_path: Path) -> None:
    outside = _good()
    outside[3 * DANCE_14.index["neck"]] = 5000
    imported = _import(tmp_path, _document(outside))
    assert imported.table["visibility"].to_numpy()[0, DANCE_14.index["neck"]] == 0
    assert np.isnan(imported.table["keypoints"].to_numpy()[0, DANCE_14.index["neck"]]).all()
    assert (imported.table["visibility"].to_numpy()[0] > 0).sum() == 13
    assert imported.problems[0].joint == "neck"


def test_unknown_frames_are_reported(tmp_path: Path) -> None:
    imported = _import(tmp_path, _document(_good(), _good(), frames=[3, 99]))
    assert imported.table["frame"].to_list() == [3]
    assert "no such frame (it has 10)" in str(imported.problems[0])


def test_other_clips_are_left_alone(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.json", _document(_good()))
    assert import_clip("duet", [path], INFO).table.height == 0


def test_the_same_annotation_twice_counts_once(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.json", _document(_good()))
    second = _write(tmp_path / "b.json", _document(_good()))
    imported = import_clip("solo", [first, second], INFO)
    assert imported.table.height == 1
    (problem,) = imported.problems
    assert str(problem) == f"{second}: clip solo: frame 0: 1 left out: repeated from a.json"


def test_contradictory_annotations_keep_the_first_and_are_reported(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.json", _document(_good()))
    second = _write(tmp_path / "b.json", _document(_good(shift=9)))
    imported = import_clip("solo", [first, second], INFO)
    assert imported.table["source_file"].to_list() == ["a.json"]
    assert "annotated differently in a.json" in str(imported.problems[0])


def test_of_several_people_the_largest_is_kept(tmp_path: Path) -> None:
    small = [v if i % 3 == 2 else v / 4 + 60 for i, v in enumerate(_good())]
    imported = _import(tmp_path, _document(small, _good(), frames=[0, 0]))
    assert imported.table.height == 1
    assert imported.table["keypoints"].to_numpy()[0, 0, 0] == 100
    assert "2 people" in str(imported.problems[0])


def test_of_paths_that_go_up_the_last_parts_count(tmp_path: Path) -> None:
    document = _document(_good(), _good())
    document["images"][0]["video"] = "../../solo.mp4"
    imported = _import(tmp_path, document)
    assert imported.table["frame"].to_list() == [0, 1]
    assert imported.problems == []


def test_a_file_over_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as handle:
        handle.truncate(content.SIZE_LIMIT + 1)  # sparse: takes no disk
    with pytest.raises(AnnotationError, match="268 MB, more than 268") as caught:
        parse_file(path)
    assert "one file a clip" in str(caught.value)


@pytest.mark.slow
def test_a_100_mb_file_is_read(tmp_path: Path) -> None:
    document = _document(_good())
    document["licences"] = "x" * 100_000_000
    assert len(parse_file(_write(tmp_path / "big.json", document)).poses) == 1


def _sized(width: int, height: int, scale: float) -> dict[str, Any]:
    document = _document([v for i in range(14) for v in (scale * (100 + i), scale * (40 + i), 2)])
    document["images"][0] |= {"width": width, "height": height}
    return document


def test_annotations_of_scaled_images_are_scaled_and_reported(tmp_path: Path) -> None:
    result = _import(tmp_path, _sized(640, 480, 2.0))
    assert result.table["keypoints"][0].to_numpy()[0] == pytest.approx([100, 40])
    assert "1 annotations are of 640x480 images, the clip has 320x240: they were scaled" in str(
        result.problems[0]
    )


def test_annotations_of_images_of_another_shape_are_dropped_and_reported(tmp_path: Path) -> None:
    result = _import(tmp_path, _sized(240, 320, 1.0))
    assert result.table.is_empty()
    assert "240x320 images, the clip has 320x240: they were dropped" in str(result.problems[0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.xml"
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><annotations>&b;</annotations>'
    )
    path.write_bytes(text.encode(encoding))
    with pytest.raises(AnnotationError, match="document type is refused"):
        parse_file(path)


def test_xml_in_an_unknown_encoding_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b'<?xml version="1.0" encoding="klingon"?><annotations/>')
    with pytest.raises(AnnotationError, match="not XML"):
        parse_file(path)


def test_coco_annotations_that_are_left_out_are_counted(tmp_path: Path) -> None:
    document = _document(_good(), _good(), _good())
    document["annotations"][0].pop("keypoints")
    document["annotations"][1]["category_id"] = 9
    document["annotations"].append("not an annotation")
    result = _import(tmp_path, document)
    assert result.table["frame"].to_list() == [2]
    report = " ".join(map(str, result.problems))
    assert "1 left out: annotations without keypoints" in report
    assert "frame 1: the category 9 is not declared" in report
    assert "annotations[3] was left out" in report


def test_labelme_shapes_that_are_not_points_are_counted(tmp_path: Path) -> None:
    shapes = [
        {"label": joint, "shape_type": "point", "points": [[100 + i, 40 + i]]}
        for i, joint in enumerate(DANCE_14.names)
    ]
    shapes += [{"label": "dancer", "shape_type": "polygon", "points": [[0, 0], [1, 1], [2, 0]]}]
    result = _import(tmp_path, {"imagePath": "solo/000001.jpg", "shapes": shapes})
    assert result.table["frame"].to_list() == [1]
    assert "1 left out: shapes that are not points" in str(result.problems[0])


def test_label_studio_second_opinions_and_predictions_are_reported(tmp_path: Path) -> None:
    def result(x: float) -> list[dict[str, Any]]:
        return [
            {
                "type": "keypointlabels", "original_width": 320, "original_height": 240,
                "value": {"x": x + i, "y": 50 + i, "keypointlabels": [joint]},
            }
            for i, joint in enumerate(DANCE_14.names)
        ]  # fmt: skip

    def task(frame: int, *annotations: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": frame,
            "data": {"image": f"/data/solo/{frame:06d}.jpg"},
            "annotations": list(annotations),
            "predictions": [{"result": result(50)}],
        }

    document = [
        task(1, {"result": result(10)}, {"result": result(40)}),
        task(2),
        task(3, {"result": result(10), "was_cancelled": True}),
    ]
    imported = _import(tmp_path, document)
    assert imported.table["frame"].to_list() == [1]
    assert imported.table["keypoints"][0].to_numpy()[0] == pytest.approx([32, 120])
    report = " ".join(map(str, imported.problems))
    assert "frame 1: the task has 2 annotations; the first was read" in report
    assert "2 left out: tasks without a usable annotation" in report
    assert "1 left out: annotations that were cancelled" in report


def test_cvat_shapes_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    points = "".join(
        f'<points label="{j}" points="{100 + i},{40 + i}"/>' for i, j in enumerate(DANCE_14.names)
    )
    path = tmp_path / "a.xml"
    path.write_text(
        "<annotations><meta><task><source>solo.mp4</source><original_size><width>640</width>"
        "<height>480</height></original_size></task></meta>"
        f'<track label="person"><skeleton frame="1" outside="0">{points}</skeleton>'
        f'<skeleton frame="2" outside="1">{points}</skeleton></track>'
        '<track id="hand" label="hand"><points frame="1" points="1,2"/></track>'
        '<track label="box"><box frame="1" xtl="0" ytl="0" xbr="1" ybr="1"/></track></annotations>'
    )
    result = import_clip("solo", [path], INFO)
    assert result.table["frame"].to_list() == [1]
    assert result.table["keypoints"][0].to_numpy()[0] == pytest.approx([50, 20])
    report = " ".join(map(str, result.problems))
    for kind in (
        "1 left out: skeletons that are outside the picture",
        "1 left out: points of track 'hand' labelled 'hand', which is none of our joints",
        "1 left out: shapes that are neither skeletons nor points",
        "640x480 images, the clip has 320x240: they were scaled",
    ):
        assert kind in report
