"""Invariants of every skeleton, and boxes and reflections of poses."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dance_models.geometry import mirror_keypoints, person_box
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.skeletons.cmu_26 import CMU_26
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25

SKELETONS = (DANCE_14, COCO_17, MOCAP_25, CMU_26)
INDEX = DANCE_14.index

every_skeleton = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.id)


def _poses(skeleton: Skeleton, frames: int = 5) -> np.ndarray:
    shape = (frames, skeleton.num_joints, skeleton.dimensions)
    return np.random.default_rng(0).integers(0, 320, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("skeleton", "joints", "dimensions"),
    [(DANCE_14, 14, 2), (COCO_17, 17, 2), (MOCAP_25, 25, 3), (CMU_26, 26, 3)],
)
def test_sizes(skeleton: Skeleton, joints: int, dimensions: int) -> None:
    assert (skeleton.num_joints, skeleton.dimensions) == (joints, dimensions)
    assert len(skeleton.edges) == joints - 1


@every_skeleton
def test_mirror_is_an_involution_that_swaps_names(skeleton: Skeleton) -> None:
    for i, j in enumerate(skeleton.mirror):
        assert skeleton.mirror[j] == i
        name = skeleton.names[i]
        if name.startswith("left_"):
            assert skeleton.names[j] == name.replace("left_", "right_")
        elif not name.startswith("right_"):
            assert j == i


@every_skeleton
def test_the_graph_and_all_groups_of_joints_are_symmetric(skeleton: Skeleton) -> None:
    def mirrored(joints: tuple[int, ...]) -> set[int]:
        return {skeleton.mirror[joint] for joint in joints}

    assert {(skeleton.mirror[a], skeleton.mirror[b]) for a, b in skeleton.edges} == set(
        skeleton.edges
    )
    for group in (skeleton.neck, skeleton.hips, skeleton.distal, skeleton.parts.trunk):
        assert mirrored(group) == set(group)
    parts = skeleton.parts
    assert mirrored(parts.left_arm) == set(parts.right_arm)
    assert mirrored(parts.left_leg) == set(parts.right_leg)
    for scale in skeleton.coarse_scales:
        assert {frozenset(mirrored(part)) for part in scale} == {frozenset(p) for p in scale}


@every_skeleton
def test_the_parts_cover_all_joints_and_coarse_scales_cover_each_once(skeleton: Skeleton) -> None:
    everything = list(range(skeleton.num_joints))
    parts = skeleton.parts
    assert sorted({j for part in (*parts.limbs, parts.trunk) for j in part}) == everything
    for scale in skeleton.coarse_scales:
        assert sorted(joint for part in scale for joint in part) == everything


@every_skeleton
def test_hop_distance_is_a_metric_of_the_graph(skeleton: Skeleton) -> None:
    distance = skeleton.hop_distance()
    assert (distance == distance.T).all()
    assert ((distance == 0) == np.eye(skeleton.num_joints, dtype=bool)).all()
    assert (distance == 1).sum() == 2 * len(skeleton.edges)


def test_dance_14_is_six_hops_wide_about_the_neck() -> None:
    distance = DANCE_14.hop_distance()
    assert distance.max() == 6  # wrist to ankle, three hops to the neck and three down
    assert (distance[INDEX["neck"]] <= 3).all()


def test_landmarks_of_the_estimator_mirror_in_pairs() -> None:
    order = np.array(DANCE_14.landmark_mirror)
    assert order[order].tolist() == list(range(33))
    assert np.flatnonzero(order == np.arange(33)).tolist() == [0]  # the nose


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"names": (*DANCE_14.names[:-1], "neck")}, "same name"),
        ({"dimensions": 4}, "4 dimensions"),
        ({"turn_plane": (0, 2)}, "an axis beyond"),
        ({"edges": DANCE_14.edges[:-1]}, "not all joints"),
        ({"edges": (*DANCE_14.edges, (12, 13))}, "no tree"),
        ({"centre": 0}, "no tree"),
        ({"mirror_pairs": ((2, 3), (3, 4))}, "two mirror pairs"),
        ({"colours": DANCE_14.colours[:-1]}, "13 colours"),
    ],
)
def test_contradictory_fields_are_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(DANCE_14, **change)  # type: ignore[arg-type]


def test_skeletons_need_only_numpy() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'polars', 'cv2', 'scipy'):\n"
        "    sys.modules[name] = None\n"
        "import dance_models.skeleton, dance_models.skeletons.coco_17\n"
        "import dance_models.skeletons.mocap_25, dance_models.geometry\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


# --- geometry ---------------------------------------------------------------------------------


@every_skeleton
def test_mirroring_twice_is_the_identity(skeleton: Skeleton) -> None:
    pose = _poses(skeleton)
    once = mirror_keypoints(pose, 320, skeleton=skeleton)
    left, right = skeleton.index["left_knee"], skeleton.index["right_knee"]
    np.testing.assert_array_equal(once[:, left, 0], 319 - pose[:, right, 0])
    np.testing.assert_array_equal(once[:, left, 1:], pose[:, right, 1:])
    np.testing.assert_array_equal(mirror_keypoints(once, 320, skeleton=skeleton), pose)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_box_leaves_missing_joints_out(dimensions: int) -> None:
    pose = np.full((1, 14, dimensions), np.nan, np.float32)
    assert np.isnan(person_box(pose)).all()
    pose[0, 0], pose[0, 5] = (3, 4, 9)[:dimensions], (10, 2, 1)[:dimensions]
    expected = [3, 2, 10, 4] if dimensions == 2 else [3, 2, 1, 10, 4, 9]
    np.testing.assert_array_equal(person_box(pose)[0], expected)
