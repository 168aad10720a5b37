"""Values with their resamples, from which the rows of the long tables are made."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig
from dance_models.evaluation.totals import PREDICTION_METRICS, Totals
from dance_models.metrics.bootstrap import (
    interval,
    pooled_ratio,
    resample_weights,
    two_sided_p,
)
from dance_models.metrics.horizon import skill
from dance_models.metrics.pck import lag_frames
from dance_models.skeleton import DANCE_14

ALL: Final = "all"  # mean over all joints
ALL_BUT_HEAD_TOP: Final = (
    "all_but_head_top"  # mean over all but one: head_top is defined least clearly
)
JOINT_ROWS: Final = (*DANCE_14.names, ALL, ALL_BUT_HEAD_TOP)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Cells of one method in one scope: values, resamples, and numbers of clips and frames."""

    value: NDArray[np.float64]  # (cells)
    samples: NDArray[np.float64]  # (B, cells)
    clips: NDArray[np.int64]  # (cells)
    frames: NDArray[np.int64]  # (cells)

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % interval of every cell, twice (cells)."""
        return interval(self.samples, self.clips)

    @cached_property
    def p_values(self) -> NDArray[np.float64]:
        """Two-sided p-value that a cell is zero, (cells); meant for differences."""
        return two_sided_p(self.samples, self.clips)


def clip_weights(clips: int, config: EvaluationConfig) -> NDArray[np.float64]:
    """Weights of the clips: once each in the first row, then the resamples, (1 + B, C)."""
    drawn = resample_weights(clips, config.bootstrap_samples, config.seed)
    return np.concatenate([np.ones((1, clips)), drawn])


def joint_estimate(
    totals: Totals, members: NDArray[np.int64], weights: NDArray[np.float64]
) -> Estimate:
    """Joints, their mean and their mean without head_top, cells (M, J + 2)."""
    counts = totals.counts[members]
    joints = pooled_ratio(weights, totals.sums[members], counts)
    body = [j for j in range(DANCE_14.num_joints) if j != DANCE_14.index["head_top"]]
    means = [_mean_of_known(joints), _mean_of_known(joints[..., body])]
    values = np.concatenate([joints, np.stack(means, axis=-1)], axis=-1)
    seen = counts > 0
    whole = [seen.any(axis=-1), seen[..., body].any(axis=-1)]
    clips = np.concatenate([seen, np.stack(whole, axis=-1)], axis=-1).sum(axis=0)
    frames = totals.frames[members].sum(axis=0)
    return Estimate(values[0], values[1:], clips, np.concatenate([frames, frames[:, -1:]], axis=1))


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def lag_estimate(
    totals: Totals, members: NDArray[np.int64], weights: NDArray[np.float64]
) -> Estimate:
    """Lag in frames, one cell; ``weights`` (1 + B, C) belong to the clips in ``members``."""
    lag = totals.lag[members]
    values = lag_frames((weights @ lag.reshape(len(members), -1)).reshape(-1, *lag.shape[1:]))
    annotated = totals.frames[members, 0, -1]
    moving = np.asarray((lag[:, 0] != 0).any(axis=-1).sum())
    return Estimate(values[0], values[1:], moving, np.asarray(annotated.sum()))


def window_estimate(
    totals: Totals, members: NDArray[np.int64], weights: NDArray[np.float64]
) -> Estimate:
    """Metrics at horizons, cells (K, 4)."""
    counts = totals.counts[members]
    values = pooled_ratio(weights, totals.sums[members], counts)
    clips = (counts > 0).sum(axis=0)
    return Estimate(values[0], values[1:], clips, totals.frames[members].sum(axis=0))


def skill_estimate(method: Estimate, still: Estimate) -> Estimate:
    """1 - mpjpe / zero-velocity mpjpe at every horizon, on the same resamples."""
    k = PREDICTION_METRICS.index("mpjpe_torso")
    return Estimate(
        skill(method.value[k], still.value[k]),
        skill(method.samples[:, k], still.samples[:, k]),
        method.clips[k],
        method.frames[k],
    )


def difference(method: Estimate, other: Estimate) -> Estimate:
    """Method minus other, value by value and resample by resample."""
    return Estimate(
        method.value - other.value,
        method.samples - other.samples,
        np.minimum(method.clips, other.clips),
        np.minimum(method.frames, other.frames),
    )
