"""Exports of CVAT, COCO tools and Roboflow as users hand them over."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.image_names import Reading
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(width=320, height=240, frames=50)
CLIPS = Reading({clip: clip for clip in ("salsa_01", "duet")})
META = (
    "<meta><task><id>4</id><name>practice</name><size>50</size><original_size><width>320</width>"
    "<height>240</height></original_size><source>salsa_01.mp4</source></task></meta>"
)


def _pose(frame: int) -> dict[str, tuple[float, float]]:
    return {joint: (100.25 + i + frame, 40.5 + 10 * i) for i, joint in enumerate(DANCE_14.names)}


def _import(path: Path, document: Any, clip: str = "salsa_01") -> AnnotationImport:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return import_clip(clip, [path], INFO, {path: CLIPS})


def _is_exact(result: AnnotationImport, frames: list[int]) -> None:
    assert result.table["frame"].to_list() == frames
    for frame, pose in zip(frames, result.table["keypoints"].to_numpy(), strict=True):
        np.testing.assert_allclose(pose, list(_pose(frame).values()), atol=1e-4)


# --- CVAT -----------------------------------------------------------------------------------------
def _points(frame: int, extra: str = "") -> str:
    return "".join(
        f'<points label="{joint}" points="{x},{y}" outside="0" occluded="0" {extra}/>'
        for joint, (x, y) in _pose(frame).items()
    )


def _skeleton(frame: int) -> str:
    return f'<skeleton label="person">{_points(frame)}</skeleton>'


def _cvat(*parts: str, meta: str = META) -> str:
    return f"<annotations><version>1.1</version>{meta}{''.join(parts)}</annotations>"


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_images_of_a_cvat_video_task_are_frames_of_its_source(tmp_path: Path, suffix: str) -> None:
    images = [
        f'<image id="{i}" name="frame_{f:06d}{suffix}" width="320" height="240">{_skeleton(f)}'
        "</image>"
        for i, f in enumerate((0, 2, 4))
    ]
    result = _import(tmp_path / "a.xml", _cvat(*images))
    _is_exact(result, [0, 2, 4])
    assert result.problems == []


def test_a_cvat_task_called_like_its_clip(tmp_path: Path) -> None:
    meta = "<meta><task><id>4</id><name>salsa_01</name></task></meta>"
    image = f'<image id="0" name="000007.jpg">{_skeleton(7)}</image>'
    _is_exact(_import(tmp_path / "a.xml", _cvat(image, meta=meta)), [7])


def test_a_cvat_job_of_a_video(tmp_path: Path) -> None:
    meta = "<meta><job><id>9</id></job><source>videos/salsa_01.mp4</source></meta>"
    image = f'<image id="0" name="frame_000007">{_skeleton(7)}</image>'
    _is_exact(_import(tmp_path / "a.xml", _cvat(image, meta=meta)), [7])


def test_point_tracks_of_cvat_are_joined_to_poses(tmp_path: Path) -> None:
    tracks = [
        f'<track id="{i}" label="{joint}">'
        + "".join(
            f'<points frame="{f}" outside="0" occluded="{i % 2}" '
            f'points="{_pose(f)[joint][0]},{_pose(f)[joint][1]}"/>'
            for f in (3, 4, 5)
        )
        + "</track>"
        for i, joint in enumerate(DANCE_14.names)
    ]
    tracks[0] = tracks[0].replace('<points frame="4" outside="0"', '<points frame="4" outside="1"')
    result = _import(tmp_path / "a.xml", _cvat(*tracks))
    assert result.table["frame"].to_list() == [3, 4, 5]
    assert result.problems == []
    seen = result.table["visibility"].to_numpy()
    assert seen[:, 1:].tolist() == [[1, 2] * 6 + [1]] * 3
    assert seen[:, 0].tolist() == [2, 0, 2]
    assert result.table["keypoints"].to_numpy()[2, 5].tolist() == [*_pose(5)["right_elbow"]]


def test_people_of_cvat_points_are_told_apart_by_their_group(tmp_path: Path) -> None:
    near = _points(3, 'group_id="1"')
    far = _points(3, 'group_id="2"').replace('points="10', 'points="9')
    image = f'<image id="0" name="salsa_01_000003.jpg">{near}{far}</image>'
    result = _import(tmp_path / "a.xml", _cvat(image))
    assert result.table["frame"].to_list() == [3]
    assert [p.message for p in result.problems] == ["2 people are annotated; the largest was kept"]
    tracks = "".join(
        f'<track id="{g}{i}" label="{joint}" group_id="{g}"><points frame="6" '
        f'points="{x if g == 1 else x / 2},{y if g == 1 else y / 2}"/></track>'
        for g in (1, 2)
        for i, (joint, (x, y)) in enumerate(_pose(6).items())
    )
    result = _import(tmp_path / "b.xml", _cvat(tracks))
    _is_exact(result, [6])
    assert [p.message for p in result.problems] == ["2 people are annotated; the largest was kept"]


def test_images_of_a_cvat_project_belong_to_their_tasks(tmp_path: Path) -> None:
    meta = (
        "<meta><project><name>p</name><tasks><task><id>4</id><source>duet.mp4</source></task>"
        "<task><id>5</id><source>salsa_01.mp4</source></task></tasks></project></meta>"
    )
    images = [
        f'<image id="0" name="frame_000003" task_id="{task}">{_skeleton(frame)}</image>'
        for task, frame in ((4, 9), (5, 3))
    ]
    images.append(f'<image id="0" name="frame_000004">{_skeleton(4)}</image>')
    _is_exact(_import(tmp_path / "a.xml", _cvat(*images, meta=meta)), [3])
    duet = import_clip("duet", [tmp_path / "a.xml"], INFO, {tmp_path / "a.xml": CLIPS})
    assert duet.table["keypoints"][0].to_numpy()[0].tolist() == [*_pose(9)["head_top"]]
    report = " ".join(str(problem) for problem in duet.problems)
    assert (
        "1 left out: annotations of images whose names give no clip, such as 'frame_000004'"
        in report
    )


# --- COCO -----------------------------------------------------------------------------------------
def _coco(frames: list[int], name: str = "salsa_01/{:06d}.jpg") -> dict[str, Any]:
    return {
        "categories": [{"id": 1, "name": "person", "keypoints": list(DANCE_14.names)}],
        "images": [{"id": f, "file_name": name.format(f)} for f in frames],
        "annotations": [
            {
                "id": f,
                "image_id": f,
                "category_id": 1,
                "keypoints": [v for x, y in _pose(f).values() for v in (x, y, 2)],
            }
            for f in frames
        ],
    }


@pytest.mark.parametrize("kind", [str, float])
@pytest.mark.parametrize(
    ("where", "key"),
    [
        ("annotations", "image_id"),
        ("annotations", "category_id"),
        ("images", "id"),
        ("categories", "id"),
    ],
)
def test_coco_ids_of_either_json_type(tmp_path: Path, where: str, key: str, kind: Any) -> None:
    document = _coco([1, 2])
    for entry in document[where]:
        entry[key] = kind(entry[key])
    result = _import(tmp_path / "a.json", document)
    _is_exact(result, [1, 2])
    assert result.problems == []


def test_ids_that_are_words_stay_words(tmp_path: Path) -> None:
    document = _coco([1])
    document["images"][0]["id"], document["annotations"][0]["image_id"] = "01", "1"
    result = _import(tmp_path / "a.json", document)
    assert "is of image '1', which was left out or is unknown" in str(result.problems[0])


def test_cvat_coco_files_name_the_clip_by_their_folder(tmp_path: Path) -> None:
    document = _coco([0, 2, 4], "frame_{:06d}.PNG")
    folder = tmp_path / "salsa_01" / "annotations"
    folder.mkdir(parents=True)
    _is_exact(_import(folder / "person_keypoints_default.json", document), [0, 2, 4])
    lost = tmp_path / "person_keypoints_default.json"
    lost.write_text(json.dumps(document))
    entries = index_annotations(tmp_path, lambda p: p == lost, lambda p: CLIPS)
    (problem,) = entries[0].problems
    assert problem.message == (
        "3 left out: annotations of images whose names give no clip, such as 'frame_000000.PNG'. "
        "Put the file into a folder named like its clip, call it like the clip, or run with "
        "--clip NAME (registered: duet, salsa_01)"
    )
    assert problem.rows == 3
    chosen = Reading(CLIPS.clips, clip="salsa_01")
    _is_exact(import_clip("salsa_01", [lost], INFO, {lost: chosen}), [0, 2, 4])


def test_roboflow_keeps_the_original_name(tmp_path: Path) -> None:
    document = _coco([1, 2], "{}_jpg.rf.00112233445566778899aabbccddeeff.jpg")
    for image in document["images"]:
        image["extra"] = {"name": f"salsa_01_{image['id']:06d}.jpg"}
    document["categories"].insert(0, {"id": 0, "name": "people", "supercategory": "none"})
    _is_exact(_import(tmp_path / "_annotations.coco.json", document), [1, 2])


def test_annotations_of_a_category_without_joints_are_counted(tmp_path: Path) -> None:
    document = _coco([1, 2])
    document["categories"].append({"id": 2, "name": "outline"})
    document["annotations"][1]["category_id"] = 2
    result = _import(tmp_path / "a.json", document)
    _is_exact(result, [1])
    assert str(result.problems[0]).endswith(
        "frame 2: 1 left out: annotations of category 2, which names no joints"
    )


def test_videos_by_id(tmp_path: Path) -> None:
    document = _coco([1, 2], "{}.jpg")
    document["videos"] = [{"id": 8, "file_name": "clips/salsa_01.mp4"}]
    for image in document["images"]:
        image |= {"video_id": "8", "frame_index": image["id"]}
    _is_exact(_import(tmp_path / "a.json", document), [1, 2])
    for image in document["images"]:
        del image["frame_index"]
    _is_exact(_import(tmp_path / "b.json", document), [1, 2])


def test_annotations_of_other_clips_name_the_nearest_registered_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(_coco([4, 5, 6], "salsa_1_{:06d}.jpg")))
    (entry,) = index_annotations(tmp_path, reading=lambda p: CLIPS)
    (problem,) = entry.problems
    assert str(problem) == (
        f"{path}: clip salsa_1: 3 annotations are of a clip that is not registered. The nearest "
        "registered clip is 'salsa_01': rename one of them"
    )
    assert (problem.rows, set(entry.clips)) == (3, {"salsa_1"})
    chosen = Reading(CLIPS.clips, clip="salsa_01")
    result = import_clip("salsa_01", [path], INFO, {path: chosen})
    _is_exact(result, [4, 5, 6])
    (said,) = result.problems
    assert (said.action, said.rows) == ("repaired", 3)
    assert "were read as clip salsa_01, as chosen with --clip" in said.message


# --- labelme --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["000012.jpg", "..\\frames\\000012.jpg"])
def test_labelme_files_in_the_folder_of_their_clip(tmp_path: Path, name: str) -> None:
    shapes = [
        {"label": joint, "shape_type": "point", "points": [[x, y]]}
        for joint, (x, y) in _pose(12).items()
    ]
    document = {"imagePath": name, "shapes": shapes}
    for folder in ("salsa_01", "other"):
        (tmp_path / folder).mkdir()
    _is_exact(_import(tmp_path / "salsa_01" / "000012.json", document), [12])
    path = tmp_path / "other" / "000012.json"
    path.write_text(json.dumps(document))
    chosen = Reading(CLIPS.clips, clip="duet")
    result = import_clip("duet", [path], INFO, {path: chosen})
    _is_exact(result, [12])
    assert result.problems == []
