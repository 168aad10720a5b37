"""Annotations of a folder of images are of the image that they name."""

import json
from pathlib import Path

import pytest

from dance_models.annotations.clip_import import ClipInfo, import_clip

NUMBERS = (1, 2, 3, 10, 11, 12)
INFO = ClipInfo(320, 240, len(NUMBERS), numbers=NUMBERS)


def _coco(path: Path, names: list[str], **stated: int) -> Path:
    """A COCO file with one person in each image."""
    size = {"width": 320, "height": 240}
    images = [{"id": i, "file_name": name, **size, **stated} for i, name in enumerate(names)]
    poses = [
        {"id": i, "image_id": i, "category_id": 1, "keypoints": [150 + i, 120, 2]}
        for i in range(len(names))
    ]
    categories = [{"id": 1, "name": "person", "keypoints": ["neck"]}]
    path.write_text(json.dumps({"images": images, "annotations": poses, "categories": categories}))
    return path


@pytest.mark.parametrize(
    "name", ["solo/{:04d}.jpg", "solo_{:06d}.jpg", "solo/1a2b3c4d-{:04d}.png", "solo/{}.JPG"]
)
def test_the_number_is_that_of_the_image(tmp_path: Path, name: str) -> None:
    path = _coco(tmp_path / "a.json", [name.format(number) for number in (1, 3, 10, 12)])
    done = import_clip("solo", [path], INFO)
    assert done.problems == []
    assert done.table["frame"].to_list() == [0, 2, 3, 5]
    assert [pose[1][0] for pose in done.table["keypoints"].to_list()] == [150, 151, 152, 153]


def test_an_image_that_is_not_in_the_folder_is_named(tmp_path: Path) -> None:
    done = import_clip(
        "solo", [_coco(tmp_path / "a.json", ["solo/0002.jpg", "solo/0007.jpg"])], INFO
    )
    assert done.table["frame"].to_list() == [1]
    (problem,) = done.problems
    assert (problem.rows, problem.action) == (1, "dropped")
    assert "no image of that number, as for solo/0007.jpg" in problem.message


def test_a_frame_that_is_stated_counts_from_0(tmp_path: Path) -> None:
    """CVAT's tracks, and COCO files with ``frame_index``, count the frames themselves."""
    path = tmp_path / "a.json"
    _coco(path, ["solo_000010.jpg"])
    document = json.loads(path.read_text())
    document["images"][0] |= {"video": "solo.mp4", "frame_index": 3}
    path.write_text(json.dumps(document))
    assert import_clip("solo", [path], INFO).table["frame"].to_list() == [3]
