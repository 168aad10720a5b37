import torch

from dance_models.nets.graph import (
    connected_edges,
    first_order,
    spatial_partition,
    symmetric_edges,
)
from dance_models.skeleton import DANCE_14

INDEX = DANCE_14.index


def _names(row: torch.Tensor) -> set[str]:
    return {name for name, i in INDEX.items() if row[i]}


def test_partition_covers_joint_and_neighbours_once() -> None:
    parts = spatial_partition()
    assert parts.shape == (3, DANCE_14.num_joints, DANCE_14.num_joints)
    assert ((parts > 0).sum(dim=0) <= 1).all()
    linked = (
        {(i, i) for i in range(DANCE_14.num_joints)}
        | set(DANCE_14.edges)
        | {(b, a) for a, b in DANCE_14.edges}
    )
    assert {tuple(x) for x in (parts.sum(dim=0) > 0).nonzero().tolist()} == linked


def test_columns_of_the_partition_sum_to_one() -> None:
    torch.testing.assert_close(spatial_partition().sum(dim=(0, 1)), torch.ones(DANCE_14.num_joints))


def test_partition_is_about_the_neck() -> None:
    root, centripetal, centrifugal = spatial_partition()
    shoulder, elbow, neck = INDEX["left_shoulder"], INDEX["left_elbow"], INDEX["neck"]
    # The shoulder is linked to itself, the neck and the elbow: a third each.
    assert torch.isclose(root[shoulder, shoulder], torch.tensor(1 / 3))
    assert torch.isclose(centripetal[neck, shoulder], torch.tensor(1 / 3))  # nearer the centre
    assert torch.isclose(centrifugal[elbow, shoulder], torch.tensor(1 / 3))  # farther from it
    assert (root == torch.diag(torch.diagonal(root))).all()  # no edge joins equal distances


def test_first_order_is_symmetrically_normalised() -> None:
    matrix = first_order()
    torch.testing.assert_close(matrix, matrix.T)
    knee, ankle = INDEX["left_knee"], INDEX["left_ankle"]  # three and two links, self included
    assert torch.isclose(matrix[knee, ankle], torch.tensor(6.0).rsqrt())


def test_symmetric_edges_are_itself_and_the_mirror_joint() -> None:
    allowed = symmetric_edges()
    assert _names(allowed[INDEX["left_knee"]]) == {"left_knee", "right_knee"}
    assert _names(allowed[INDEX["neck"]]) == {"neck"}


def test_distal_joints_have_second_order_rows_and_others_first_order() -> None:
    allowed = connected_edges()
    expected = {
        "left_wrist": {"left_wrist", "left_elbow", "left_shoulder"},
        "right_ankle": {"right_ankle", "right_knee", "right_hip"},
        "head_top": {
            "head_top",
            "neck",
            "left_shoulder",
            "right_shoulder",
            "left_hip",
            "right_hip",
        },
        "left_elbow": {"left_elbow", "left_shoulder", "left_wrist"},
        "neck": {"neck", "head_top", "left_shoulder", "right_shoulder", "left_hip", "right_hip"},
    }
    for joint, names in expected.items():
        assert _names(allowed[INDEX[joint]]) == names, joint
    # Only rows are restricted: the shoulder does not read the wrist.
    assert not allowed[INDEX["left_shoulder"], INDEX["left_wrist"]]
