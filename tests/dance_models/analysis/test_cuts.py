"""Cuts among coarse grey frames."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.analysis.cuts import with_cuts


@dataclass(frozen=True)
class Frame:
    signature: NDArray[np.uint8]


def scene(seed: int, frames: int, *, drift: float = 1.0, level: float = 0.0) -> NDArray[np.uint8]:
    """A picture of its own in which ``drift`` grey levels change from frame to frame."""
    draw = np.random.default_rng(seed)
    still = draw.uniform(40, 200, 432)
    moved = np.cumsum(draw.normal(0, drift, (frames, 432)), axis=0)
    return np.clip(still + moved + level, 0, 255).astype(np.uint8)


def found(*parts: NDArray[np.uint8]) -> list[int]:
    frames = [Frame(signature) for signature in np.concatenate(parts)]
    pairs = list(with_cuts(frames))
    assert [frame for frame, _ in pairs] == frames
    return [i for i, (_, cut) in enumerate(pairs) if cut]


def test_each_change_of_scene_is_a_cut() -> None:
    assert found(scene(0, 20), scene(1, 20), scene(2, 2)) == [20, 40]


@pytest.mark.parametrize("drift", [0.0, 2.0, 12.0])
def test_movement_is_none(drift: float) -> None:
    assert found(scene(0, 60, drift=drift)) == []


def test_a_flash_and_a_frozen_frame_are_none() -> None:
    flashing = scene(0, 40)
    flashing[20:22] = 250
    assert found(flashing) == []
    frozen = np.repeat(scene(0, 20), 2, axis=0)
    assert found(frozen) == []


def test_few_frames() -> None:
    assert found(scene(0, 1)) == []
    assert found(scene(0, 1), scene(1, 1)) == [1]
