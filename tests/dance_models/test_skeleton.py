import numpy as np

from dance_models import skeleton
from dance_models.geometry import mirror_keypoints, person_box


def test_mirror_is_an_involution_that_swaps_names() -> None:
    for i, j in enumerate(skeleton.MIRROR):
        assert skeleton.MIRROR[j] == i
        name = skeleton.JOINTS[i]
        if name.startswith("left_"):
            assert skeleton.JOINTS[j] == name.replace("left_", "right_")
        elif not name.startswith("right_"):
            assert j == i


def test_the_edges_are_a_tree_over_all_joints() -> None:
    assert len(skeleton.EDGES) == skeleton.NUM_JOINTS - 1
    distance = skeleton.hop_distance()
    assert distance.max() == 6  # wrist to ankle, three hops to the neck and three down
    assert (distance == distance.T).all()
    assert (distance[skeleton.NECK] <= 3).all()


def test_every_edge_has_its_mirror_image() -> None:
    mirrored = {(skeleton.MIRROR[a], skeleton.MIRROR[b]) for a, b in skeleton.EDGES}
    assert mirrored == set(skeleton.EDGES)


def test_mirroring_twice_is_the_identity() -> None:
    pose = np.random.default_rng(0).integers(0, 320, (5, 14, 2)).astype(np.float32)
    once = mirror_keypoints(pose, 320)
    assert once[0, skeleton.INDEX["left_knee"], 0] == 319 - pose[0, skeleton.INDEX["right_knee"], 0]
    np.testing.assert_array_equal(mirror_keypoints(once, 320), pose)


def test_the_box_leaves_missing_joints_out() -> None:
    pose = np.full((1, 14, 2), np.nan, np.float32)
    assert np.isnan(person_box(pose)).all()
    pose[0, 0], pose[0, 5] = (3, 4), (10, 2)
    np.testing.assert_array_equal(person_box(pose)[0], [3, 2, 10, 4])
