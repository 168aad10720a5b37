"""Runs as the recognition networks read them: sides restored, at the networks' own frame rate.

A network that learnt at 30 frames a second sees a run at 60 as two interleaved runs at 30. Before
they are parted, every frame is averaged with its neighbours, so that the parts agree: parted
without that, they differ by the jitter of the estimator, and joined again they jump between frames.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dance_models.config import RefinerConfig
from dance_models.data.exchanged_sides import undo_exchanges
from dance_models.data.pose_runs import PoseRun, check_skeleton, frames_of
from dance_models.evidence import MIRRORED_XY
from dance_models.skeleton import DANCE_14, Skeleton

SMOOTHING = 0.5  # standard deviation of the averaging, in frames of the slower rate


def interleaved_count(time_s: NDArray[np.float64], rate: float) -> int:
    """How many interleaved runs at about ``rate`` frames a second the frames at ``time_s`` make.

    1 where ``rate`` is 0 or the frames are not at least one and a half times as fast.
    """
    if rate <= 0 or len(time_s) < 2:
        return 1
    interval = float(np.median(np.diff(time_s)))
    return max(1, round(1 / (interval * rate))) if interval > 0 else 1


def _smoothed(values: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """Gaussian mean over frames of (T, N, D), over what is known; a missing point stays missing."""
    reach = int(np.ceil(3 * deviation))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / deviation) ** 2)
    known = np.isfinite(values).all(axis=-1, keepdims=True)
    padding = [(reach, reach), (0, 0), (0, 0)]
    shown = np.pad(np.where(known, values, 0).astype(np.float64), padding)
    counted = np.pad(known.astype(np.float64), padding)
    total, weight = np.zeros(values.shape), np.zeros(known.shape)
    for i, w in enumerate(weights):
        total += w * shown[i : i + len(values)]
        weight += w * counted[i : i + len(values)]
    return np.where(known, total / np.maximum(weight, 1e-9), np.nan).astype(np.float32)


def _with_smoothed_pass(evidence: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    """Evidence (T, L, E) with its mirrored pass averaged, as the landmarks are."""
    averaged = evidence.copy()
    averaged[..., MIRRORED_XY] = _smoothed(evidence[..., MIRRORED_XY], deviation)
    return averaged


def prepared_runs(
    run: PoseRun, config: RefinerConfig, skeleton: Skeleton = DANCE_14
) -> list[PoseRun]:
    """One run, or several interleaved ones; part k holds the frames k, k + n, k + 2 n, ...

    A causal network's frames are not averaged with later ones: they are parted as they are. Raises
    InputError for a run of another skeleton.
    """
    check_skeleton([run], skeleton)
    if config.undo_exchanges:
        run, _ = undo_exchanges(run, causal=config.causal, skeleton=skeleton)
    count = min(interleaved_count(run.time_s, config.frame_rate), max(len(run), 1))
    if count == 1:
        return [run]
    if not config.causal:
        axes = skeleton.dimensions
        marks = _smoothed(run.landmarks[..., :axes], SMOOTHING * count)
        run = replace(
            run,
            estimate=_smoothed(run.estimate, SMOOTHING * count),
            landmarks=np.concatenate([marks, run.landmarks[..., axes:]], axis=-1),
            evidence=_with_smoothed_pass(run.evidence, SMOOTHING * count),
        )
    return [frames_of(run, slice(part, None, count)) for part in range(count)]


def joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The frames of interleaved parts in their order; the inverse of :func:`prepared_runs`."""
    whole = np.empty((sum(len(part) for part in parts), *parts[0].shape[1:]), parts[0].dtype)
    for k, part in enumerate(parts):
        whole[k :: len(parts)] = part
    return whole
