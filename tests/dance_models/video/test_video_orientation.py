"""Pictures are turned, mirrored and stretched as a player does."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips_made import numbered, set_display_matrix, write_clip
from PIL import Image

from dance_models.video.decode import extract_frames
from dance_models.video.orientation import Orientation, displayed_size, orientation_of_matrix
from dance_models.video.probe import ClipProbe, probe_clip

MATRICES = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, -1, 0),
    (0, -1, 1, 0),
    (0, 1, 1, 0),
    (0, -1, -1, 0),
]


def _shown(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:  # type: ignore[type-arg]
    """Every pixel at the place that the matrix sends it to, moved into the picture."""
    a, b, c, d = matrix
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    out = np.zeros((int(down.max()) + 1, int(across.max()) + 1, 3), np.uint8)
    out[down, across] = image
    return out


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_eight_orientations_are_those_of_the_matrix(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = write_clip(tmp_path / "m.mp4", 8)
    set_display_matrix(path, matrix)
    probe = probe_clip(path)
    expected = _shown(numbered(5), matrix)
    assert (probe.height, probe.width) == expected.shape[:2]
    (frame,) = extract_frames(path, probe, [5], tmp_path / "out")
    got = np.asarray(Image.open(frame.path)).astype(int)
    assert np.abs(got - expected.astype(int)).mean() < 4
    assert ("mirrored left to right when displayed" in probe.warnings) == (
        matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0
    )
    assert probe.remarks == []


def test_a_mirrored_and_turned_picture_is_mirrored_first() -> None:
    flat = np.array([0, 1, 0, 1, 0, 0, 0, 0, 0], np.int32)  # transposed
    assert orientation_of_matrix(flat) == Orientation(90, mirrored=True)


@pytest.mark.parametrize(
    ("coded", "aspect", "turned", "shown"),
    [
        ((360, 360), (4, 3), False, (480, 360)),
        ((1440, 1080), (4, 3), False, (1920, 1080)),
        ((720, 576), (16, 15), False, (768, 576)),
        ((720, 480), (8, 9), False, (720, 540)),  # no pixel is lost
        ((1440, 1080), (4, 3), True, (1080, 1920)),
        ((640, 480), (1001, 1000), False, (640, 480)),
    ],
)
def test_sizes_as_displayed(
    coded: tuple[int, int], aspect: tuple[int, int], turned: bool, shown: tuple[int, int]
) -> None:
    orientation = Orientation(90 if turned else 0)
    assert displayed_size(coded, Fraction(*aspect), orientation) == shown


@pytest.mark.parametrize("turned", [False, True])
def test_pixels_that_are_not_square_are_stretched(tmp_path: Path, turned: bool) -> None:
    path = write_clip(tmp_path / "a.mp4", 8, size=(240, 240), aspect=Fraction(4, 3))
    if turned:
        set_display_matrix(path, (0, 1, -1, 0))
    probe = probe_clip(path)
    assert probe.size == ((240, 320) if turned else (320, 240))
    assert (probe.coded_width, probe.coded_height) == probe.unstretched == (240, 240)
    assert probe.remarks == [
        "pixels are not square (4:3): 240x240 in the file, "
        f"{'240x320' if turned else '320x240'} as displayed"
    ]
    (frame,) = extract_frames(path, probe, [3], tmp_path / "out")
    image = Image.open(frame.path)
    assert image.size == probe.size
    back = image.rotate(90, expand=True) if turned else image
    stretched = Image.fromarray(numbered(3, (240, 240))).resize((320, 240))
    assert np.abs(np.asarray(back).astype(int) - np.asarray(stretched).astype(int)).mean() < 4


def test_a_probe_from_before_is_read(tmp_path: Path) -> None:
    row = probe_clip(write_clip(tmp_path / "c.mp4", 4)).as_row()
    for name in ("mirrored", "coded_width", "coded_height", "in_order", "remarks"):
        del row[name]
    probe = ClipProbe.from_row(row)
    assert probe.orientation == Orientation()
    assert probe.unstretched == probe.size == (320, 240)
    assert not probe.in_order
