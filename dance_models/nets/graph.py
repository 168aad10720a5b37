"""Adjacency matrices of the 14-joint skeleton, all derived from ``skeleton.py``."""

import torch
from torch import Tensor

from dance_models.skeleton import DISTAL, MIRROR_PAIRS, NECK, NUM_JOINTS, hop_distance


def _column_normalised(matrix: Tensor) -> Tensor:
    """A D^-1; columns without an entry stay zero."""
    return matrix / matrix.sum(dim=0, keepdim=True).clamp(min=1)


def spatial_partition() -> Tensor:
    """ST-GCN's partition about the neck, (3, 14, 14): root, centripetal, centrifugal.

    ``A[k, v, w]`` weighs what joint v gives to joint w. Together the three cover each joint and its
    neighbours once; columns of their sum add up to one (Yan et al. 2018, section 3.3).
    """
    distance = torch.from_numpy(hop_distance())
    linked = _column_normalised((distance <= 1).float())
    to_centre = distance[NECK]
    source, target = to_centre[:, None], to_centre[None, :]
    root = linked * (source == target)
    centripetal = linked * (source < target)
    centrifugal = linked * (source > target)
    return torch.stack([root, centripetal, centrifugal])


def first_order() -> Tensor:
    """Joint and its neighbours, D^-1/2 (A + I) D^-1/2, shape (14, 14)."""
    linked = (torch.from_numpy(hop_distance()) <= 1).float()
    scale = linked.sum(dim=0).rsqrt()
    return scale[:, None] * linked * scale[None, :]


def symmetric_edges() -> Tensor:
    """A_sym of Eq 11: itself and its mirror joint, boolean (14, 14)."""
    allowed = torch.eye(NUM_JOINTS, dtype=torch.bool)
    for left, right in MIRROR_PAIRS:
        allowed[left, right] = allowed[right, left] = True
    return allowed


def connected_edges() -> Tensor:
    """A_con of Eq 11: first-order rows, second-order rows (two hops) for distal joints.

    Boolean (14, 14), row i holds the joints that i listens to, itself included. The second-order
    row is that of A squared with self loops: everything within two hops (GAST-Net).
    """
    distance = torch.from_numpy(hop_distance())
    allowed = distance <= 1
    for joint in DISTAL:
        allowed[joint] = distance[joint] <= 2
    return allowed
