"""Estimates that are stacked as they come."""

import numpy as np
import pytest

from dance_models.estimators import protocol
from dance_models.estimators.protocol import EstimateStack, PoseEstimate, no_landmarks, stacked
from dance_models.evidence import LANDMARKS, NUM_EVIDENCE, no_evidence

MARKS = len(LANDMARKS)


def estimates(frames: int, nobody_before: int, marks: int) -> list[PoseEstimate | None]:
    """Some frames at the start and in between have nobody."""
    rng = np.random.default_rng(frames)
    evidence = rng.normal(size=(marks, NUM_EVIDENCE)) if marks else no_evidence()
    return [
        None
        if frame < nobody_before or frame % 5 == 1 or 20 < frame < 29
        else PoseEstimate(
            *(rng.normal(size=shape).astype(np.float32) for shape in ((14, 2), (14,))),
            rng.normal(size=(marks, 3)).astype(np.float32) if marks else no_landmarks(),
            evidence.astype(np.float32),
        )
        for frame in range(frames)
    ]


@pytest.mark.parametrize("frames", [0, 1, 7, 8, 40])
@pytest.mark.parametrize("nobody_before", [0, 9])
@pytest.mark.parametrize("marks", [0, MARKS])
def test_blocks_give_what_all_at_once_give(
    frames: int, nobody_before: int, marks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "_BLOCK", 7)
    found = estimates(frames, nobody_before, marks)
    stack = EstimateStack()
    for pose in found:
        stack.add(pose)
    whole, expected = stack.taken(), stacked(found)
    for name in ("keypoints", "score", "landmarks", "evidence"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(expected, name), strict=True)
