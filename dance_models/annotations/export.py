"""Sampled frames as a COCO file for annotation tools: images, joints, empty keypoints."""

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from dance_models.skeleton import DANCE_14
from dance_models.tables import write_text


def export_coco(
    frames: pl.DataFrame, directory: Path, *, tracks: pl.DataFrame | None = None
) -> Path:
    """Write ``annotations.json`` for FRAMES rows whose images lie in ``directory/images/<clip>``.

    With TRACKS the estimator's keypoints are filled in, to be corrected; else they are all zero.
    """
    estimated: dict[tuple[str, int], Any] = {}
    if tracks is not None:
        known = tracks.filter(pl.col("keypoints").is_not_null())
        for clip, frame, pose in known.select("clip", "frame", "keypoints").iter_rows():
            estimated[clip, frame] = pose
    images, annotations = [], []
    for number, row in enumerate(frames.sort("clip", "frame").iter_rows(named=True), start=1):
        images.append(
            {
                "id": number,
                "file_name": f"images/{row['clip']}/{PurePosixPath(row['image']).name}",
                "video": f"{row['clip']}.mp4",
                "frame_index": row["frame"],
                "time_s": row["time_s"],
                "width": row["width"],
                "height": row["height"],
            }
        )
        annotations.append(_annotation(number, estimated.get((row["clip"], row["frame"]))))
    document = {
        "info": {"description": "Sampled frames; fill in the keypoints and bring the file back"},
        "images": images,
        "annotations": annotations,
        "categories": [
            {
                "id": 1,
                "name": "person",
                "keypoints": list(DANCE_14.names),
                "skeleton": [[a + 1, b + 1] for a, b in DANCE_14.edges],
            }
        ],
    }
    path = directory / "annotations.json"
    write_text(path, json.dumps(document) + "\n")
    return path


def _annotation(number: int, pose: list[list[float]] | None) -> dict[str, Any]:
    values: list[float] = [0.0, 0.0, 0] * DANCE_14.num_joints
    if pose is not None:
        values = [v for x, y in pose for v in ((x, y, 2) if math.isfinite(x) else (0.0, 0.0, 0))]
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "keypoints": values,
        "num_keypoints": sum(1 for v in values[2::3] if v),
        "iscrowd": 0,
    }
