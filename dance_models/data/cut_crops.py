"""Cutting person crops out of the sampled frames."""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.data.crops import (
    CROP,
    LONGEST_CLIP_NAME,
    RECORD,
    CropMap,
    crop_maps,
    person_boxes,
    writing_crops,
)
from dance_models.errors import InputError
from dance_models.estimators.tracks import read_image
from dance_models.skeleton import DANCE_14
from dance_models.tables import PERSON_CROPS, conform


def crop_image(
    image: NDArray[np.uint8], scale: float, offset: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The crop (128, 96, 3) of an RGB image; what lies outside the image is black.

    A reduced picture is the mean over the pixels that it covers, so that nothing aliases.
    """
    fine = max(1, math.ceil(scale))
    rows, columns = CROP
    # Sub-pixel u of crop pixel c lies at fine * c + (fine - 1) / 2.
    start = offset - scale * (fine - 1) / (2 * fine)
    matrix = np.array([[scale / fine, 0, start[0]], [0, scale / fine, start[1]]])
    warped = cv2.warpAffine(
        image,
        matrix,
        (fine * columns, fine * rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    crop = cv2.resize(warped, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def cut_crops(rows: pl.DataFrame, root: Path, path: Path) -> pl.DataFrame:
    """Cut one crop a row (POSE_DATASET) and write them to ``path``; returns all but the pixels.

    ``root`` is what the ``image`` column is relative to. Raises InputError on an unreadable image,
    on no rows, and on a clip whose name does not fit.
    """
    if not rows.height:
        raise InputError("there is no frame to crop", file=path)
    long = rows.filter(pl.col("clip").str.len_chars() > LONGEST_CLIP_NAME)["clip"]
    if len(long):
        raise InputError(
            f"the clip's name is longer than {LONGEST_CLIP_NAME} characters",
            file=long[0],
            hint="Rename the file",
        )
    rows = rows.sort("clip", "frame")
    with writing_crops(path, rows.height) as records:
        at = 0
        for (clip, run), part in rows.group_by("clip", "run", maintain_order=True):
            maps, found = _run_maps(part)
            here = slice(at, at + part.height)
            records["clip"][here], records["run"][here] = clip, run
            records["frame"][here], records["found"][here] = part["frame"].to_numpy(), found
            records["scale"][here], records["offset"][here] = maps.scale, maps.offset
            for i, name in enumerate(part["image"]):
                image = read_image(root / name, part["frame"][i])
                records["pixels"][at + i] = crop_image(image, maps.scale[i], maps.offset[i])
            at += part.height
        return crop_table(records)


def crop_table(records: NDArray[Any]) -> pl.DataFrame:
    """The records without their pixels (PERSON_CROPS)."""
    names = [name for name in RECORD.names or () if name != "pixels"]
    columns = {name: np.ascontiguousarray(records[name]) for name in names}
    return conform(pl.DataFrame(columns), PERSON_CROPS)


def _run_maps(rows: pl.DataFrame) -> tuple[CropMap, NDArray[np.bool_]]:
    estimate = np.full((rows.height, DANCE_14.num_joints, 2), np.nan)
    known = rows["keypoints"].is_not_null().to_numpy()
    if known.any():
        estimate[known] = rows["keypoints"].drop_nulls().to_numpy()
    boxes, found = person_boxes(estimate, rows["width"][0], rows["height"][0])
    return crop_maps(boxes), found
