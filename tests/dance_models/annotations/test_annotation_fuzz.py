"""Valid documents of every format, corrupted in one place: read or reported, never a crash."""

import contextlib
import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from annotated_clips import (
    Annotated,
    write_deeplabcut,
    write_deeplabcut_hdf,
    write_deeplabcut_multi,
    write_sleap,
    write_ultralytics,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.detect_format import parse_file
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.unread import unread_files
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(320, 240, 10)
POINTS = [(100.0 + 5 * i, 60.0 + 8 * i) for i in range(len(DANCE_14.names))]

COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "solo/000003.jpg", "width": 320, "height": 240}],
    "categories": [{"id": 1, "name": "person", "keypoints": list(DANCE_14.names)}],
    "annotations": [
        {
            "id": 7,
            "image_id": 1,
            "category_id": 1,
            "keypoints": [value for x, y in POINTS for value in (x, y, 2)],
        }
    ],
}
POSETRACK: dict[str, Any] = {
    **COCO,
    "images": [{**COCO["images"][0], "vid_id": "000001", "is_labeled": True}],
}
LABELME: dict[str, Any] = {
    "imagePath": "solo/000003.jpg",
    "imageWidth": 320,
    "imageHeight": 240,
    "shapes": [
        {"label": joint, "shape_type": "point", "points": [[x, y]], "group_id": None, "flags": {}}
        for joint, (x, y) in zip(DANCE_14.names, POINTS, strict=True)
    ],
}
LABEL_STUDIO: list[Any] = [
    {
        "id": 1,
        "data": {"image": "/data/upload/1/solo/000003.jpg"},
        "annotations": [
            {
                "completed_by": 4,
                "was_cancelled": False,
                "result": [
                    {
                        "type": "keypointlabels",
                        "original_width": 320,
                        "original_height": 240,
                        "value": {"x": x / 3.2, "y": y / 2.4, "keypointlabels": [joint]},
                    }
                    for joint, (x, y) in zip(DANCE_14.names, POINTS, strict=True)
                ],
            }
        ],
    }
]
LABEL_STUDIO_MIN: list[Any] = [
    {
        "id": 1,
        "image": "/data/upload/1/solo_000003.jpg",
        "annotator": 4,
        "kp": [
            {
                "x": x / 3.2,
                "y": y / 2.4,
                "keypointlabels": [joint],
                "original_width": 320,
                "original_height": 240,
            }
            for joint, (x, y) in zip(DANCE_14.names, POINTS, strict=True)
        ],
    }
]
DOCUMENTS = {
    "coco": COCO, "posetrack": POSETRACK, "labelme": LABELME, "label_studio": LABEL_STUDIO,
    "label_studio_min": LABEL_STUDIO_MIN,
}  # fmt: skip

JUNK = st.sampled_from(
    [
        None, True, -1, 0, 10**400, 1.5, float("nan"), float("inf"), "", "x", "../../etc/passwd",
        "9" * 5000 + ".jpg", "\ud800", "http://[", 10**4000, [], [None], [[]], {}, {"a": {}},
        [1, "2", None],
    ]
)  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every position in a document."""
    if at:
        yield at
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield from paths(inner, (*at, key))


def corrupted(document: Any, path: tuple[Any, ...], junk: Any, remove: bool) -> Any:
    """A copy with one value replaced or removed."""
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = junk
    return changed


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_unmodified_document_is_valid(name: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(DOCUMENTS[name]))
    result = import_clip("solo", [file], INFO)
    assert result.table["frame"].to_list() == [3]
    assert not result.problems


def nothing_is_silent(file: Path, nothing_left: bool) -> None:
    """Every reader gives rows or printable reports and raises nothing."""
    (entry,) = index_annotations(file.parent)
    result = import_clip("solo", [file], INFO)
    assert result.table.height <= 1
    for problem in result.problems:
        assert str(file) in str(problem)
        assert str(problem).encode()
    try:
        reading = parse_file(file)
    except AnnotationError as error:
        assert entry.problem == error.advice
        assert [p.message for p in result.problems] == [error.advice]
        return
    assert nothing_left or reading.poses or reading.problems
    if entry.problem is None and set(entry.clips) == {"solo"}:
        assert result.table.height or result.problems


FUZZ = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@FUZZ
@given(data=st.data())
def test_one_corrupted_value_is_read_or_reported(name: str, tmp_path: Path, data: Any) -> None:
    document = DOCUMENTS[name]
    path = data.draw(st.sampled_from(list(paths(document))))
    junk, remove = data.draw(JUNK), data.draw(st.booleans())
    changed = corrupted(document, path, junk, remove)
    file = tmp_path / "a.json"
    file.write_text(json.dumps(changed))
    nothing_is_silent(file, nothing_left=path[-1] == 0 if remove else junk == [])


SHAPES = "".join(
    f'<points label="{joint}" points="{x},{y}" outside="0" occluded="0"/>'
    for joint, (x, y) in zip(DANCE_14.names, POINTS, strict=True)
)
CVAT = {
    "images": '<annotations><image id="0" name="solo/000003.jpg" width="320" height="240">'
    f'<skeleton label="person">{SHAPES}</skeleton></image></annotations>',
    "video": "<annotations><meta><task><id>1</id><source>solo.mp4</source><original_size>"
    "<width>320</width><height>240</height></original_size></task></meta>"
    '<track id="0" label="person"><skeleton frame="3" outside="0" keyframe="1">'
    f"{SHAPES}</skeleton></track></annotations>",
}
TEXT = st.sampled_from(
    ["", "x", "1", "-1", "nan", "1e999", "9" * 5000, "1,2", "1,2;3,4", "../..", "\u0663", "²"]
)


def corrupt_xml(root: ElementTree.Element, data: Any) -> None:
    """Change a tag, a text or an attribute, drop one, or double or empty an element."""
    element = data.draw(st.sampled_from(list(root.iter())))
    change = data.draw(st.sampled_from(["tag", "text", "attribute", "drop", "double", "empty"]))
    if change == "tag":
        element.tag = data.draw(st.sampled_from(["points", "skeleton", "box", "image", "x"]))
    elif change == "text":
        element.text = data.draw(TEXT)
    elif change == "double":
        element.extend(copy.deepcopy(list(element)))
    elif change == "empty":
        element.clear()
    elif element.attrib:
        name = data.draw(st.sampled_from(sorted(element.attrib)))
        element.set(name, data.draw(TEXT))
        if change == "drop":
            del element.attrib[name]


@pytest.mark.parametrize("name", sorted(CVAT))
@FUZZ
@given(data=st.data())
def test_one_corrupted_value_in_xml_is_read_or_reported(
    name: str, tmp_path: Path, data: Any
) -> None:
    root = ElementTree.fromstring(CVAT[name])
    corrupt_xml(root, data)
    file = tmp_path / "a.xml"
    ElementTree.ElementTree(root).write(file)
    nothing_is_silent(file, nothing_left=not list(root.iter("points")))


ANNOTATED = Annotated(
    "solo", 320, 240, {3: {j: (*p, 2) for j, p in zip(DANCE_14.names, POINTS, strict=True)}}
)
TABLES = {
    "deeplabcut": (write_deeplabcut, ","),
    "deeplabcut_multi": (write_deeplabcut_multi, ","),
    "ultralytics": (write_ultralytics, " "),
}


@pytest.mark.parametrize("name", sorted(TABLES))
@FUZZ
@given(data=st.data())
def test_one_corrupted_cell_is_read_or_reported(name: str, data: Any) -> None:
    write, separator = TABLES[name]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), ANNOTATED)
        file = next(p for p in Path(folder).rglob("*") if p.suffix in {".csv", ".txt"})
        lines = [line.split(separator) for line in file.read_text().splitlines()]
        row = data.draw(st.integers(0, len(lines) - 1))
        column = data.draw(st.integers(0, len(lines[row]) - 1))
        change = data.draw(st.sampled_from(["cell", "drop", "double"]))
        if change == "cell":
            lines[row][column] = data.draw(TEXT)
        elif change == "drop":
            del lines[row][column]
        else:
            lines.insert(row, lines[row])
        file.write_text("\n".join(separator.join(line) for line in lines))
        read_or_reported(file)


@pytest.mark.parametrize("write", [write_deeplabcut_hdf, write_sleap])
@settings(FUZZ, max_examples=20)  # each is read by a process of its own first
@given(data=st.data())
def test_damaged_hdf_is_read_or_reported(write: Any, data: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), ANNOTATED)
        (file,) = Path(folder).iterdir()
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 5))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        file.write_bytes(content[: data.draw(st.integers(8, len(content)))])
        read_or_reported(file)


def read_or_reported(file: Path) -> None:
    """Rows, problems, an error of ours, or a file that is listed as read by nothing."""
    with contextlib.suppress(AnnotationError):
        parse_file(file)
    index_annotations(file.parent)
    result = import_clip("solo", [file], INFO)
    said = result.problems or unread_files(file.parent)
    assert result.table.height == 1 or said
