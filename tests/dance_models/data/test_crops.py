"""Person crops: where they are cut, what they contain, and the map back to the frame."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from dance_models.data.crops import (
    CROP,
    MARGIN,
    RECORD,
    CropMap,
    Crops,
    crop_maps,
    person_boxes,
    writing_crops,
)
from dance_models.data.cut_crops import crop_image, cut_crops
from dance_models.errors import InputError
from dance_models.tables import PERSON_CROPS, POSE_DATASET, conform

WIDTH, HEIGHT = 320, 240


def _pose(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Fourteen joints that fill a box."""
    pose = np.full((14, 2), [(x0 + x1) / 2, (y0 + y1) / 2])
    pose[0], pose[1] = (x0, y0), (x1, y1)
    return pose


def _spot(x: float, y: float) -> np.ndarray:
    """A white Gaussian spot on black, (240, 320, 3)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    value = 255 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 5.0**2))
    return np.repeat(value.round().astype(np.uint8)[..., None], 3, axis=2)


def _centroid(crop: np.ndarray) -> np.ndarray:
    weight = crop[..., 0].astype(float)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


def test_a_box_with_its_margin_lies_in_the_middle_of_the_crop() -> None:
    maps = crop_maps(np.array([[100.0, 40.0, 140.0, 168.0]]))
    assert maps.scale[0] == pytest.approx(MARGIN)  # 128 pixels high, as many as the crop
    corners = maps.to_crop(np.array([[[100.0, 40.0], [140.0, 168.0]]]))[0]
    np.testing.assert_allclose(corners.mean(axis=0), [(CROP[1] - 1) / 2, (CROP[0] - 1) / 2])
    np.testing.assert_allclose(corners[1] - corners[0], [32, 102.4])
    wide = crop_maps(np.array([[0.0, 100.0, 192.0, 110.0]]))
    assert wide.scale[0] == pytest.approx(2 * MARGIN)  # the width decides


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7, 2.0, 3.4])
def test_the_map_of_a_crop_locates_its_content(scale: float) -> None:
    """A spot seen in the crop, mapped back, is the spot of the frame."""
    where = np.array([[[161.3, 118.6]]])
    offset = where[0, 0] - scale * np.array([50.2, 61.7])
    crop = crop_image(_spot(*where[0, 0]), scale, offset)
    assert crop.shape == (*CROP, 3)
    maps = CropMap(np.array([scale]), offset[None])
    back = maps.to_frame(_centroid(crop)[None, None])
    assert np.abs(back - where).max() < 0.2
    np.testing.assert_allclose(maps.to_frame(maps.to_crop(where)), where, atol=1e-9)


def test_a_reduced_crop_does_not_alias() -> None:
    stripes = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = crop_image(stripes, 2.0, np.array([40.0, 0.0]))
    assert np.abs(crop[4:-12].astype(int) - 100).max() <= 2


def test_outside_the_picture_is_black() -> None:
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    maps = crop_maps(np.array([[0.0, 60.0, 30.0, 188.0]]))
    crop = crop_image(white, maps.scale[0], maps.offset[0])
    left = maps.to_crop(np.zeros((1, 1, 2)))[0, 0, 0]
    assert left > 10
    assert (crop[:, : int(left) - 1] == 0).all()
    assert (crop[64, int(left) + 2 :] == 255).all()


def test_a_frame_without_a_person_uses_the_previous_box() -> None:
    missing, first, second = (
        np.full((14, 2), np.nan),
        _pose(10, 20, 60, 200),
        _pose(90, 20, 160, 200),
    )
    outside, beyond = _pose(-90, 20, -10, 200), _pose(90, 300, 160, 500)
    run = np.stack([missing, first, missing, outside, second, beyond])
    boxes, own = person_boxes(run, WIDTH, HEIGHT)
    assert own.tolist() == [False, True, False, False, True, False]
    whole = [0, 0, WIDTH - 1, HEIGHT - 1]
    expected = [whole, *[[10, 20, 60, 200]] * 3, *[[90, 20, 160, 200]] * 2]
    np.testing.assert_array_equal(boxes, expected)


def test_the_box_of_a_partly_visible_person_is_clipped_to_the_image() -> None:
    boxes, own = person_boxes(_pose(-80, -30, 40, 100)[None], WIDTH, HEIGHT)
    assert own.all()
    np.testing.assert_array_equal(boxes, [[0, 0, 40, 100]])


# --- a corpus ---------------------------------------------------------------------------------


def _corpus(root: Path) -> pl.DataFrame:
    """Five frames of two runs, each with a spot; no person is detected in the last."""
    rows = []
    for i, (run, frame) in enumerate([(0, 3), (0, 4), (1, 9), (1, 10), (1, 11)]):
        image = f"frames/a/{frame:06d}.jpg"
        (root / "frames" / "a").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / image), _spot(100 + 20 * i, 120), [cv2.IMWRITE_JPEG_QUALITY, 95])
        found = _pose(60 + 20 * i, 40, 140 + 20 * i, 200)
        annotation = np.tile([100.0 + 20 * i, 120.0], (14, 1))
        rows.append(
            {
                "clip": "a", "style": "ballet", "performer": None, "take": None, "run": run,
                "frame": frame, "time_s": frame / 25, "image": image, "width": WIDTH,
                "height": HEIGHT, "keypoints": None if frame == 11 else found.tolist(),
                "score": None if frame == 11 else [0.9] * 14, "landmarks": None,
                "estimator": "made-up", "annotation": annotation.tolist(), "visibility": [2] * 14,
            }
        )  # fmt: skip
    return conform(pl.DataFrame(rows, schema=dict(POSE_DATASET)), POSE_DATASET)


def test_crops_of_a_corpus_are_found_by_clip_and_frame(tmp_path: Path) -> None:
    rows = _corpus(tmp_path)
    table = cut_crops(rows, tmp_path, tmp_path / "crops.npy")
    assert dict(table.schema) == dict(PERSON_CROPS)
    assert table["found"].to_list() == [True] * 4 + [False]
    assert table["offset"].to_list()[3] == table["offset"].to_list()[4]
    crops = Crops.open(tmp_path / "crops.npy")
    for i, frame in enumerate((3, 4, 9, 10, 11)):
        row = crops.rows_of(["a"], [frame])
        seen = crops.maps(row).to_frame(_centroid(crops.pixels(row)[0])[None, None])
        assert np.abs(seen[0, 0] - [100 + 20 * i, 120]).max() < 0.6
    with pytest.raises(InputError, match=r"crops\.npy: frame 5: there is no crop.*of a"):
        crops.rows_of(["a"], [5])


def test_crops_do_not_depend_on_annotations_and_are_deterministic(tmp_path: Path) -> None:
    rows = _corpus(tmp_path)
    cut_crops(rows, tmp_path, tmp_path / "one.npy")
    unseen = rows.with_columns(
        annotation=pl.lit(None, POSE_DATASET["annotation"]),
        visibility=pl.lit(None, POSE_DATASET["visibility"]),
    )
    cut_crops(unseen.sample(fraction=1, shuffle=True, seed=1), tmp_path, tmp_path / "two.npy")
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()


def test_a_missing_picture_leaves_no_half_file(tmp_path: Path) -> None:
    rows = _corpus(tmp_path)
    (tmp_path / rows["image"][2]).unlink()
    with pytest.raises(InputError, match=r"000009\.jpg: frame 9: cannot read"):
        cut_crops(rows, tmp_path, tmp_path / "crops.npy")
    assert not list(tmp_path.glob("*.npy*"))
    assert not list(tmp_path.glob(".*"))


def test_no_rows_and_overlong_clip_names_are_errors(tmp_path: Path) -> None:
    rows = _corpus(tmp_path)
    with pytest.raises(InputError, match="no frame to crop"):
        cut_crops(rows.head(0), tmp_path, tmp_path / "crops.npy")
    with pytest.raises(InputError, match=r"bbb: the clip's name is longer.*Rename"):
        cut_crops(rows.with_columns(clip=pl.lit("b" * 129)), tmp_path, tmp_path / "crops.npy")


def test_other_files_are_refused(tmp_path: Path) -> None:
    text, other = tmp_path / "text.npy", tmp_path / "other.npy"
    text.write_text(json.dumps({}))
    np.save(other, np.zeros(3))
    for path in (text, other, tmp_path / "absent.npy"):
        with pytest.raises(InputError, match="not person crops"):
            Crops.open(path)


def test_crops_are_memory_mapped(tmp_path: Path) -> None:
    with writing_crops(tmp_path / "c.npy", 3) as records:
        records["clip"] = "a"
        records["frame"] = np.arange(3)
    crops = Crops.open(tmp_path / "c.npy")
    assert isinstance(crops.records, np.memmap)
    assert len(crops) == 3
    assert crops.records.dtype == RECORD
    sent = pickle.dumps(crops)  # to another process: it maps the same file
    assert len(sent) < 1000
    received = pickle.loads(sent).records
    assert isinstance(received, np.memmap)
    assert received["frame"].tolist() == [0, 1, 2]
