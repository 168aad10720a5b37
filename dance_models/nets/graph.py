"""Adjacency matrices of a skeleton of J joints."""

import torch
from torch import Tensor

from dance_models.skeleton import DANCE_14, Skeleton


def _column_normalised(matrix: Tensor) -> Tensor:
    """A D^-1; columns without an entry stay zero."""
    return matrix / matrix.sum(dim=0, keepdim=True).clamp(min=1)


def spatial_partition(skeleton: Skeleton = DANCE_14) -> Tensor:
    """ST-GCN's partition about the skeleton's centre, (3, J, J): root, centripetal, centrifugal.

    ``A[k, v, w]`` is the weight of joint v in the sum for joint w. Together the three cover each
    joint and its neighbours once; columns of their sum add up to one (Yan et al. 2018, section
    3.3).
    """
    distance = torch.from_numpy(skeleton.hop_distance())
    linked = _column_normalised((distance <= 1).float())
    to_centre = distance[skeleton.centre]
    source, target = to_centre[:, None], to_centre[None, :]
    root = linked * (source == target)
    centripetal = linked * (source < target)
    centrifugal = linked * (source > target)
    return torch.stack([root, centripetal, centrifugal])


def first_order(skeleton: Skeleton = DANCE_14) -> Tensor:
    """Joint and its neighbours, D^-1/2 (A + I) D^-1/2, shape (J, J)."""
    linked = (torch.from_numpy(skeleton.hop_distance()) <= 1).float()
    scale = linked.sum(dim=0).rsqrt()
    return scale[:, None] * linked * scale[None, :]


def symmetric_edges(skeleton: Skeleton = DANCE_14) -> Tensor:
    """A_sym of Eq 11: itself and its mirror joint, boolean (J, J)."""
    allowed = torch.eye(skeleton.num_joints, dtype=torch.bool)
    for left, right in skeleton.mirror_pairs:
        allowed[left, right] = allowed[right, left] = True
    return allowed


def connected_edges(skeleton: Skeleton = DANCE_14) -> Tensor:
    """A_con of Eq 11: first-order rows, second-order rows (two hops) for distal joints.

    Boolean (J, J). Row i holds the joints that joint i attends to, itself included. The
    second-order row is that of A squared with self loops: everything within two hops (GAST-Net).
    """
    distance = torch.from_numpy(skeleton.hop_distance())
    allowed = distance <= 1
    for joint in skeleton.distal:
        allowed[joint] = distance[joint] <= 2
    return allowed
