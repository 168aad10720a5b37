"""The figures of one person in one video: angles, motion, jitter, contacts, camera, moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.angles import angles
from dance_models.analysis.camera import CameraPath, stabilised
from dance_models.analysis.contacts import Contacts, foot_contacts
from dance_models.analysis.kinematics import (
    Jitter,
    Moment,
    Range,
    accelerations,
    jitter,
    moments,
    ranges,
    rest_and_motion,
    speeds,
)
from dance_models.analysis.video import VideoPoses
from dance_models.evaluation.recursive_filters import one_euro
from dance_models.inference.refine import slice_run
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]

# The middle of the grid from which the filter is tuned in the comparison of methods.
ONE_EURO: Final[Mapping[str, float]] = {"min_cutoff": 3.0, "beta": 2.0}
NAMED: Final[Mapping[str, str]] = {  # whose jitter is measured, in words
    "estimate": "raw estimate",
    "one_euro": "One-Euro filter",
    "refined": "refined",
}
FOLLOWED: Final = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")


@dataclass(frozen=True, eq=False)
class Curve:
    """A figure over T frames, of the refined poses and of the estimate before."""

    refined: Floats  # (T,)
    estimate: Floats  # (T,)


@dataclass(frozen=True, eq=False)
class Figures:
    """What is measured; speeds, accelerations and contacts are of a camera that stands still.

    Where the camera moves and the background tells how, they are compensated for it.
    """

    angles: Mapping[str, Curve]  # degrees
    speed: Mapping[str, Curve]  # of the joints in FOLLOWED, torso lengths a second
    acceleration: Mapping[str, Curve]  # % of the torso a frame (1/25 s) squared
    jitter: Mapping[str, Jitter]  # of estimate, One-Euro filter and refined poses
    ranges: tuple[Range, ...]
    moments: tuple[Moment, ...]
    contacts: Contacts
    camera: str  # in words


def figures_of(poses: VideoPoses) -> Figures:
    """Measure everything on the poses of a video."""
    run, restored, cuts = poses.run, poses.restored, poses.seen.cuts.tolist()
    time_s, torso, path = run.time_s, median_torso(poses.refined), poses.seen.camera
    moving = path if path is not None and path.verdict(time_s) == "moves" else None
    rows = {"estimate": restored.estimate, "one_euro": _smoothed(poses), "refined": poses.refined}
    marks = restored.landmarks
    still = {name: _still(row, moving) for name, row in rows.items()}
    refined, estimate = still["refined"], still["estimate"]
    states = rest_and_motion(refined, time_s, torso, cuts)
    before, after = angles(restored.estimate, marks), angles(poses.refined, marks)
    sure = np.ones(len(run), bool)
    for start, stop in poses.unsure:
        sure[start:stop] = False
    curves = {
        name: [measure(row, time_s, torso, cuts=cuts) for row in (refined, estimate)]
        for name, measure in (("speed", speeds), ("acceleration", accelerations))
    }
    joints = {name: DANCE_14.index[name] for name in FOLLOWED}
    speed, acceleration = (
        # Copies: a column alone keeps those of all joints.
        {joint: Curve(of[0][:, i].copy(), of[1][:, i].copy()) for joint, i in joints.items()}
        for of in (curves["speed"], curves["acceleration"])
    )
    return Figures(
        angles={name: Curve(after[name], before[name]) for name in after},
        speed=speed,
        acceleration=acceleration,
        jitter=jitter(still, time_s, torso, states, cuts),
        ranges=tuple(ranges({n: np.where(sure, a, np.nan) for n, a in after.items()}, time_s)),
        moments=tuple(
            moments(
                np.where(sure[:, None, None], estimate, np.nan),
                np.where(sure[:, None, None], refined, np.nan),
                restored.score,
                time_s,
                torso,
                poses.exchanged,
                cuts,
            )
        ),
        contacts=foot_contacts(refined, _still(marks, moving), time_s, cuts),
        camera=path.words(time_s) if path is not None else "",
    )


def _still(points: NDArray[np.floating], path: CameraPath | None) -> NDArray[np.floating]:
    """Points as a camera that stands still would show them."""
    return points if path is None or not points.shape[1] else stabilised(points, path)


def _smoothed(poses: VideoPoses) -> NDArray[np.float32]:
    """The estimate after a One-Euro filter, (T, J, 2)."""
    smoothed = np.full_like(poses.refined, np.nan)
    for start, stop in poses.stretches:
        smoothed[start:stop] = one_euro([slice_run(poses.restored, start, stop)], **ONE_EURO)[0]
    return smoothed
