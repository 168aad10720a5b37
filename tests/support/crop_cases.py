"""Synthetic person crops: each joint of a swinging figure is a spot of its own colour."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dance_models.data.crops import CROP, Crops, crop_maps, person_boxes, writing_crops
from dance_models.data.pose_runs import PoseRun
from dance_models.skeleton import DANCE_14

COLOURS = np.random.default_rng(5).integers(60, 256, (DANCE_14.num_joints, 3)).astype(np.uint8)


def painted_crops(runs: Sequence[PoseRun], path: Path) -> Crops:
    """Crops of all frames of the runs, written to ``path``."""
    with writing_crops(path, sum(len(run) for run in runs)) as records:
        at = 0
        for run in runs:
            boxes, found = person_boxes(run.estimate, run.width, run.height)
            maps = crop_maps(boxes)
            here = records[at : at + len(run)]
            here["clip"], here["run"], here["frame"] = run.clip, run.run, run.frame
            here["scale"], here["offset"], here["found"] = maps.scale, maps.offset, found
            here["pixels"] = 30
            for pixels, points in zip(here["pixels"], maps.to_crop(run.annotation), strict=True):
                _paint(pixels, points)
            at += len(run)
    return Crops.open(path)


def _paint(pixels: np.ndarray, points: np.ndarray) -> None:
    rows, columns = np.mgrid[: CROP[0], : CROP[1]]
    for colour, (x, y) in zip(COLOURS, points, strict=True):
        pixels[(rows - y) ** 2 + (columns - x) ** 2 < 12] = colour
