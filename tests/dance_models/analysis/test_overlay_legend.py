"""The legend of the overlay has about the same share of every picture."""

import pytest

from dance_models.analysis.overlay import MOST_LEGEND, _legend


@pytest.mark.parametrize(
    "size", [(320, 240), (240, 426), (480, 360), (1280, 720), (1920, 1080), (1080, 1920)]
)
@pytest.mark.parametrize("horizon_ms", [None, 160])
def test_it_is_small_and_there(size: tuple[int, int], horizon_ms: int | None) -> None:
    height, width = _legend(size, horizon_ms).kept.shape[:2]
    assert 0.1 < width / size[0] < 0.35
    assert 0.04 < height / size[1] < 0.15


def test_a_picture_that_is_too_small_for_it_has_none() -> None:
    assert _legend((64, 64), 160).kept.size == 0
    assert MOST_LEGEND[0] < 0.5
