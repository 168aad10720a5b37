"""The camera's motion on pictures that were moved by known amounts."""

import cv2
import numpy as np
import pytest
from duet import duet
from numpy.typing import NDArray

from dance_models.analysis.camera import CameraMotion, CameraPath, stabilised

Array = NDArray[np.float64]
W, H = 240, 160
FRAMES = 40
TIME_S = np.arange(FRAMES) / 25


def scene() -> NDArray[np.uint8]:
    """A textured wall, larger than the picture."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (40, 60)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (W * 2, H * 2), interpolation=cv2.INTER_CUBIC), np.uint8)


def view(
    step: int, shift: Array, zoom: float = 1.0, dancer: bool = True
) -> tuple[NDArray[np.uint8], Array]:
    """The wall, moved by ``shift`` pixels, and a textured dancer who crosses; the dancer's box."""
    a = zoom**step
    x, y = -W / 2 + shift * step
    wall = cv2.warpAffine(scene(), np.array([[a, 0, x], [0, a, y]]), (W, H))
    x0 = 20 + 4 * step
    box = np.array([x0, 40, x0 + 40, 140], float)
    if dancer:
        rng = np.random.default_rng(7)
        patch = cv2.resize(rng.integers(0, 255, (20, 8)).astype(np.uint8), (40, 100))
        wide = max(0, min(40, W - x0))
        wall[40:140, x0 : x0 + wide] = patch[:, :wide]
    return wall, box


def followed(shift: tuple[float, float], zoom: float = 1.0, scale: float = 1.0) -> CameraPath:
    camera = CameraMotion(scale)
    for step in range(FRAMES):
        grey, box = view(step, np.array(shift), zoom)
        camera.feed(grey, box * scale)
    return camera.path()


def test_a_still_camera_is_still_though_a_dancer_crosses() -> None:
    path = followed((0, 0))
    assert path.known[1:].all()
    assert not path.known[0]
    assert path.verdict(TIME_S) == "still"
    np.testing.assert_allclose(path.steps[:, :, 2], 0, atol=0.1)
    assert path.words(TIME_S) == "The camera stands still."


@pytest.mark.parametrize("followed_one", [0, 1])
def test_a_still_camera_is_still_though_somebody_else_dances(followed_one: int) -> None:
    camera = CameraMotion()
    for image, points in duet(24, size=(320, 240)):
        known = points[followed_one]
        box = np.concatenate([known.min(axis=0), known.max(axis=0)])
        camera.feed(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8), box)
    path = camera.path()
    assert path.known[1:].all()
    assert path.verdict(TIME_S[:24]) == "still"
    np.testing.assert_allclose(path.steps[:, :, 2], 0, atol=0.1)


@pytest.mark.parametrize("shift", [(-1.5, 0.0), (0.7, -0.4)])
def test_a_pan_is_measured(shift: tuple[float, float]) -> None:
    path = followed(shift)
    assert path.known[1:].all()
    np.testing.assert_allclose(path.steps[1:, :, 2], np.tile(shift, (FRAMES - 1, 1)), atol=0.1)
    assert path.verdict(TIME_S) == "moves"
    assert "is taken out" in path.words(TIME_S)


def test_a_zoom_moves() -> None:
    path = followed((0, 0), zoom=1.004)
    np.testing.assert_allclose(path.steps[1:, 0, 0], 1.004, atol=1e-3)
    assert path.verdict(TIME_S) == "moves"


def test_steps_are_in_pixels_of_the_video() -> None:
    path = followed((-1.5, 0.5), scale=4.0)
    np.testing.assert_allclose(np.median(path.steps[1:, :, 2], axis=0), (-6.0, 2.0), atol=0.2)
    assert (path.width, path.height) == (W * 4, H * 4)


def test_a_point_of_the_wall_stands_still_when_stabilised() -> None:
    shift = np.array([-1.5, 0.6])
    path = followed((-1.5, 0.6))
    seen = np.array([100.0, 80.0]) + shift * np.arange(FRAMES)[:, None]
    points = np.concatenate([seen, np.full((FRAMES, 1), 0.9)], axis=1)[:, None]
    points[5, 0, :2] = np.nan
    still = stabilised(points, path)
    assert np.isnan(still[5, 0, :2]).all()
    kept = np.delete(still, 5, axis=0)
    np.testing.assert_allclose(kept[:, 0, :2], np.tile([100.0, 80.0], (FRAMES - 1, 1)), atol=1.0)
    assert (still[:, 0, 2] == 0.9).all()
    np.testing.assert_array_equal(points[:, 0, 2], 0.9)


def test_a_turn_and_a_zoom_are_undone() -> None:
    turn = np.array([[0.0, -2.0, 5.0], [2.0, 0.0, -3.0]])
    path = CameraPath(np.stack([np.eye(2, 3), turn]), np.array([False, True]), W, H)
    at = np.array([[[7.0, 11.0]], [turn[:, :2] @ [7.0, 11.0] + turn[:, 2]]])
    np.testing.assert_allclose(stabilised(at, path)[1], [[7.0, 11.0]])


def test_a_plain_background_cannot_be_told() -> None:
    camera = CameraMotion()
    for _ in range(5):
        camera.feed(np.full((H, W), 90, np.uint8))
    path = camera.path()
    assert path.verdict(TIME_S[:5]) == "unknown"
    np.testing.assert_array_equal(path.steps, np.tile(np.eye(2, 3), (5, 1, 1)))


def test_a_cut_is_no_step() -> None:
    camera = CameraMotion()
    for step in range(6):
        grey, box = view(step, np.zeros(2))
        camera.feed(grey[:, ::-1].copy() if step >= 3 else grey, box, cut=step == 3)
    path = camera.path()
    assert np.flatnonzero(~path.known).tolist() == [0, 3]


def test_no_frame_and_one() -> None:
    camera = CameraMotion()
    assert camera.path().steps.shape == (0, 2, 3)
    assert camera.path().verdict(TIME_S[:0]) == "unknown"
    camera.feed(view(0, np.zeros(2))[0], np.full(4, np.nan))
    assert camera.path().verdict(TIME_S[:1]) == "unknown"
    with pytest.raises(ValueError, match="a frame of"):
        camera.feed(np.zeros((3, 3), np.uint8))
