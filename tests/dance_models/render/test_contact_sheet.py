"""Contact sheets stay small and show the given images."""

import cv2
import numpy as np
import pytest

from dance_models.render.contact_sheet import MAX_BYTES, contact_sheet
from dance_models.skeleton import DANCE_14


def decode(sheet):
    return cv2.imdecode(np.frombuffer(sheet, np.uint8), cv2.IMREAD_COLOR_RGB)


def noise(count, height=360, width=480):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def test_layout() -> None:
    images = [np.full((90, 120, 3), 20 * i, np.uint8) for i in range(5)]
    sheet = decode(contact_sheet(images, columns=3, width=400))
    cell = (400 - 4 * 4) // 3
    assert sheet.shape == (2 * (96 + 4) + 4, 3 * (cell + 4) + 4, 3)
    assert abs(int(sheet[50, 4 + cell + 4 + 60, 0]) - 20) < 5  # second in the first row
    assert abs(int(sheet[150, 4 + cell + 4 + 60, 0]) - 80) < 5  # fifth in the second
    assert abs(int(sheet[150, -50, 0]) - 24) < 5  # nothing after it


def test_a_worst_case_image_fits_into_a_preview() -> None:
    sheet = contact_sheet(noise(12))
    assert len(sheet) <= MAX_BYTES


def test_quality_is_reduced_before_size() -> None:
    images = [cv2.GaussianBlur(image, (0, 0), 3) for image in noise(6)]
    full = contact_sheet(images, max_bytes=10**7)
    tight = contact_sheet(images, max_bytes=int(len(full) * 0.7))
    tiny = contact_sheet(images, max_bytes=len(full) // 12)
    assert len(tight) <= len(full) * 0.7
    assert len(tiny) <= len(full) // 12
    assert decode(tight).shape == decode(full).shape
    assert decode(tiny).shape[1] < decode(full).shape[1]


def test_a_sheet_that_cannot_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit into 100 bytes"):
        contact_sheet(noise(4), max_bytes=100)


def test_keypoints_are_scaled_with_their_image() -> None:
    pose = np.full((14, 2), np.nan)
    pose[DANCE_14.index["left_wrist"]] = (400, 300)
    images = [np.zeros((400, 800, 3), np.uint8)] * 2
    sheet = decode(contact_sheet(images, [None, pose], columns=2, width=412))
    bright = np.argwhere(sheet.min(axis=2) > 150)
    np.testing.assert_allclose(bright.mean(axis=0), (4 + 75, 4 + 200 + 4 + 100), atol=1.5)


def test_scores_hide_joints() -> None:
    pose = np.full((14, 2), 50.0)
    images = [np.zeros((100, 100, 3), np.uint8)]
    hidden = decode(contact_sheet(images, [pose], [np.full(14, 0.1)], width=108))
    shown = decode(contact_sheet(images, [pose], [np.full(14, 0.9)], width=108))
    assert hidden.max() < 60
    assert shown.max() > 150


def test_mixed_sizes_and_labels() -> None:
    images = [*noise(1, 100, 200), *noise(1, 200, 100), *noise(1, 77, 33)]
    plain = decode(contact_sheet(images, columns=3, width=300))
    labelled = decode(contact_sheet(images, labels=["a", "b", "c"], columns=3, width=300))
    assert plain.shape == labelled.shape
    small = (np.abs(plain.astype(int) - labelled).max(axis=2) > 60).sum()
    assert small
    larger = decode(contact_sheet(images, labels=["a", "b", "c"], columns=3, width=300, font=1.1))
    assert (np.abs(plain.astype(int) - larger).max(axis=2) > 60).sum() > 2 * small


def test_the_same_input_gives_the_same_bytes() -> None:
    assert contact_sheet(noise(3)) == contact_sheet(noise(3))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
    with pytest.raises(ValueError, match="1 keypoints for 2 images"):
        contact_sheet(noise(2), [None])
