"""The worst moments as pictures: the reference and the practice side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.compare import Comparison
from dance_models.comparison.joint_angles import ANGLE_JOINTS
from dance_models.comparison.performance import Performance
from dance_models.comparison.words import at
from dance_models.files import replacing
from dance_models.metrics.torso import median_torso
from dance_models.render.contact_sheet import contact_sheet
from dance_models.skeleton import DANCE_14
from dance_models.video.decode import pyav_frames, upright
from dance_models.video.stream import shown_probe

RING: Final = (255, 235, 59)
RING_SIZE: Final = 0.22  # of the torso
WIDTH: Final = 1200  # of the two pictures together, pixels
MOST_BYTES: Final = 300_000
FONT: Final = 1.1  # of the labels: the page shows the stills at a third of their width


def write_stills(
    comparison: Comparison,
    reference: tuple[Path, Performance],
    practice: tuple[Path, Performance],
    directory: Path,
) -> list[Path]:
    """One JPEG for each moment, in their order, with skeletons and a ring where it differs.

    ``reference`` and ``practice`` are each the video and its poses as filmed. Raises VideoError.
    """
    sides = [
        _pictures(video, performance, times)
        for (video, performance), times in (
            (reference, [m.time_s for m in comparison.moments]),
            (practice, [m.practice_s for m in comparison.moments]),
        )
    ]
    written = []
    for number, moment in enumerate(comparison.moments):
        names = list(moment.degrees)[:1]
        images, poses = [], []
        for (image, pose, torso), mirrored in zip(
            (side[number] for side in sides), (False, comparison.mirrored), strict=True
        ):
            images.append(_ringed(image, pose, names, torso, mirrored=mirrored))
            poses.append(pose)
        labels = [
            f"reference {at(moment.time_s)}",
            f"practice {at(moment.practice_s)}" + (" (mirrored)" if comparison.mirrored else ""),
        ]
        sheet = contact_sheet(
            images, poses, labels=labels, columns=2, width=WIDTH, max_bytes=MOST_BYTES, font=FONT
        )
        path = still_path(directory, number + 1)
        with replacing(path) as part:
            part.write_bytes(sheet)
        written.append(path)
    return written


def still_path(directory: Path, number: int) -> Path:
    """Where the picture of a moment is written; they count from 1."""
    return directory / f"moment_{number:02d}.jpg"


def _pictures(
    video: Path, performance: Performance, times: Sequence[float]
) -> list[tuple[NDArray[np.uint8], NDArray[np.float32], float]]:
    """The frame nearest to each time, its pose, and the torso in pixels."""
    nearest = [int(np.abs(performance.time_s - time).argmin()) for time in times]
    probe = shown_probe(video)  # also of a damaged video, whose poses are there
    wanted = sorted(set(nearest))
    images = {i: upright(image, probe) for i, image in pyav_frames(video, wanted, "careful")}
    torso = median_torso(performance.poses)
    return [(images[i], performance.poses[i], torso) for i in nearest]


def _ringed(
    image: NDArray[np.uint8],
    pose: NDArray[np.float32],
    names: Sequence[str],
    torso: float,
    *,
    mirrored: bool,
) -> NDArray[np.uint8]:
    """A copy with a ring at the joint of each angle; in a mirrored practice on the other side."""
    drawn = image.copy()
    for name in names:
        joints = ANGLE_JOINTS.get(name)
        if joints is None:
            continue
        joint = DANCE_14.index[joints[1]]
        x, y = pose[DANCE_14.mirror[joint] if mirrored else joint]
        if np.isfinite([x, y]).all() and np.isfinite(torso):
            radius = max(3, round(RING_SIZE * torso))
            thick = max(1, radius // 8)
            cv2.circle(drawn, (round(float(x)), round(float(y))), radius, RING, thick, cv2.LINE_AA)
    return drawn
