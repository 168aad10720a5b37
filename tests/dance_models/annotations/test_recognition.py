"""Formats are recognised by content; files that nothing reads are named, with what to do."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_clips import WRITERS, Annotated, coco, write_deeplabcut, write_ultralytics

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.content import load_content
from dance_models.annotations.detect_format import READERS, format_of, parse_file
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.formats import ANNOTATION_FORMATS
from dance_models.annotations.other_tools import OTHER_TOOLS
from dance_models.annotations.unread import also_resolved, unread_files
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14

CLIP = Annotated(
    "solo",
    480,
    360,
    {4: {n: (150.0 + 9 * i, 60.0 + 20 * i, 2) for i, n in enumerate(DANCE_14.names)}},
)
DOCUMENT = json.dumps(coco(CLIP))


def test_every_format_is_declared_and_recognised_once() -> None:
    ids = [known.id for known in ANNOTATION_FORMATS]
    assert len(set(ids)) == len(ids)
    assert [reader.format for reader in READERS] == list(
        dict.fromkeys(reader.format for reader in READERS)
    )
    read = {known.id for known in ANNOTATION_FORMATS if known.read}
    assert read == {reader.format for reader in READERS}
    assert {known.id for known in ANNOTATION_FORMATS if not known.read} == set(OTHER_TOOLS)
    assert all(known.instead for known in ANNOTATION_FORMATS if not known.read)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("export.txt", DOCUMENT.encode()),
        ("export", DOCUMENT.encode()),
        ("export.json", b"\xef\xbb\xbf" + DOCUMENT.encode()),
        ("export.json", DOCUMENT.encode("utf-16")),
        ("export.json", DOCUMENT.encode("utf-16-le")),
        ("export.json", DOCUMENT.encode("utf-16-be")),
        ("export.json.gz", gzip.compress(DOCUMENT.encode())),
    ],
    # Not the data: what gzip writes has the time in it, and workers must agree on names.
    ids=("txt", "none", "mark of UTF-8", "utf-16", "utf-16-le", "utf-16-be", "gzip"),
)
def test_the_suffix_and_the_encoding_do_not_matter(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    (entry,) = index_annotations(tmp_path)
    assert set(entry.clips) == {"solo"}
    assert len(parse_file(entry.path).poses) == 1


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_read_out_of_an_archive(tmp_path: Path, name: str) -> None:
    folder, archive = tmp_path / "a", tmp_path / "b" / "export.zip"
    folder.mkdir()
    archive.parent.mkdir()
    WRITERS[name](folder, CLIP)
    with zipfile.ZipFile(archive, "w") as opened:
        for path in folder.rglob("*"):
            if path.is_file():
                opened.write(path, path.relative_to(folder).as_posix())
    (entry,) = index_annotations(archive.parent)
    imported = import_clip("solo", [entry.path], ClipInfo(480, 360, 20))
    assert [p.message for p in imported.problems if p.action != "noted"] == []
    (row,) = imported.table.to_dicts()
    for index, joint in enumerate(DANCE_14.names):
        if not (row["derived"] and row["derived"][index]) and row["visibility"][index]:
            place = CLIP.frames[4][joint][:2]
            np.testing.assert_allclose(row["keypoints"][index], place, atol=0.01)
    assert sum(v > 0 for v in row["visibility"]) >= 12


def _hdf(path: Path, **content: Any) -> bytes:
    import h5py

    with h5py.File(path, "w") as file:
        for key, value in content.items():
            if key == "nwb_version":
                file.attrs[key] = value
            else:
                file[key] = value
    return path.read_bytes()


OTHERS: dict[str, tuple[str, object]] = {
    "via": ("a.json", {"_via_settings": {}, "_via_img_metadata": {}}),
    "supervisely": ("a.json", {"description": "", "objects": [], "size": {"height": 3}}),
    "darwin": ("a.json", {"version": "2.0", "item": {"name": "x"}, "annotations": []}),
    "encord": ("a.json", [{"label_hash": "x", "data_units": {}}]),
    "labelbox": ("a.ndjson", b'{"data_row": {"id": 1}}\n{"data_row": {"id": 2}}\n'),
    "datumaro": ("a.json", {"info": {}, "categories": {"points": {}}, "items": []}),
    "fiftyone": ("a.json", {"samples": [{"filepath": "x.jpg"}]}),
    "pascal-voc": ("a.xml", b"<annotation><object><name>a</name></object></annotation>"),
    "kinovea": ("a.kva", b'<?xml version="1.0"?><KinoveaVideoAnalysis/>'),
    "matlab": ("a.mat", b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(200)),
    "c3d": ("a.c3d", b"\x02\x50" + bytes(600)),
    "trc": ("a.trc", b"PathFileType\t4\t(X/Y/Z)\ta.trc\n"),
    "openpose": ("a.json", {"version": 1.3, "people": [{"pose_keypoints_2d": [1.0]}]}),
    "coco-results": ("a.json", [{"image_id": "0.jpg", "keypoints": [1.0], "score": 2.9}]),
    "mmpose": ("a.json", {"meta_info": {}, "instance_info": [{"frame_id": 0, "instances": []}]}),
    "ultralytics-results": ("a.json", [{"confidence": 0.9, "box": {}, "keypoints": {"x": []}}]),
    "mediapipe": ("a.json", [{"landmarks": [{"x": 0, "y": 0, "z": 0, "visibility": 1}]}]),
    "deeplabcut-predictions": ("a.csv", b"scorer,D,D\nbodyparts,a,a\ncoords,x,likelihood\n0,1,1\n"),
    "label-studio-csv": ("a.csv", b'id,image,kp\n1,a.jpg,"[{""keypointlabels"": []}]"\n'),
    "yolo-boxes": ("a.txt", b"0 0.5 0.5 0.2 0.7\n1 0.1 0.1 0.1 0.1\n"),
    "sleap-analysis": ("a.h5", {"tracks": [1.0], "node_names": [1.0]}),
    "nwb": ("a.nwb", {"nwb_version": "2.6"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_tools_are_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    file, content = OTHERS[name]
    path = tmp_path / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix in {".h5", ".nwb"}:
        assert isinstance(content, dict)
        _hdf(path, **content)
    else:
        path.write_text(json.dumps(content))
    known = next(known for known in ANNOTATION_FORMATS if known.id == name)
    assert format_of(load_content(path.read_bytes(), str(path))) is known
    with pytest.raises(AnnotationError) as caught:
        parse_file(path)
    assert known.instead in caught.value.message
    assert f"{known.export} of {known.tool}" in caught.value.message
    said = [entry.problem for entry in index_annotations(tmp_path)]
    said += [why for _, why in unread_files(tmp_path)]
    assert said == [caught.value.message]


def test_all_other_tools_are_tried() -> None:
    assert set(OTHERS) == set(OTHER_TOOLS)


def test_files_that_nothing_reads_are_listed(tmp_path: Path) -> None:
    (tmp_path / "yolo").mkdir()
    write_ultralytics(tmp_path / "yolo", CLIP)
    write_deeplabcut(tmp_path, CLIP)
    for name in ("notes.txt", "table.xlsx", "a.pkl", "README.md", ".hidden", "clips.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "empty.dat").touch()
    (tmp_path / "dance.mp4").write_bytes(b"x")
    (tmp_path / "images").mkdir()
    for index in range(3):
        (tmp_path / "images" / f"{index}.jpg").write_bytes(b"x")
    found = {path.relative_to(tmp_path).as_posix(): why for path, why in unread_files(tmp_path)}
    assert found == {
        "a.pkl": "is a Python pickle, which is never opened: export the annotations as COCO JSON",
        "dance.mp4": "is a video: give its folder as --clips",
        "empty.dat": "is empty",
        "images": "holds 3 images, which are not used by themselves",
        "notes.txt": "is in no known format; `dance formats` lists those that are read",
        "table.xlsx": "is a spreadsheet: give the annotations as their tool exports them",
    }


def test_what_tools_write_beside_annotations_is_no_loss(tmp_path: Path) -> None:
    project = "Task: dance\nscorer: Me\nvideo_sets:\n  solo.mp4:\n    crop: 0, 4, 0, 4\n"
    beside = {
        "config.yaml": f"{project}bodyparts:\n- neck\n",  # DeepLabCut
        "flags.txt": "occluded\n",  # labelme
        "labels/train.cache": "x",  # Ultralytics
        "labels/train/solo_000003.txt": "",  # an image with nobody
    }
    for name, text in beside.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert unread_files(tmp_path) == []
    (tmp_path / "config.yaml").write_text(project)
    assert [path.name for path, _ in unread_files(tmp_path)] == ["config.yaml"]


def test_annotations_among_clips_are_named(tmp_path: Path) -> None:
    write_deeplabcut(tmp_path, CLIP)
    (tmp_path / "solo.mp4").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "0001.jpg").write_bytes(b"x")
    used = also_resolved([tmp_path / "solo.mp4", tmp_path / "folder" / "0001.jpg"])
    assert [(path.name, why) for path, why in unread_files(tmp_path, used)] == [
        (
            "CollectedData_Me.csv",
            "looks like CollectedData CSV of DeepLabCut: give its folder as --annotations",
        )
    ]
