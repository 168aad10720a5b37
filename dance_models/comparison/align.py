"""Mirror, offset and path of two performances."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.features import Features, features
from dance_models.comparison.offset import FASTEST, Offset, offset_from_poses
from dance_models.comparison.performance import Performance
from dance_models.comparison.warping import lag_path
from dance_models.config import ComparisonConfig
from dance_models.data.forecast_windows import resample
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alignment:
    """G times of the reference, and when and how well the practice shows the same.

    ``late_s`` is against the offset; it is NaN where nothing moves, where nobody is seen in one of
    the videos, or where the practice's does not reach. ``searched_s`` is the offset that the path
    was looked for about, from which ``offset`` may have moved. ``correlation`` is that of the
    movements along the path.
    """

    time_s: Floats  # (G,) of the reference
    practice_s: Floats  # (G,) of the practice; NaN where its video does not reach
    late_s: Floats  # (G,)
    searched_s: float
    offset: Offset
    correlation: float
    turned: "Turned"


@dataclass(frozen=True)
class Turned:
    """How the practice is seen: danced to the other side, or filmed from the other side.

    ``mirrored``: as a mirror shows the reference. ``behind``: one camera looks at the front of the
    dancer and the other at the back, so that the picture is the other way round and the sides of
    the body are not.
    """

    mirrored: bool = False
    behind: bool = False

    def __call__(self, performance: Performance) -> Performance:
        """The practice as the reference's camera would see the reference's side."""
        found = _with_sides_exchanged(performance) if self.mirrored else performance
        if self.mirrored == self.behind:  # two reflections are none
            return found
        poses, marks = found.poses.copy(), found.landmarks.copy()
        poses[..., 0], marks[..., 0] = -poses[..., 0], -marks[..., 0]
        return replace(found, poses=poses, landmarks=marks)


def _with_sides_exchanged(performance: Performance) -> Performance:
    """Left joints called right, and right ones left."""
    marks, score = performance.landmarks, performance.score
    if marks.shape[1] == DANCE_14.num_landmarks:
        marks = marks[:, list(DANCE_14.landmark_mirror)]
    sides = list(DANCE_14.mirror)
    score = None if score is None else score[:, sides]
    return replace(performance, poses=performance.poses[:, sides], landmarks=marks, score=score)


def aligned(
    reference: Features,
    practice: Features,
    sound: Offset | None,
    config: ComparisonConfig,
    turned: Turned,
) -> Alignment | None:
    """The path about the offset of the sound, or of the poses.

    None unless both dancers are seen for ``least_overlap_s`` along it.

    Without sound a dancer who is late throughout cannot be told from a camera that was started
    later: the offset then moves by the median lateness, which becomes 0.
    """
    offset = sound or offset_from_poses(reference, practice, config)
    if offset is None:
        return None
    searched_s = offset.seconds
    late = lag_path(reference, practice, searched_s, config)
    time_s = reference.time_s
    practice_s = time_s + searched_s + late
    inside = (practice_s >= practice.time_s[0]) & (practice_s <= practice.time_s[-1])
    practice_s = np.where(inside, practice_s, np.nan)
    shown = np.isfinite(resample(practice.time_s, practice.bones, practice_s)).any(axis=(1, 2))
    if (reference.seen & shown).sum() * config.grid_s < config.least_overlap_s:
        return None
    there = resample(practice.time_s, practice.velocity, practice_s)
    # Where nobody is seen in one of them, the path only goes on.
    seen = [np.isfinite(velocity).any(axis=(1, 2)) for velocity in (reference.velocity, there)]
    known = inside & seen[0] & seen[1] & _moves(reference.velocity, config)
    if offset.source == "poses" and known.any():
        typical = float(np.median(late[known]))
        offset, late = replace(offset, seconds=offset.seconds + typical), late - typical
    return Alignment(
        time_s,
        practice_s,
        np.where(known, late, np.nan),
        searched_s,
        offset,
        _correlation(reference.velocity, there),
        turned,
    )


def best_alignment(
    reference: Performance, practice: Performance, sound: Offset | None, config: ComparisonConfig
) -> tuple[Alignment | None, float]:
    """The best of all :class:`Turned`, and how much more it correlates than the other side does.

    That the practice is seen from behind needs ``mirror_margin`` against the front: of two sides
    that explain it alike, it is the front.
    """
    seen = features(reference, config)
    found = [
        alignment
        for turned in (Turned(m, b) for m in (False, True) for b in (False, True))
        if (alignment := aligned(seen, features(turned(practice), config), sound, config, turned))
    ]
    if not found:
        return None, 0.0

    def worth(alignment: Alignment) -> float:
        return alignment.correlation - config.mirror_margin * alignment.turned.behind

    best = max(found, key=worth)
    others = [worth(a) for a in found if a.turned.mirrored != best.turned.mirrored]
    return best, worth(best) - max(others, default=-1.0)


def _moves(velocity: Floats, config: ComparisonConfig) -> NDArray[np.bool_]:
    """Where the root mean square of the bones' velocities (G, B, 2) about a time is enough.

    Lateness is told by movement: the error of the path grows as this falls.
    """
    square = np.nan_to_num(np.clip(velocity, -FASTEST, FASTEST) ** 2).sum(axis=-1).mean(axis=1)
    width = 2 * round(config.moving_s / config.grid_s) + 1
    padded = np.pad(square, width // 2, mode="edge")
    mean = np.lib.stride_tricks.sliding_window_view(padded, width).mean(axis=1)
    return np.asarray(np.sqrt(mean) >= config.moving)


def _correlation(reference: Floats, practice: NDArray[np.floating]) -> float:
    """Of the velocities, clipped as in the offset, where both are known."""
    known = np.isfinite(reference) & np.isfinite(practice)
    a, b = (np.clip(np.where(known, v, 0), -FASTEST, FASTEST) for v in (reference, practice))
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
