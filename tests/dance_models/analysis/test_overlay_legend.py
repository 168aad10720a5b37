"""The legend of the overlay has about the same share of every picture."""

import numpy as np
import pytest

from dance_models.analysis.overlay import MOST_LEGEND, _legend, _stroke, _text_scale


@pytest.mark.parametrize(
    "size", [(320, 240), (240, 426), (480, 360), (1280, 720), (1920, 1080), (1080, 1920)]
)
@pytest.mark.parametrize("horizon_ms", [None, 160])
def test_it_is_small_and_there(size: tuple[int, int], horizon_ms: int | None) -> None:
    height, width = _legend(size, horizon_ms).kept.shape[:2]
    assert 0.25 < width / size[0] < 0.6
    assert 0.01 < height / size[1] < 0.08


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (1920, 1080), (1080, 1920)])
def test_it_can_be_read_on_a_phone(size: tuple[int, int]) -> None:
    """Shown 390 pixels wide, its letters are 8 pixels high, with strokes of about a pixel."""
    bright = _legend(size, None).paint.max(axis=(1, 2)) > 100 * 255
    rows = np.flatnonzero(bright)
    assert (rows[-1] - rows[0]) * 390 / size[0] >= 8
    assert _stroke(_text_scale(size)) * 390 / size[0] >= 0.85


def test_a_picture_that_is_too_small_for_it_has_none() -> None:
    assert _legend((64, 64), 160).kept.size == 0
    assert MOST_LEGEND[0] < 0.7
