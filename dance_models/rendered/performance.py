"""One piece: a stretch of a capture as the motion of a body in metres, at any time."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body, Posed
from dance_models.motion.capture import MARK, Capture
from dance_models.rendered.retarget import RestFrames, body_pose, rest_frames

Array = NDArray[np.float64]

_TRAVEL_M: Final = 0.7  # farthest from the middle of the stage; longer ways are shortened
_STILL: Final = 0.02  # a root that moves less, in leg lengths, was fixed in the file
_FLOOR_FPS: Final = 15.0
_GLANCE_DEG: Final = 20.0


@dataclass(frozen=True, eq=False)
class Performance:
    """Marks at the capture's frames, and where the pelvis is."""

    body: Body
    rest: RestFrames
    fps: float
    marks: Array  # (F, M, 3)
    place: Array  # (F, 3) metres, of the pelvis
    glance: tuple[float, float]  # rate in Hz and phase of the turns of the head

    def at(self, time_s: float) -> Posed:
        """The posed body; between two frames, marks and place are interpolated."""
        marks, place = (_between(values, time_s * self.fps) for values in (self.marks, self.place))
        rate, phase = self.glance
        glance = _GLANCE_DEG * np.sin(2 * np.pi * rate * time_s + phase)
        pose = body_pose(marks, self.rest, float(glance))
        return self.body.pose(pose.trunk, pose.limbs, place)


def perform(
    capture: Capture, body: Body, start_s: float, seconds: float, rng: np.random.Generator
) -> Performance:
    """``seconds`` of a capture from ``start_s`` on, moved by a body that stands on the floor."""
    first = round(start_s * capture.fps)
    marks = capture.marks[first : first + int(np.ceil(seconds * capture.fps)) + 2]
    rest = rest_frames(capture.rest)
    place = _path(marks, _leg(body_leg(body)) / _leg(_capture_leg(capture.rest)))
    glance = (float(rng.uniform(0.1, 0.4)), float(rng.uniform(0, 2 * np.pi)))
    hovering = Performance(body, rest, capture.fps, marks, place, glance)
    return Performance(body, rest, capture.fps, marks, _grounded(hovering), glance)


def body_leg(body: Body) -> Array:
    """(3, 3) hip, knee and ankle of a body at rest."""
    return np.stack([body.head_of(f"Left{bone}") for bone in ("UpLeg", "Leg", "Foot")])


def _capture_leg(rest: Array) -> Array:
    return np.stack([rest[MARK[f"left_{joint}"]] for joint in ("hip", "knee", "ankle")])


def _leg(chain: Array) -> float:
    return float(np.linalg.norm(np.diff(chain, axis=0), axis=1).sum())


def _path(marks: Array, scale: float) -> Array:
    """(F, 3) way of the pelvis about the middle of the stage, in the body's size."""
    hips = (marks[:, MARK["left_hip"]] + marks[:, MARK["right_hip"]]) / 2 * scale
    middle = (hips.min(axis=0) + hips.max(axis=0)) / 2
    way = hips - middle
    reach = float(np.linalg.norm(way[:, :2], axis=1).max())
    way[:, :2] *= min(1.0, _TRAVEL_M / max(reach, 1e-9))
    return np.asarray(way)


def _grounded(hovering: Performance) -> Array:
    """The way of the pelvis, lifted so that the body stands on the floor.

    Once for the whole piece, so that jumps stay jumps. At every moment when the file has no way.
    """
    frames, place = len(hovering.place), hovering.place.copy()
    step = max(1, round(hovering.fps / _FLOOR_FPS))
    looked = np.unique([*range(0, frames, step), frames - 1])
    low = np.array([hovering.at(f / hovering.fps).vertices[:, 2].min() for f in looked])
    leg = _leg(body_leg(hovering.body))
    if np.ptp(place, axis=0).max() < _STILL * leg:
        low = np.interp(np.arange(frames), looked, low)
    else:
        low = np.full(frames, np.percentile(low, 10))
    place[:, 2] -= low
    return np.asarray(place)


def _between(values: Array, frame: float) -> Array:
    whole = min(int(frame), len(values) - 2)
    share = min(frame - whole, 1.0)
    return np.asarray(values[whole] * (1 - share) + values[whole + 1] * share)
