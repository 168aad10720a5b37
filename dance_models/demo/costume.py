"""Colours of a body's faces: skin, hair, clothes and shoes, from a seed."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body

Array = NDArray[Any]

# RGB
SKIN: Final = ((205, 150, 120), (185, 125, 95), (135, 85, 60), (222, 165, 135))
HAIR: Final = ((28, 22, 20), (70, 40, 25), (170, 120, 60), (90, 85, 85))
SLEEVES: Final = {"ballet": 0.0, "contemporary": 0.95, "street": 0.55}  # share of the arm covered
TROUSERS: Final = {"ballet": 0.0, "contemporary": 1.9, "street": 1.8}  # 1 is the knee, 2 the ankle
TIGHTS: Final = (228, 205, 205)
TRUNK: Final = (
    "Hips", "LHipJoint", "RHipJoint", "LowerBack", "Spine", "Spine1", "LeftShoulder",
    "RightShoulder",
)  # fmt: skip
LEGS: Final = ("LeftUpLeg", "LeftLeg", "RightUpLeg", "RightLeg")


def cloth(rng: np.random.Generator) -> Array:
    """A colour of cloth, (3,) RGB."""
    hsv = np.array([[[rng.integers(180), rng.integers(90, 220), rng.integers(70, 225)]]], np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0], np.float64)


def _along(body: Body, centre: Array, upper: str, lower: str, end: str) -> Array:
    """How far down a limb face centres lie: 0 at its root, 1 at the middle joint, 2 at the end."""
    a, b, c = (body.head_of(bone) for bone in (upper, lower, end))
    first = ((centre - a) @ (b - a)) / ((b - a) @ (b - a))
    second = 1 + ((centre - b) @ (c - b)) / ((c - b) @ (c - b))
    return np.asarray(np.where(first < 1, first, second))


def top_faces(body: Body, sleeve: float) -> Array:
    """(F,) whether a face is of the shirt; ``sleeve`` is the share of the arm that it covers."""
    centre, bone = face_centres(body), face_bones(body)
    covered = np.isin(bone, TRUNK) & (centre[:, 2] < body.head_of("Neck")[2] - 0.01)
    for side in ("Left", "Right"):
        arm = np.isin(bone, [f"{side}Arm", f"{side}ForeArm"])
        reach = _along(body, centre, f"{side}Arm", f"{side}ForeArm", f"{side}Hand") / 2
        covered |= arm & (reach < sleeve)
    return np.asarray(covered & ~_below_waist(body))


def bottom_faces(body: Body, trouser: float) -> Array:
    """(F,) whether a face is of the trousers, which end at 1 (the knee) .. 2 (the ankle)."""
    centre, bone = face_centres(body), face_bones(body)
    covered = _below_waist(body)
    for side in ("Left", "Right"):
        leg = np.isin(bone, [f"{side}UpLeg", f"{side}Leg"])
        down = _along(body, centre, f"{side}UpLeg", f"{side}Leg", f"{side}Foot")
        covered |= leg & (down < trouser)
    return np.asarray(covered)


def shoe_faces(body: Body) -> Array:
    """(F,) whether a face is of a foot."""
    feet = [f"{side}{part}" for side in ("Left", "Right") for part in ("Foot", "ToeBase")]
    return np.isin(face_bones(body), feet)


def face_centres(body: Body) -> Array:
    """(F, 3) at rest."""
    return np.asarray(body.rest[: body.count][body.faces].mean(axis=1))


def face_bones(body: Body) -> Array:
    """(F,) name of the bone that moves each face most."""
    return np.asarray(body.main_bone[body.faces[:, 0]])


def _below_waist(body: Body) -> Array:
    waist = body.head_of("LowerBack")[2] + 0.03
    return np.asarray(np.isin(face_bones(body), TRUNK) & (face_centres(body)[:, 2] < waist))


def dress(body: Body, style: str, rng: np.random.Generator) -> Array:
    """RGB of every face, (F, 3) float."""
    skin = np.array(SKIN[rng.integers(len(SKIN))], float)
    hair = np.array(HAIR[rng.integers(len(HAIR))], float)
    top, bottom, shoe = cloth(rng), cloth(rng), np.full(3, rng.uniform(25, 220))
    if style == "ballet":
        bottom, shoe = top, np.array([235.0, 190, 185])
    colour = np.tile(skin, (len(body.faces), 1))
    if style == "ballet":
        colour[np.isin(face_bones(body), LEGS)] = TIGHTS
    colour[top_faces(body, SLEEVES[style])] = top
    colour[bottom_faces(body, TROUSERS[style])] = bottom
    if style != "contemporary":
        colour[shoe_faces(body)] = shoe
    paint_head(body, colour, skin, hair)
    return np.clip(colour * (1 + 0.03 * rng.standard_normal((len(colour), 1))), 0, 255)


def paint_head(body: Body, colour: Array, skin: Array, hair: Array) -> None:
    """Hair on top and behind, eyes and mouth as dark patches: enough for a face to be found."""
    centre, head = face_centres(body), face_bones(body) == "Head"
    low, high = centre[head].min(axis=0), centre[head].max(axis=0)
    middle, size = (low + high) / 2, high - low
    up = (centre[:, 2] - low[2]) / size[2]
    back = (centre[:, 1] - low[1]) / size[1]
    aside = np.abs(centre[:, 0] - middle[0]) / size[0]
    front = head & (back < 0.42)
    colour[head & ((up > 0.80) | ((back > 0.55) & (up > 0.25)))] = hair
    colour[front & (np.abs(up - 0.555) < 0.035) & (aside > 0.10) & (aside < 0.33)] = (45, 35, 35)
    colour[front & (np.abs(up - 0.24) < 0.035) & (aside < 0.17)] = skin * (0.85, 0.5, 0.5)
