"""The consensus of several views: exact where it can be, robust, and honest where it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.demo.stage import Camera
from dance_models.rendered.consensus import (
    Views,
    consensus,
    consensus_points,
    project,
    world,
)

JOINTS = np.array([[0.0, 0.0, 1.4], [0.3, 0.1, 1.1], [-0.3, -0.1, 1.1]])


def _projection(azimuth: float) -> NDArray[np.float64]:
    eye = np.array([4 * np.cos(azimuth), 4 * np.sin(azimuth), 1.3])
    camera = Camera((640, 480), 600.0, eye, np.array([0.0, 0.0, 1.1]))
    inner = np.array([[600.0, 0, 319.5], [0, 600.0, 239.5], [0, 0, 1]])
    return np.asarray(inner @ np.c_[camera.axes, -camera.axes @ camera.eye])


def _turn(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.moveaxis(np.array([[c, -s, zero], [s, c, zero], [zero, zero, one]]), -1, 0)


def _views(offset: NDArray[np.float64], noise: float = 0.0, views: int = 8) -> Views:
    """A body that turns once in 40 frames; every joint means ``offset`` in the body's axes."""
    frames = 40
    turn = _turn(np.linspace(0, 2 * np.pi, frames))
    exact = np.einsum("tik,jk->tji", turn, JOINTS)
    axes = np.repeat(turn[:, None], len(JOINTS), axis=1)
    azimuths = 2 * np.pi * np.arange(views) / views
    projection = np.repeat(np.stack([_projection(a) for a in azimuths])[:, None], frames, axis=1)
    meant = exact + np.einsum("tik,k->ti", turn, offset)[:, None]
    estimate = project(projection, meant)
    estimate += np.random.default_rng(0).normal(0, noise, estimate.shape)
    return Views(exact, axes, projection, estimate, np.ones(estimate.shape[:-1]))


def test_projection_is_that_of_the_renderers_camera() -> None:
    camera = Camera((640, 480), 600.0, np.array([0.0, -4.0, 1.3]), np.array([0.0, 0.0, 1.1]))
    pixels = project(_projection(-np.pi / 2)[None, None], JOINTS[None])[0, 0]
    np.testing.assert_allclose(pixels, camera.project(JOINTS)[0], atol=1e-9)


@pytest.mark.parametrize("smooth", [0.0, 10.0])
def test_a_known_offset_is_recovered_in_the_bodys_own_axes(smooth: float) -> None:
    offset = np.array([0.02, -0.03, 0.04])
    found = consensus(_views(offset), smooth)
    # the prior of 8 cm pulls a single frame of 8 views by 2 % of its length
    np.testing.assert_allclose(found.offset, np.broadcast_to(offset, (40, 3, 3)), atol=0.0035)
    assert found.trusted(0.05).all()


def test_a_point_is_recovered_from_noisy_views_with_one_outlier() -> None:
    offset = np.array([0.03, 0.0, 0.02])
    views = _views(offset, noise=3.0)  # 2 cm
    wrong = views.estimate.copy()
    wrong[3, :, 1] += 80.0  # half a metre
    found = consensus(replace(views, estimate=wrong), 10.0)
    error = np.linalg.norm(found.offset - offset, axis=-1)
    assert error.max() < 0.012
    without = consensus(views, 10.0)
    assert np.abs(found.offset - without.offset).max() < 0.006


def test_a_view_with_left_and_right_exchanged_is_left_out() -> None:
    views = _views(np.array([0.0, 0.02, 0.03]), noise=1.0)
    swapped = views.estimate.copy()
    swapped[2] = swapped[2][:, [0, 2, 1]]
    found = consensus(replace(views, estimate=swapped), 10.0)
    np.testing.assert_allclose(
        found.offset, np.broadcast_to([0, 0.02, 0.03], (40, 3, 3)), atol=0.01
    )


def test_averaging_takes_the_noise_away_and_keeps_the_motion() -> None:
    views = _views(np.zeros(3), noise=4.0)
    single, averaged = (consensus(views, s) for s in (0.0, 10.0))
    rough = [
        np.linalg.norm(np.diff(world(views, f.offset) - views.exact, n=2, axis=0), axis=-1).mean()
        for f in (single, averaged)
    ]
    assert rough[1] < 0.1 * rough[0]
    assert averaged.error.mean() < 0.9 * single.error.mean()


def test_missing_estimates_do_not_count_and_too_few_are_not_trusted() -> None:
    views = _views(np.array([0.02, 0.0, 0.0]))
    lost = views.estimate.copy()
    lost[1:, :, 2] = np.nan
    lost[4, 10:20, 0] = np.nan
    found = consensus(replace(views, estimate=lost), 5.0)
    assert np.isfinite(found.offset).all()
    trusted = found.trusted(0.05)
    assert trusted[:, :2].all()
    assert not trusted[:, 2].any()
    points = consensus_points(views, found, 0.05)
    assert points.shape == (8, 40, 3, 2)
    assert np.isnan(points[:, :, 2]).all()
    np.testing.assert_allclose(points[:, :, :2], views.estimate[:, :, :2], atol=0.5)


def test_an_error_that_all_views_share_is_not_taken_for_a_definition() -> None:
    views = _views(np.array([0.0, 0.0, 0.0]))
    raised = project(views.projection, views.exact + np.array([0.0, 0.0, 0.5]))
    found = consensus(replace(views, estimate=raised), 10.0)
    assert not found.trusted(0.05).any()


def test_a_confident_view_weighs_more() -> None:
    views = _views(np.zeros(3))
    meant = world(views, np.broadcast_to([0.0, 0.0, 0.06], views.exact.shape))
    estimate = views.estimate.copy()
    estimate[:4] = project(views.projection, meant)[:4]  # half of the views see it higher
    sure = views.confidence.copy()
    sure[4:] = 0.05
    height = [
        consensus(replace(views, estimate=estimate, confidence=c), 10.0).offset[..., 2].mean()
        for c in (sure, sure[::-1])
    ]
    assert height[0] > 0.05
    assert height[1] < 0.01
