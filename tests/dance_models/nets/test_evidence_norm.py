import torch

from dance_models.evidence import (
    JOINT_EVIDENCE,
    KNOWN,
    MIRRORED_KNOWN,
    NUM_JOINT_EVIDENCE,
    OF_MIRRORED,
)
from dance_models.nets.evidence_norm import LARGEST, EvidenceNorm

FLAGS = [KNOWN, MIRRORED_KNOWN]
VALUES = [i for i in range(NUM_JOINT_EVIDENCE) if i not in FLAGS]


def _evidence(count: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    evidence = 3 + 0.01 * torch.randn(count, 11, 14, NUM_JOINT_EVIDENCE, generator=generator)
    evidence[..., FLAGS] = 1
    return evidence


def test_values_are_normalised_and_flags_stay() -> None:
    normed = EvidenceNorm(14)(_evidence())
    assert normed[..., VALUES].mean().abs() < 1e-2
    assert 0.8 < normed[..., VALUES].std() < 1.01
    assert (normed[..., FLAGS] == 1).all()


def test_what_is_not_known_is_zero_whatever_stands_there() -> None:
    norm, evidence = EvidenceNorm(14).eval(), _evidence(2)
    evidence[0, :, :, MIRRORED_KNOWN] = 0
    evidence[1, :, :, FLAGS] = 0
    normed = norm(evidence)
    assert (normed[0][..., OF_MIRRORED] == 0).all()
    assert (normed[0, ..., JOINT_EVIDENCE.index("depth")] != 0).all()
    assert (normed[1] == 0).all()


def test_evidence_that_never_varied_in_training_does_not_explode_later() -> None:
    """A network learnt without a mirrored pass and is used with one."""
    norm, evidence = EvidenceNorm(14), _evidence()
    evidence[..., OF_MIRRORED] = 0
    for _ in range(100):
        norm(evidence)
    evidence[..., OF_MIRRORED] = 40
    assert norm.eval()(evidence).abs().max() == LARGEST
