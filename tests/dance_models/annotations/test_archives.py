"""Archives as tools hand them out are read, and no trick in one does harm."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dance_models.annotations import archives
from dance_models.annotations.archives import parse_files
from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.image_names import Reading
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14

INFO = ClipInfo(width=320, height=240, frames=10)
SOLO = Reading({"solo": "solo"})


def _coco(*frames: int, name: str = "solo_{:06d}.jpg") -> str:
    values = [value for i in range(14) for value in (100 + i, 60 + i, 2)]
    return json.dumps(
        {
            "categories": [{"id": 1, "keypoints": list(DANCE_14.names)}],
            "images": [{"id": i, "file_name": name.format(i)} for i in frames],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "keypoints": values} for i in frames
            ],
        }
    )


def _zip(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def _import(path: Path, reading: Reading = SOLO) -> tuple[list[int], list[str]]:
    result = import_clip("solo", [path], INFO, {path: reading})
    return result.table["frame"].to_list(), [str(problem) for problem in result.problems]


def test_each_annotation_file_of_an_archive_is_read(tmp_path: Path) -> None:
    path = _zip(
        tmp_path / "a.zip",
        {
            "annotations/a.json": _coco(1),
            "annotations/b.json": _coco(4, 5),
            "images/solo_000001.jpg": "not looked at",
            "__MACOSX/._a.json": "x",
        },
    )
    assert _import(path) == ([1, 4, 5], [])
    (entry,) = index_annotations(tmp_path, reading=lambda _: SOLO)
    assert (set(entry.clips), entry.problem, entry.problems) == ({"solo"}, None, ())


def test_problems_name_the_inner_file(tmp_path: Path) -> None:
    path = _zip(
        tmp_path / "a.zip", {"a.json": _coco(1), "b.json": "{", "c.json": _coco(99), "d.md": "x"}
    )
    frames, report = _import(path)
    assert frames == [1]
    assert any(line.startswith(f"{path}!b.json: is not JSON") for line in report)
    assert any(line.startswith(f"{path}!c.json: clip solo: frame 99: ") for line in report)
    assert f"{path}: 1 not used: files that hold no annotations, such as d.md" in report


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("labels/solo_000001.txt", "0 0.5 0.5 0.2 0.7\n", "boxes of YOLO"),
        ("kp.csv", 'id,image,kp\n1,a.jpg,"[{""keypointlabels"": []}]"\n', "CSV or TSV of Label"),
        ("kp.tsv", 'id\timage\n1\t"[{""keypointlabels"": []}]"\n', "CSV or TSV of Label"),
    ],
)
def test_formats_that_are_not_read_are_a_loss_in_an_archive_too(
    tmp_path: Path, name: str, content: str, what: str
) -> None:
    path = _zip(tmp_path / "a.zip", {"a.json": _coco(1), name: content})
    result = import_clip("solo", [path], INFO, {path: SOLO})
    (problem,) = result.problems
    assert (problem.file, problem.action) == (f"{path}!{name}", "dropped")
    assert what in problem.message


def test_an_archive_called_like_its_clip_names_it(tmp_path: Path) -> None:
    path = _zip(
        tmp_path / "solo.zip",
        {"annotations/person_keypoints_default.json": _coco(3, name="frame_{:06d}.PNG")},
    )
    assert _import(path) == ([3], [])


def test_what_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.json": _coco(1), "b/inner.zip": "x"})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag of an encrypted entry
    path.write_bytes(bytes(data))
    frames, report = _import(path)
    assert frames == []
    assert f"{path}!a.json: is encrypted. Export it without a password" in report
    assert f"{path}: 1 left out: archives inside the archive, such as b/inner.zip: unpack them" in (
        report
    )


def test_an_entry_without_a_name_is_counted(tmp_path: Path) -> None:
    path = _zip(tmp_path / "solo.zip", {"a.json": _coco(1), "Q.json": _coco(2)})
    path.write_bytes(path.read_bytes().replace(b"Q.json", b"\0.json"))
    whole, parsed = sorted(parse_files(path, SOLO), key=lambda parsed: len(parsed.file))
    assert [problem.message for problem in whole.problems] == ["1 left out: entries without a name"]
    assert parsed.file.endswith("!a.json")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_data_of_any_compression_costs_its_file_alone(tmp_path: Path, method: int) -> None:
    """It cost the whole archive, of which was said: cannot be read (None)."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.json", _coco(1) + " " * 5000)
        archive.writestr("b.json", _coco(2))
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(byte ^ 0xFF for byte in data[60:90])
    path.write_bytes(bytes(data))
    frames, report = _import(path)
    assert frames == [2]
    assert any("a.json: cannot be unpacked" in line for line in report)


def test_damaged_data_is_named(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.json": _coco(1) + " " * 5000})
    data = bytearray(path.read_bytes())
    data[60:120] = bytes(60)
    path.write_bytes(bytes(data))
    frames, report = _import(path)
    assert frames == []
    assert any("a.json: cannot be unpacked" in line for line in report)


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [("MOST_BYTES", 1000, "MB unpacked"), ("MOST_ENTRIES", 1, "has 2 entries, more than 1")],
)
def test_archives_that_grow_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, reason: str
) -> None:
    path = _zip(tmp_path / "a.zip", {"a.json": " " * 100_000, "b.json": "{}"})
    monkeypatch.setattr(archives, limit, value)
    with pytest.raises(AnnotationError, match=reason):
        parse_files(path)


def test_an_entry_that_lies_about_its_size_unpacks_no_more(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.json": " " * 10_000_000})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    (parsed,) = parse_files(path)
    assert parsed.poses == []
    assert len(parsed.problems) == 1


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.rar", "a.7z"])
def test_other_archives_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (entry,) = index_annotations(tmp_path)
    assert entry.problem == "an archive of this kind is not read. Unpack it, or pack it as .zip"


def test_what_is_no_archive_or_holds_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"not a zip")
    _zip(tmp_path / "b.zip", {"images/a.jpg": "x"})
    problems: list[Any] = [entry.problem for entry in index_annotations(tmp_path)]
    assert "is not a .zip archive" in problems[0]
    assert problems[1] == "has no annotation file in it"
