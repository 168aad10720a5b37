"""Values with their resamples over takes, from which the rows of the long tables are made."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig
from dance_models.evaluation.totals import PREDICTION_METRICS, Totals
from dance_models.metrics.bootstrap import (
    bca_interval,
    leave_one_out_weights,
    pooled_ratio,
    resample_weights,
)
from dance_models.metrics.horizon import skill
from dance_models.metrics.pck import lag_frames
from dance_models.metrics.sign_flip import sign_flip_p, smallest_p
from dance_models.skeleton import DANCE_14

ALL: Final = "all"  # mean over all joints
ALL_BUT_HEAD_TOP: Final = (
    "all_but_head_top"  # mean over all but one: head_top is defined least clearly
)
JOINT_ROWS: Final = (*DANCE_14.names, ALL, ALL_BUT_HEAD_TOP)
_BODY: Final = [j for j in range(DANCE_14.num_joints) if j != DANCE_14.index["head_top"]]


@dataclass(frozen=True, eq=False)
class Takes:
    """The takes of C clips and the weights under which a value is computed.

    Weights are (1 + K + B, C): once each, without each of the K takes, and the resamples. All clips
    of a take share one weight.
    """

    member: NDArray[np.float64]  # (K, C) 1 where the clip is of the take
    weights: NDArray[np.float64]
    seed: int  # of the sign patterns of the test

    @classmethod
    def of(cls, groups: Sequence[str], config: EvaluationConfig) -> "Takes":
        """The takes of clips in these groups, one name a clip."""
        names, take = np.unique(np.array(groups, dtype=object), return_inverse=True)
        member = (np.arange(len(names))[:, None] == take).astype(np.float64)
        drawn = resample_weights(len(names), config.bootstrap_samples, config.seed)
        rows = [np.ones((1, len(names))), leave_one_out_weights(len(names)), drawn]
        return cls(member, np.concatenate(rows) @ member, config.seed)

    def __len__(self) -> int:
        return len(self.member)

    def sums(self, by_clip: NDArray[np.generic]) -> NDArray[np.float64]:
        """Sums over the clips of each take, (C, ...) -> (K, ...)."""
        flat = self.member @ by_clip.reshape(len(by_clip), -1).astype(np.float64)
        return flat.reshape(len(self), *by_clip.shape[1:])


@dataclass(frozen=True, eq=False)
class Estimate:
    """Cells of one method in one scope: values, resamples, and what is behind them."""

    value: NDArray[np.float64]  # (cells)
    left_out: NDArray[np.float64]  # (K, cells) without each take
    samples: NDArray[np.float64]  # (B, cells)
    clips: NDArray[np.int64]  # (cells)
    takes: NDArray[np.int64]  # (cells)
    frames: NDArray[np.int64]  # (cells)
    # (K, cells) what each take adds to the value; empty where the value is not a sum over takes
    parts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    seed: int = 0

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % interval of every cell, twice (cells)."""
        return bca_interval(self.value, self.samples, self.left_out, self.takes)

    @cached_property
    def p_values(self) -> NDArray[np.float64]:
        """Two-sided p-value that a cell is zero, (cells); meant for differences."""
        # Patterns drawn for many takes could by chance give less where few of them count.
        return np.maximum(sign_flip_p(self.parts, self.seed), smallest_p(self.takes))

    @cached_property
    def smallest_p_values(self) -> NDArray[np.float64]:
        """The smallest p-value that as many takes can give, (cells); NaN where there is none."""
        return np.where(np.isnan(self.p_values), np.nan, smallest_p(self.takes))


def joint_estimate(totals: Totals, members: NDArray[np.int64], takes: Takes) -> Estimate:
    """Joints, their mean and their mean without head_top, cells (M, J + 2).

    ``takes`` are those of the clips in ``members``.
    """
    sums, counts = totals.sums[members], totals.counts[members]
    values = _with_means(pooled_ratio(takes.weights, sums, counts))
    seen = counts > 0
    whole = np.stack([seen.any(axis=-1), seen[..., _BODY].any(axis=-1)], axis=-1)
    clips = np.concatenate([seen, whole], axis=-1)
    frames = totals.frames[members].sum(axis=0)
    return Estimate(
        *_divided(values, takes),
        clips.sum(axis=0),
        (takes.sums(clips) > 0).sum(axis=0),
        np.concatenate([frames, frames[:, -1:]], axis=1),
        _with_means(_parts(takes, sums, counts)),
        takes.seed,
    )


def _with_means(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., J) and the means over the known joints, (..., J + 2)."""
    means = [_mean_of_known(joints), _mean_of_known(joints[..., _BODY])]
    return np.concatenate([joints, np.stack(means, axis=-1)], axis=-1)


def _divided(
    values: NDArray[np.float64], takes: Takes
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Value, values without each take, and resamples."""
    first = 1 + len(takes)
    return values[0], values[1:first], values[first:]


def _parts(
    takes: Takes, sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What each take adds to a pooled ratio, (K, ...): its sum over the count of all takes.

    The parts sum to the ratio, so the differences of two methods' parts sum to the difference.
    """
    total = counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, takes.sums(sums) / total, np.nan)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def lag_estimate(totals: Totals, members: NDArray[np.int64], takes: Takes) -> Estimate:
    """Lag in frames, one cell; ``takes`` are those of the clips in ``members``."""
    lag = totals.lag[members]
    pooled = (takes.weights @ lag.reshape(len(members), -1)).reshape(-1, *lag.shape[1:])
    moving = (lag[:, 0] != 0).any(axis=-1)
    return Estimate(
        *_divided(lag_frames(pooled), takes),
        np.asarray(moving.sum()),
        np.asarray((takes.sums(moving) > 0).sum()),
        np.asarray(totals.frames[members, 0, -1].sum()),
    )


def window_estimate(totals: Totals, members: NDArray[np.int64], takes: Takes) -> Estimate:
    """Metrics at horizons, cells (K, 4); ``takes`` are those of the clips in ``members``."""
    pooled = ratio_estimate(totals.sums[members], totals.counts[members], takes)
    return replace(pooled, frames=totals.frames[members].sum(axis=0))


def ratio_estimate(
    sums: NDArray[np.float64], counts: NDArray[np.float64], takes: Takes
) -> Estimate:
    """Sums over counts of clips, (C, cells) both, pooled; ``frames`` are the counts."""
    seen = counts > 0
    return Estimate(
        *_divided(pooled_ratio(takes.weights, sums, counts), takes),
        seen.sum(axis=0),
        (takes.sums(seen) > 0).sum(axis=0),
        counts.sum(axis=0).astype(np.int64),
        _parts(takes, sums, counts),
        takes.seed,
    )


def skill_estimate(method: Estimate, still: Estimate) -> Estimate:
    """1 - mpjpe / zero-velocity mpjpe at every horizon, on the same resamples."""
    k = PREDICTION_METRICS.index("mpjpe_torso")
    return Estimate(
        skill(method.value[k], still.value[k]),
        skill(method.left_out[:, k], still.left_out[:, k]),
        skill(method.samples[:, k], still.samples[:, k]),
        method.clips[k],
        method.takes[k],
        method.frames[k],
    )


def difference(method: Estimate, other: Estimate) -> Estimate:
    """Method minus other: value by value, resample by resample, take by take."""
    return Estimate(
        method.value - other.value,
        method.left_out - other.left_out,
        method.samples - other.samples,
        np.minimum(method.clips, other.clips),
        np.minimum(method.takes, other.takes),
        np.minimum(method.frames, other.frames),
        method.parts - other.parts,
        method.seed,
    )
