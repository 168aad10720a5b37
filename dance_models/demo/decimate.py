"""How ``body.npz`` was made: ``python -m dance_models.demo.decimate SOURCE.npz body.npz``.

SOURCE is a full-resolution export of the bodies (13,718 vertices, four bones a vertex, a sparse
regressor of 23 keypoints). Vertices are merged on a grid in the rest pose, finer at the head; skin
weights are averaged over what was merged, and the keypoints become skinned points of their own.
"""

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.skeleton import DANCE_14

CELL_M: Final = 0.032
HEAD_CELL_M: Final = 0.018
BONES_PER_VERTEX: Final = 4
EYE_CAVITIES_AND_MOUTH: Final = (10, 11, 12, 13)  # segments that are never seen
BODIES: Final = ("woman_a", "woman_b", "man_a", "man_b")

Array = NDArray[Any]


def _dense(weights: Array, bones: Array, count: int) -> Array:
    dense = np.zeros((len(weights), count))
    np.add.at(dense, (np.arange(len(weights))[:, None], bones), weights.astype(np.float64))
    return dense


def _strongest(dense: Array) -> tuple[Array, Array]:
    bones = np.argsort(-dense, axis=1)[:, :BONES_PER_VERTEX]
    weights = np.take_along_axis(dense, bones, axis=1)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32), bones.astype(np.int16)


def decimate(source: Path) -> dict[str, Array]:
    """The arrays of ``body.npz``."""
    with np.load(source) as stored:
        data = {name: stored[name] for name in stored.files}
    rest, head = data["woman_a/verts"], list(data["bones"]).index("Head")
    dense = _dense(data["w"], data["wi"], len(data["bones"]))
    is_head = dense[:, head] > 0.5
    cell = np.where(is_head, HEAD_CELL_M, CELL_M)[:, None]
    # A cell never joins vertices of different main bones: arms would stick to the trunk.
    key = np.c_[np.floor(rest / cell), dense.argmax(1)]
    group = np.unique(key, axis=0, return_inverse=True)[1].ravel()
    size = np.bincount(group)

    def merged(values: Array) -> Array:
        total = np.zeros((len(size), values.shape[1]))
        np.add.at(total, group, values)
        return total / size[:, None]

    faces = group[data["faces"][~np.isin(data["seg"], EYE_CAVITIES_AND_MOUTH)]]
    whole = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])
    )
    faces = faces[whole]
    faces = faces[np.unique(np.sort(faces, axis=1), axis=0, return_index=True)[1]]
    regressor = np.zeros((len(data["kp_names"]), len(rest)))
    regressor[data["reg_k"], data["reg_v"]] = data["reg_w"]
    regressor = _joint_regressor(regressor, list(data["kp_names"]), rest)
    weights, bones = _strongest(merged(dense))
    joint_weights, joint_bones = _strongest(regressor @ dense)
    out = {
        "bones": data["bones"],
        "parents": data["parents"],
        "faces": faces.astype(np.int16),
        "weights": weights,
        "vertex_bones": bones,
        "joint_weights": joint_weights,
        "joint_bones": joint_bones,
    }
    for body in BODIES:
        out[f"{body}/vertices"] = merged(data[f"{body}/verts"]).astype(np.float32)
        out[f"{body}/heads"] = data[f"{body}/heads"]
        out[f"{body}/joints"] = (regressor @ data[f"{body}/verts"]).astype(np.float32)
    return out


def _joint_regressor(coco: Array, names: list[str], rest: Array) -> Array:
    """(J, V) from the 23 keypoints: limbs as they are, neck between shoulders, crown on top."""
    rows = []
    for joint in DANCE_14.names:
        if joint == "neck":
            rows.append(
                (coco[names.index("left_shoulder")] + coco[names.index("right_shoulder")]) / 2
            )
        elif joint == "head_top":
            crown = np.zeros(len(rest))
            crown[int(rest[:, 2].argmax())] = 1
            rows.append(crown)
        else:
            rows.append(coco[names.index(joint)])
    return np.stack(rows)


if __name__ == "__main__":
    np.savez_compressed(sys.argv[2], **decimate(Path(sys.argv[1])))  # type: ignore[arg-type]
