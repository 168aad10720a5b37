"""A skinned body: limb directions in, vertices and keypoints out (metres, z up)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SIDES: Final = (("Left", "l_"), ("Right", "r_"))


def unit(vector: Array) -> Array:
    """Vectors of length one."""
    return np.asarray(vector / (np.linalg.norm(vector, axis=-1, keepdims=True) + 1e-9))


def swing(start: Array, end: Array) -> Array:
    """The smallest rotation that turns direction ``start`` into ``end``, (3, 3)."""
    a, b = unit(start), unit(end)
    cosine = float(a @ b)
    if cosine < -0.9999:  # opposite: any perpendicular axis
        axis = unit(np.cross(a, [1.0, 0, 0] if abs(a[0]) < 0.9 else [0, 1.0, 0]))
        return np.asarray(2 * np.outer(axis, axis) - np.eye(3))
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + cosine))


def between(first: Array, second: Array, share: float) -> Array:
    """Rotation ``share`` of the way from one to the other."""
    vector, _ = cv2.Rodrigues(first.T @ second)
    return np.asarray(first @ cv2.Rodrigues(vector * share)[0])


def nearest_rotation(matrix: Array) -> Array:
    """The rotation (..., 3, 3) nearest to a matrix, by its singular value decomposition."""
    left, _, right = np.linalg.svd(matrix)
    proper = np.linalg.det(left @ right)
    left[..., :, 2] *= np.sign(proper)[..., None]
    return np.asarray(left @ right)


def about(axis: str, degrees: float) -> Array:
    """Rotation matrix about x, y or z."""
    vector = np.zeros(3)
    vector["xyz".index(axis)] = np.radians(degrees)
    return np.asarray(cv2.Rodrigues(vector)[0])


def _mixed(stored: Any, shape: "Shape", what: str) -> Array:
    """The weighted sum of an array of the stored bodies, float64."""
    parts = [weight * stored[f"{name}/{what}"] for name, weight in shape.mix.items()]
    return np.asarray(sum(parts[1:], parts[0]), np.float64)


@dataclass(frozen=True, eq=False)
class Posed:
    """A posed body."""

    vertices: Array  # (V, 3)
    joints: Array  # (J, 3) in the order of DANCE_14.names
    frames: Array  # (J, 3, 3) rotation of the bones at each joint: a joint's own axes to the world


@dataclass(frozen=True)
class Shape:
    """A body between or beyond the stored four: their weighted sum, then bone by bone scaled."""

    mix: Mapping[str, float]  # body -> weight; the weights add up to 1
    length: Mapping[str, float] = field(default_factory=dict)  # bone -> factor along it
    girth: Mapping[str, float] = field(default_factory=dict)  # bone -> factor across it


class Body:
    """A stored body by name, or a shape. The dancer's left is +x; at rest the face looks to -y."""

    def __init__(self, body: str | Shape) -> None:
        shape = Shape({body: 1.0}) if isinstance(body, str) else body
        with files("dance_models.demo").joinpath("body.npz").open("rb") as handle:
            stored = np.load(handle)
            self.bones = [str(bone) for bone in stored["bones"]]
            self.parents = stored["parents"].astype(int)
            self.faces = stored["faces"].astype(int)
            weights = np.concatenate([stored["weights"], stored["joint_weights"]])
            owners = np.concatenate([stored["vertex_bones"], stored["joint_bones"]]).astype(int)
            vertices = _mixed(stored, shape, "vertices")
            joints = _mixed(stored, shape, "joints")
            self.heads = _mixed(stored, shape, "heads")
        self.count = len(vertices)
        self.rest = np.concatenate([vertices, joints])
        # Skinning as one product: (V, B) weights.
        self.skin = np.zeros((len(self.rest), len(self.bones)))
        np.add.at(self.skin, (np.arange(len(self.rest))[:, None], owners), weights)
        self.index = {bone: i for i, bone in enumerate(self.bones)}
        if shape.length or shape.girth:
            self.rest, self.heads = self._skinned(self._scales(shape), self.heads[0])
        self.main_bone = np.array(self.bones)[self.skin[: self.count].argmax(1)]

    def head_of(self, bone: str) -> Array:
        """Rest position of a bone's head."""
        return np.asarray(self.heads[self.index[bone]])

    def pose(self, trunk: "Trunk", limbs: Mapping[str, Array], pelvis: Array) -> Posed:
        """Pose by trunk rotations and limb directions (``l_upper_arm`` ... ``r_foot``)."""
        rotations = self._rotations(trunk, limbs)
        posed, _ = self._skinned(rotations, pelvis)
        mean = (self.skin[self.count :] @ rotations.reshape(-1, 9)).reshape(-1, 3, 3)
        return Posed(posed[: self.count], posed[self.count :], nearest_rotation(mean))

    def _skinned(self, matrices: Array, root: Array) -> tuple[Array, Array]:
        """Rest points and bone heads after each bone's (B, 3, 3) matrix; the first head at root."""
        heads = np.zeros_like(self.heads)
        for i, parent in enumerate(self.parents):
            if parent < 0:
                heads[i] = root
            else:
                heads[i] = heads[parent] + matrices[parent] @ (self.heads[i] - self.heads[parent])
        shift = heads - np.einsum("bij,bj->bi", matrices, self.heads)
        affine = np.concatenate([matrices, shift[:, :, None]], axis=2).reshape(len(heads), 12)
        blended = (self.skin @ affine).reshape(-1, 3, 4)
        points = np.einsum("vij,vj->vi", blended[:, :, :3], self.rest) + blended[:, :, 3]
        return points, heads

    def _scales(self, shape: Shape) -> Array:
        """(B, 3, 3) the shape's factors along and across every bone, in the rest pose."""
        matrices = np.tile(np.eye(3), (len(self.bones), 1, 1))
        for i, bone in enumerate(self.bones):
            along, across = shape.length.get(bone, 1.0), shape.girth.get(bone, 1.0)
            children = np.flatnonzero(self.parents == i)
            axis = unit(self.heads[children[0]] - self.heads[i]) if len(children) else np.zeros(3)
            matrices[i] = across * np.eye(3) + (along - across) * np.outer(axis, axis)
        return matrices

    def _rotations(self, trunk: "Trunk", limbs: Mapping[str, Array]) -> Array:
        table: dict[str, Array] = dict.fromkeys(("Hips", "LHipJoint", "RHipJoint"), trunk.pelvis)
        for bone, share in (("LowerBack", 0.33), ("Spine", 0.66), ("Spine1", 1.0)):
            table[bone] = between(trunk.pelvis, trunk.chest, share)
        for bone, share in (("Neck", 0.4), ("Neck1", 0.7), ("Head", 1.0)):
            table[bone] = between(trunk.chest, trunk.head, share)
        for side, short in SIDES:
            table[f"{side}Shoulder"] = trunk.chest
            chains = (
                (f"{side}Arm", f"{side}ForeArm", "upper_arm", "Spine1"),
                (f"{side}ForeArm", f"{side}Hand", "forearm", f"{side}Arm"),
                (f"{side}UpLeg", f"{side}Leg", "thigh", "Hips"),
                (f"{side}Leg", f"{side}Foot", "shin", f"{side}UpLeg"),
                (f"{side}Foot", f"{side}ToeBase", "foot", f"{side}Leg"),
            )
            for bone, child, limb, parent in chains:
                rest = self.head_of(child) - self.head_of(bone)
                turned = table[parent]
                table[bone] = swing(turned @ rest, limbs[short + limb]) @ turned
            for bone in ("Hand", "FingerBase", "HandFinger1"):
                table[f"{side}{bone}"] = table[f"{side}ForeArm"]
            table[f"{side[0]}Thumb"] = table[f"{side}ForeArm"]
            table[f"{side}ToeBase"] = table[f"{side}Foot"]
        return np.stack([table[bone] for bone in self.bones])


@dataclass(frozen=True, eq=False)
class Trunk:
    """Rotations (3, 3) of pelvis, chest and head from the rest pose."""

    pelvis: Array
    chest: Array
    head: Array
