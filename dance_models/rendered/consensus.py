"""The truth in an estimator's own definition: what its estimates of all views agree on.

A joint of an estimator is not where the annotation's joint is: its hip lies higher, its shoulder
farther in. Seen from several known cameras, the point that it means can be triangulated. The exact
joint X is known too, so the point is written as X + R o, where R turns the joint's own axes into
the world. What an estimator means by a joint is nearly fixed in the body. So the offset o moves
slowly while X moves fast, and averaging o over time takes away the errors of single frames without
smoothing the motion. A joint's offset minimises

    sum over views v and frames s of g(s - t) w_vs |u_vs - proj(P_vs, X_s + R_s o)|^2

with a Gaussian g in time, pixels in metres at the joint's depth, and the Geman-McClure weight
w = c / (1 + r^2 / k^2)^2 of the residual r. The weight leaves single views out in which left and
right are exchanged or a limb is missed; c is the estimator's confidence. Solved by Gauss-Newton
with weights from the step before, from a wide k to a narrow one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SCALES_M: Final = (0.25, 0.12, 0.07, 0.05, 0.05, 0.05)  # k of each step
_PRIOR_M: Final = 0.08  # standard deviation of offsets: holds what no view sees
_NOISE_M: Final = 0.03  # of an estimate that is not an outlier, across the viewing direction
_MEMORY_FRAMES: Final = 9  # errors of neighbouring frames are alike: so many count as one
_LEAST_AGREEING: Final = 2.0  # sum of the views' weights, for a consensus to be trusted
_FARTHEST_M: Final = 0.2  # an offset beyond this is an error that all views share


@dataclass(frozen=True, eq=False)
class Views:
    """V views of one piece: T frames of J joints."""

    exact: Array  # (T, J, 3) metres
    frames: Array  # (T, J, 3, 3) a joint's own axes to the world
    projection: Array  # (V, T, 3, 4) homogeneous metres to pixels
    estimate: NDArray[np.floating]  # (V, T, J, 2) pixels, NaN where missing
    confidence: NDArray[np.floating]  # (V, T, J) 0..1, of the estimate


@dataclass(frozen=True, eq=False)
class Consensus:
    """The offset of the estimator's joints from the exact ones, and how sure it is."""

    offset: Array  # (T, J, 3) metres in a joint's own axes
    error: Array  # (T, J) standard error, metres
    agreeing: Array  # (T, J) number of views, weighted, that agree about the moment

    def trusted(self, most_error_m: float) -> NDArray[np.bool_]:
        """(T, J) where enough views agree closely enough on a point near the exact joint."""
        near = np.linalg.norm(self.offset, axis=-1) < _FARTHEST_M
        return np.asarray(near & (self.error < most_error_m) & (self.agreeing >= _LEAST_AGREEING))


def consensus(views: Views, smooth_frames: float) -> Consensus:
    """The offsets of all joints; ``smooth_frames`` is the standard deviation of g, 0 for none."""
    kernel = _kernel(len(views.exact), smooth_frames)
    offset: Array = np.zeros(views.exact.shape)
    for scale in _SCALES_M:
        residual, slope = _linear(views, offset)
        weight = _weights(views, residual, scale)
        # Normal equations of every frame, then their weighted sums over the frames about each.
        square = np.einsum("vtj,vtjai,vtjak->tjik", weight, slope, slope)
        side = np.einsum("vtj,vtjai,vtja->tji", weight, slope, np.nan_to_num(residual))
        # Residuals are about o of their own frame: the sum is over targets, slope @ o + residual.
        side += np.einsum("tjik,tjk->tji", square, offset)
        square, side = _summed(kernel, square), _summed(kernel, side)
        square += (_NOISE_M / _PRIOR_M) ** 2 * np.eye(3)
        offset = np.asarray(np.linalg.solve(square, side[..., None])[..., 0], np.float64)
    alike = np.minimum(kernel.sum(axis=1), _MEMORY_FRAMES)[:, None]
    spread = _NOISE_M**2 * alike * np.trace(np.linalg.inv(square), axis1=-2, axis2=-1)
    return Consensus(offset, np.sqrt(spread), _averaged(kernel, weight.sum(axis=0)))


def consensus_points(views: Views, found: Consensus, most_error_m: float) -> Array:
    """(V, T, J, 2) pixels of the consensus in each view; NaN where it is not trusted."""
    points = project(views.projection, world(views, found.offset))
    return np.where(found.trusted(most_error_m)[None, ..., None], points, np.nan)


def world(views: Views, offset: Array) -> Array:
    """(T, J, 3) metres of the points at these offsets."""
    return np.asarray(views.exact + np.einsum("tjik,tjk->tji", views.frames, offset))


def project(projection: Array, points: Array) -> Array:
    """(V, T, 3, 4) and (T, J, 3) metres -> (V, T, J, 2) pixels."""
    seen = np.einsum("vtik,tjk->vtji", projection[..., :3], points) + projection[:, :, None, :, 3]
    return np.asarray(seen[..., :2] / seen[..., 2:])


def _linear(views: Views, offset: Array) -> tuple[Array, Array]:
    """Residual (V, T, J, 2) in metres at the joint, and its slope (V, T, J, 2, 3) in the offset."""
    points = world(views, offset)
    matrix = views.projection[..., :3]  # (V, T, 3, 3)
    seen = np.einsum("vtik,tjk->vtji", matrix, points) + views.projection[:, :, None, :, 3]
    depth = seen[..., 2:]
    pixel = seen[..., :2] / depth
    # d(pixel)/d(point) = (M_xy - pixel m_z) / depth
    slope = (matrix[:, :, None, :2] - pixel[..., None] * matrix[:, :, None, 2:]) / depth[..., None]
    scale = np.linalg.norm(slope, axis=(-2, -1)) / np.sqrt(2)  # pixels a metre
    slope = np.einsum("vtjai,tjik->vtjak", slope, views.frames) / scale[..., None, None]
    return (views.estimate - pixel) / scale[..., None], slope


def _weights(views: Views, residual: Array, scale: float) -> Array:
    """(V, T, J) confidence times Geman-McClure; 0 where there is no estimate."""
    distance = np.nan_to_num(np.linalg.norm(residual, axis=-1), nan=np.inf)
    return np.asarray(views.confidence / (1 + (distance / scale) ** 2) ** 2)


def _kernel(frames: int, smooth: float) -> Array:
    """(T, T) g: 1 at the frame itself."""
    if smooth <= 0:
        return np.eye(frames)
    apart = np.arange(frames)[:, None] - np.arange(frames)
    return np.asarray(np.exp(-0.5 * (apart / smooth) ** 2))


def _summed(kernel: Array, values: Array) -> Array:
    return np.asarray(np.tensordot(kernel, values, axes=1))


def _averaged(kernel: Array, values: Array) -> Array:
    return _summed(kernel / kernel.sum(axis=1, keepdims=True), values)
