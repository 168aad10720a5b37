"""OpenPose JSON (BODY_25), one file a frame in a folder: what Pose2Sim and Kinovea read.

BODY_25 has no top of the head, which is left out. Its face and feet are the estimator's landmarks,
unrefined; the small toes do not exist and are 0, 0, 0, as every joint that is missing.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.files.measured import Measured
from dance_models.estimators.pose_models import OPENPOSE_BODY25
from dance_models.evidence import LANDMARKS
from dance_models.files import move_to, part_of
from dance_models.geometry import pelvis
from dance_models.skeleton import DANCE_14

_DECIMALS: Final = 3
_DIGITS: Final = 12  # of the frame in a file's name, as OpenPose writes it
# Of a joint that is there and has none: 0 would say that it is missing.
_LEAST_CONFIDENCE: Final = 0.001
_LANDMARK: Final = {
    name: LANDMARKS.index(name.replace("big_toe", "foot_index"))
    for name in OPENPOSE_BODY25
    if name.replace("big_toe", "foot_index") in LANDMARKS and name not in DANCE_14.names
}
_OTHER_KEYS: Final = (
    *("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
    *("pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d"),
    "hand_right_keypoints_3d",
)


def body_25(measured: Measured) -> NDArray[np.float64]:
    """(T, 25, 3) x, y in pixels and confidence; 0, 0, 0 where a joint is missing."""
    found = np.full((len(measured), len(OPENPOSE_BODY25), 3), np.nan)
    for place, name in enumerate(OPENPOSE_BODY25):
        if name in DANCE_14.index:
            joint = DANCE_14.index[name]
            found[:, place, :2] = measured.poses[:, joint]
            found[:, place, 2] = measured.confidence[:, joint]
        elif name == "mid_hip":
            found[:, place, :2] = pelvis(np.asarray(measured.poses, np.float64))
            found[:, place, 2] = measured.confidence[:, DANCE_14.hips].min(axis=1)
        elif name in _LANDMARK and measured.landmarks.shape[1]:
            found[:, place] = measured.landmarks[:, _LANDMARK[name]]
    known = np.isfinite(found[..., :2]).all(axis=-1)
    found[..., 2] = np.nan_to_num(found[..., 2]).clip(_LEAST_CONFIDENCE, 1)
    return np.where(known[..., None], found, 0)


def write_openpose(measured: Measured, folder: Path) -> None:
    """``FOLDER/NAME_000000000012_keypoints.json`` is frame 12; ``NAME`` is that of the folder.

    The folder is written under another name and then takes the place of an older one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(folder)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        for first, some in measured.parts():
            for frame, joints in enumerate(body_25(some).round(_DECIMALS), first):
                name = frame_name(folder.name, frame)
                (part / name).write_text(json.dumps(_frame(joints)), encoding="utf-8")
        _replace(folder, part)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def frame_name(folder: str, frame: int) -> str:
    """The name of a frame's file in the folder of that name."""
    return f"{folder}_{frame:0{_DIGITS}d}_keypoints.json"


def _replace(folder: Path, part: Path) -> None:
    """Put the new folder in the place of an older one: a folder is not replaced in one step."""
    old = part_of(folder.with_name(f"{folder.name}.old"))
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    move_to(folder, part, old)
    shutil.rmtree(old, ignore_errors=True)


def _frame(joints: NDArray[np.float64]) -> dict[str, Any]:
    if not joints[:, 2].any():
        return {"version": 1.3, "people": []}
    person = {"person_id": [-1], "pose_keypoints_2d": joints.ravel().tolist()}
    return {"version": 1.3, "people": [person | {key: [] for key in _OTHER_KEYS}]}
