"""labelme, Ultralytics, DeepLabCut and SLEAP: what is read, and what is said of the rest."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_clips import (
    ORDER,
    Annotated,
    deeplabcut_rows,
    labelme,
    write_deeplabcut,
    write_deeplabcut_hdf,
    write_sleap,
    write_ultralytics,
    yolo_line,
)

from dance_models.annotations.clip_import import AnnotationImport, ClipInfo, import_clip
from dance_models.annotations.detect_format import parse_file
from dance_models.annotations.folder_index import index_annotations
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(480, 360, 20)


def _clip(shift: float = 0.0, *frames: int) -> Annotated:
    joints = {n: (150.0 + 9 * i + shift, 60.0 + 20 * i, 2) for i, n in enumerate(DANCE_14.names)}
    return Annotated("solo", 480, 360, dict.fromkeys(frames or (4, 6), joints))


def _import(folder: Path, info: ClipInfo = INFO) -> AnnotationImport:
    index = index_annotations(folder)
    assert [entry.problem for entry in index if entry.problem] == []
    return import_clip("solo", [entry.path for entry in index], info)


def _is_whole(imported: AnnotationImport, clip: Annotated, scale: float = 1.0) -> None:
    assert imported.table["frame"].to_list() == sorted(clip.frames)
    for row in imported.table.iter_rows(named=True):
        expected = [clip.frames[row["frame"]][name][:2] for name in DANCE_14.names]
        np.testing.assert_allclose(row["keypoints"], np.array(expected) * scale, atol=0.01)


# --- labelme ------------------------------------------------------------------------------------


def test_labelme_tells_people_apart_by_group(tmp_path: Path) -> None:
    clip = _clip(0.0, 4)
    document = labelme(clip, 4, 1)
    smaller = {n: (x, 60 + (y - 60) / 2, s) for n, (x, y, s) in clip.frames[4].items()}
    document["shapes"] += labelme(Annotated("solo", 480, 360, {4: smaller}), 4, 2)["shapes"]
    (tmp_path / "solo_000004.json").write_text(json.dumps(document))
    imported = _import(tmp_path)
    _is_whole(imported, clip)
    assert [p.message for p in imported.problems] == [
        "2 people are annotated; the largest was kept"
    ]


def test_labelme_keeps_the_same_of_two_people_in_all_frames(tmp_path: Path) -> None:
    """The one who is larger over all, though not in frame 4: of a file a frame, and in any one."""
    clip = _clip(0.0, *range(8))
    for frame, joints in clip.frames.items():
        scale = 1.2 if frame == 4 else 0.6
        other = {n: (x - 100, 60 + (y - 60) * scale, s) for n, (x, y, s) in joints.items()}
        document = labelme(clip, frame, 1)
        document["shapes"] += labelme(Annotated("solo", 480, 360, {frame: other}), frame, 2)[
            "shapes"
        ]
        (tmp_path / f"solo_{frame:06d}.json").write_text(json.dumps(document))
    _is_whole(_import(tmp_path), clip)


def test_labelme_without_groups_reads_one_person_and_not_two(tmp_path: Path) -> None:
    clip = _clip(0.0, 4)
    document = labelme(clip, 4, None)
    (tmp_path / "solo_000004.json").write_text(json.dumps(document))
    _is_whole(_import(tmp_path), clip)
    document["shapes"] += labelme(_clip(-60.0, 4), 4, None)["shapes"]
    (tmp_path / "solo_000004.json").write_text(json.dumps(document))
    imported = _import(tmp_path)
    assert imported.table.height == 0
    (problem,) = imported.problems
    assert (problem.frame, problem.action) == (4, "dropped")
    assert "several people whom nothing tells apart" in problem.message
    assert "group_id" in problem.message


def test_labelme_of_other_versions(tmp_path: Path) -> None:
    clip = _clip(0.0, 4)
    document = labelme(clip, 4, None)
    document["imageData"] = "/9j/4AAQ"
    for shape in document["shapes"]:
        del shape["shape_type"], shape["mask"], shape["flags"]
    document["shapes"][0]["difficult"] = True
    document["shapes"].append({"label": "prop", "points": [[1, 2], [3, 4]], "shape_type": "line"})
    (tmp_path / "solo_000004.json").write_text(json.dumps(document))
    imported = _import(tmp_path)
    _is_whole(imported, clip)
    visibility = dict(zip(DANCE_14.names, imported.table["visibility"].to_list()[0], strict=True))
    assert visibility.pop(ORDER[0]) == 1
    assert set(visibility.values()) == {2}
    assert [p.message for p in imported.problems] == [
        "1 left out: shapes that are not points (but 'line')"
    ]


# --- Ultralytics --------------------------------------------------------------------------------


def _image(path: Path, width: int, height: int) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (width, height)).save(path)


def test_ultralytics_is_checked_against_the_images_beside(tmp_path: Path) -> None:
    clip = _clip()
    write_ultralytics(tmp_path, clip)
    _image(tmp_path / "images" / "train" / "solo_000004.jpg", 960, 720)
    _image(tmp_path / "images" / "train" / "solo_000006.jpg", 640, 640)  # padded to a square
    imported = _import(tmp_path)
    _is_whole(imported, _clip(0.0, 4))
    text = "\n".join(p.message for p in imported.problems)
    assert "of 640x640 images, the clip has 480x360: they were dropped" in text


COCO_ORDER = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


COCO_FLIP = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def _line_of_17(step: int = 3) -> str:
    values = ["0", "0.5", "0.5", "0.4", "0.8"]
    for index in range(17):
        values += [f"{0.3 + index / 100:.4f}", f"{0.2 + index / 50:.4f}", "2"][:step]
    return " ".join(values)


@pytest.mark.parametrize(
    "yaml",
    [
        None,
        "kpt_shape: [17, 3]\n",
        f"kpt_shape: [17, 3]\nflip_idx: {COCO_FLIP}\n",
        "kpt_shape: [17, 2]\n",
    ],
)
def test_17_points_without_names_are_cocos(tmp_path: Path, yaml: str | None) -> None:
    if yaml is not None:
        (tmp_path / "data.yaml").write_text(yaml)
    step = 2 if yaml and "2]" in yaml else 3
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "solo_000004.txt").write_text(_line_of_17(step))
    (row,) = _import(tmp_path).table.to_dicts()
    index = COCO_ORDER.index("left_knee")
    place = row["keypoints"][DANCE_14.names.index("left_knee")]
    np.testing.assert_allclose(
        place, [480 * (0.3 + index / 100), 360 * (0.2 + index / 50)], atol=0.01
    )


@pytest.mark.parametrize(
    ("yaml", "line", "reason"),
    [
        ("kpt_shape: [14, 3]\n", 14, "nothing names the 14 key points"),
        ("kpt_shape: [17, 3]\nflip_idx: [1, 0]\n", 17, "flip_idx of data.yaml is not that of COCO"),
        ("kpt_shape: [14]\n", 14, r"kpt_shape of data.yaml is \[14\]"),
        ("kpt_shape: [\n", 14, "data.yaml is not YAML"),
        ("names: [person]\n", 14, "no YAML with kpt_shape"),
    ],
)
def test_ultralytics_without_joint_names_is_refused(
    tmp_path: Path, yaml: str, line: int, reason: str
) -> None:
    (tmp_path / "data.yaml").write_text(yaml)
    text = _line_of_17() if line == 17 else yolo_line(_clip(), 4)
    (tmp_path / "solo_000004.txt").write_text(text)
    try:
        problems = [p.message for p in parse_file(tmp_path / "solo_000004.txt").problems]
    except AnnotationError as error:
        problems = [error.message]
    assert any(re.search(reason, problem) for problem in problems), problems


def test_predictions_of_a_model_are_no_annotations(tmp_path: Path) -> None:
    clip = _clip()
    write_ultralytics(tmp_path, clip)
    labels = tmp_path / "labels" / "train"
    (labels / "solo_000004.txt").write_text(yolo_line(clip, 4) + " 0.91")
    words = yolo_line(clip, 6).split()
    words[7] = "0.934"
    (labels / "solo_000006.txt").write_text(" ".join(words))
    imported = _import(tmp_path)
    assert imported.table.height == 0
    first, second = (str(p) for p in imported.problems)
    assert "the line ends in a confidence" in first
    assert "0.934 is a confidence, not a visibility" in second
    assert "--tracks" in second


@pytest.mark.parametrize(
    ("shape", "points", "values", "reason"),
    [
        ("[17, 3]", 26, 2, "they are 26 key points without visibility, or .* a confidence"),
        ("[25, 2]", 17, 3, "they are 17 key points with visibility, or .* a confidence"),
        ("[26, 3]", 26, 2, "needs 78: they are 26 key points without visibility, perhaps"),
        ("[13, 2]", 13, 3, "needs 26: they are 13 key points with visibility, perhaps"),
    ],
)
def test_a_line_of_another_shape_says_what_it_may_have(
    tmp_path: Path, shape: str, points: int, values: int, reason: str
) -> None:
    (tmp_path / "data.yaml").write_text(f"kpt_shape: {shape}\n")
    line = "0 .5 .5 .2 .2" + (" .4 .5" + " 2" * (values == 3)) * points
    (tmp_path / "solo_000004.txt").write_text(line)
    (problem,) = parse_file(tmp_path / "solo_000004.txt").problems
    assert re.search(reason, problem.message)
    assert "kpt_shape" in problem.message


# --- DeepLabCut ---------------------------------------------------------------------------------


def test_deeplabcut_with_columns_of_several_types_is_whole(tmp_path: Path) -> None:
    clip = _clip()
    write_deeplabcut_hdf(tmp_path, clip, blocks=3)
    imported = _import(tmp_path)
    _is_whole(imported, clip)
    assert imported.problems == []


def test_deeplabcut_reads_the_csv_and_not_its_copy(tmp_path: Path) -> None:
    clip = _clip()
    write_deeplabcut_hdf(tmp_path, clip)
    assert [entry.path.suffix for entry in index_annotations(tmp_path)] == [".h5"]
    write_deeplabcut(tmp_path, clip)
    assert [entry.path.suffix for entry in index_annotations(tmp_path)] == [".csv"]
    imported = _import(tmp_path)
    _is_whole(imported, clip)
    assert imported.table["annotator"].to_list() == ["Me", "Me"]
    assert imported.problems == []


def _write(folder: Path, rows: list[list[Any]]) -> None:
    with (folder / "CollectedData_Me.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_deeplabcut_reports_rows_and_cells(tmp_path: Path) -> None:
    clip = _clip(0.0, 4, 6, 8, 10)
    rows = deeplabcut_rows(clip)
    rows[4][3] = "left"
    rows[5] = rows[5][:-2]
    rows[6][1:] = [""] * (len(rows[6]) - 1)
    _write(tmp_path, rows)
    imported = _import(tmp_path)
    _is_whole(imported, _clip(0.0, 4))
    text = "\n".join(str(p) for p in imported.problems)
    assert "frame 6: joint" in text
    assert "line 5: 'left' is not a coordinate" in text
    assert "line 6 was left out: 27 cells where the header has 29" in text
    assert "1 left out: images without a marked joint" in text


def test_deeplabcut_paths_of_windows(tmp_path: Path) -> None:
    clip = _clip()
    rows = deeplabcut_rows(clip)
    _write(tmp_path, [[str(row[0]).replace("/", "\\"), *row[1:]] for row in rows])
    _is_whole(_import(tmp_path), clip)


def test_deeplabcut_people(tmp_path: Path) -> None:
    clip = _clip(0.0, 4)
    rows = deeplabcut_rows(clip, cells=3, people=("a", "b"))
    for column in range(28):  # b stands beside a, half as tall
        value = float(str(rows[4][3 + column]))
        rows[4][31 + column] = value / 2 + 30 if column % 2 else value
    _write(tmp_path, rows)
    imported = _import(tmp_path)
    _is_whole(imported, clip)
    assert [p.message for p in imported.problems] == [
        "2 people are annotated; the largest was kept"
    ]


def test_deeplabcut_predictions_are_poses(tmp_path: Path) -> None:
    path = tmp_path / "soloDLC_resnet50.csv"
    path.write_text(
        "scorer,D,D,D\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n0,1.0,2.0,0.9\n"
    )
    with pytest.raises(AnnotationError, match=r"predictions of DeepLabCut, .* as --tracks"):
        parse_file(path)


# --- SLEAP --------------------------------------------------------------------------------------


def test_sleap_counts_predictions_and_reads_labels(tmp_path: Path) -> None:
    import sleap_io

    clip = _clip()
    write_sleap(tmp_path, clip)
    path = tmp_path / "labels.slp"
    labels = sleap_io.load_slp(str(path))
    person = labels.labeled_frames[0].instances[0]
    labels.labeled_frames[1].instances = [
        sleap_io.PredictedInstance.from_numpy(
            person.numpy(), skeleton=person.skeleton, point_scores=np.ones(14), score=0.9
        )
    ]
    labels.save(str(path))
    imported = _import(tmp_path)
    _is_whole(imported, _clip(0.0, 4))
    (problem,) = imported.problems
    assert problem.frame == 6
    assert "1 left out: predicted people (correct them in SLEAP" in problem.message


def test_sleap_of_images_is_read_by_their_names(tmp_path: Path) -> None:
    import sleap_io

    clip = _clip()
    names = [f"frames/{clip.image(frame)}" for frame in clip.frames]
    skeleton = sleap_io.Skeleton(list(ORDER))
    shown = {"type": "ImageVideo", "filename": names[0], "filenames": names}
    video = sleap_io.Video(names, backend_metadata=shown, open_backend=False)
    frames = [
        sleap_io.LabeledFrame(
            video=video,
            frame_idx=index,
            instances=[
                sleap_io.Instance.from_numpy(
                    np.array([point[1:3] for point in clip.points(frame)]), skeleton=skeleton
                )
            ],
        )
        for index, frame in enumerate(clip.frames)
    ]
    sleap_io.Labels(frames, videos=[video], skeletons=[skeleton]).save(str(tmp_path / "a.slp"))
    _is_whole(_import(tmp_path), clip)


def test_a_damaged_file_of_sleap_is_refused(tmp_path: Path) -> None:
    write_sleap(tmp_path, _clip())
    path = tmp_path / "labels.slp"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(AnnotationError, match=r"damaged HDF5|cannot read it"):
        parse_file(path)
