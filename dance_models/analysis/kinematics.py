"""Speed, acceleration, jitter, ranges of motion and the moments worth looking at.

Videos have 15 to 120 frames a second. So that figures of different videos can be compared,
differences are taken between frames about 1/25 s apart, the unit of the networks' kinematics, and
accelerations are given a frame squared of 25 frames/s. Real frames are used and none is
interpolated: a mean of two frames has less noise than either, and would show less jitter than
there is. As in the networks' kinematics, frames count as at least 4 ms apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dance_models.data.exchanged_sides import Span
from dance_models.data.kinematics import LEAST_STEP_S, UNIT_S
from dance_models.skeleton import DANCE_14
from dance_models.text import frame_count

Array = NDArray[np.floating]
Bools = NDArray[np.bool_]
What = Literal["disagreement", "acceleration", "confidence", "nobody", "sides"]

# Torso lengths a second (about 12 cm/s), over REST_S. A joint that is slower is at rest.
REST_SPEED: Final = 0.25
REST_S: Final = 0.2  # so long that the noise of single frames does not count as motion
LOW_CONFIDENCE: Final = 0.5  # mean of the joints' scores; above it a moment is not worth a look
LEAST_PERCENT: Final = 5.0  # of the torso: smaller disagreements and accelerations are ordinary
APART_S: Final = 1.0  # between moments of one kind
MOST: Final = 5  # moments of a kind


def lag_frames(time_s: NDArray[np.float64], seconds: float = UNIT_S) -> int:
    """How many frames of a video are nearest to a time, at least 1; times (T,) in seconds."""
    if len(time_s) < 2:
        return 1
    return max(1, round(seconds / max(float(np.median(np.diff(time_s))), 1e-6)))


def speeds(
    poses: Array,
    time_s: NDArray[np.float64],
    torso: float,
    seconds: float = 2 * UNIT_S,
    cuts: Sequence[int] = (),
) -> NDArray[np.float64]:
    """Speed of each joint in torso lengths a second, (T, J, 2) pixels -> (T, J).

    (x_{t+k} - x_{t-k}) / (their times), over about ``seconds``; near the ends, of what there is.
    ``torso`` is in pixels. NaN where one of the two is missing or a shot begins between them;
    ``cuts`` are the first frames of new shots.
    """
    count, lag = len(poses), lag_frames(time_s, seconds / 2)
    if count < 2:
        return np.full(poses.shape[:2], np.nan)
    at = np.arange(count)
    before, after = np.maximum(at - lag, 0), np.minimum(at + lag, count - 1)
    moved = np.asarray(poses[after], np.float64) - poses[before]
    elapsed = np.maximum(time_s[after] - time_s[before], LEAST_STEP_S)[:, None]
    speed = np.linalg.norm(moved, axis=-1) / elapsed / torso
    return np.where(_one_shot(before, after, cuts)[:, None], speed, np.nan)


def _one_shot(
    before: NDArray[np.int64], after: NDArray[np.int64], cuts: Sequence[int]
) -> NDArray[np.bool_]:
    """Whether no shot begins after the one frame and up to the other."""
    starts = np.sort(np.asarray(cuts, np.int64))
    same = np.searchsorted(starts, before, "right") == np.searchsorted(starts, after, "right")
    return np.asarray(same)


def accelerations(
    poses: Array, time_s: NDArray[np.float64], torso: float, cuts: Sequence[int] = ()
) -> NDArray[np.float64]:
    """Acceleration of each joint, % of a torso a frame squared at 25 frames/s, (T, J, 2) -> (T, J).

    The second divided difference over frames about 1/25 s apart. ``torso`` is in pixels. NaN where
    one of the three frames is missing and at the ends, also of shots; ``cuts`` are the first
    frames of new ones.
    """
    found = np.full(poses.shape[:2], np.nan)
    lag = lag_frames(time_s)
    if len(poses) <= 2 * lag:
        return found
    x, t = np.asarray(poses, np.float64), time_s[:, None, None]
    before, now, after = slice(None, -2 * lag), slice(lag, -lag), slice(2 * lag, None)
    velocity = (
        (x[now] - x[before]) / np.maximum(t[now] - t[before], LEAST_STEP_S),
        (x[after] - x[now]) / np.maximum(t[after] - t[now], LEAST_STEP_S),
    )
    change = 2 * (velocity[1] - velocity[0]) / np.maximum(t[after] - t[before], LEAST_STEP_S)
    at = np.arange(len(poses))
    one_shot = _one_shot(at[before], at[after], cuts)[:, None]
    size = 100 * np.linalg.norm(change, axis=-1) * UNIT_S**2 / torso
    found[now] = np.where(one_shot, size, np.nan)
    return found


@dataclass(frozen=True)
class Jitter:
    """Median accelerations, % of a torso a frame squared at 25 frames/s; NaN without a sample."""

    rest: float
    motion: float
    rest_samples: int  # joints in frames
    motion_samples: int


def rest_and_motion(
    poses: Array, time_s: NDArray[np.float64], torso: float, cuts: Sequence[int] = ()
) -> tuple[Bools, Bools]:
    """(T, J) twice: whether a joint is slower than :data:`REST_SPEED` over :data:`REST_S`, and
    whether it is not. Neither, where its speed is not known: beside gaps and cuts.

    Take it of the steadier poses, and use the same for all that are compared.
    """
    speed = speeds(poses, time_s, torso, REST_S, cuts)
    with np.errstate(invalid="ignore"):
        return np.asarray(speed < REST_SPEED), np.asarray(speed >= REST_SPEED)


def jitter(
    rows: Mapping[str, Array],
    time_s: NDArray[np.float64],
    torso: float,
    states: tuple[Bools, Bools],
    cuts: Sequence[int] = (),
) -> dict[str, Jitter]:
    """The jitter of each of several poses (T, J, 2) of one video, where joints are at rest and
    where they move (``states``), over the joints and frames that are known in all of them.

    At rest, acceleration is noise; in motion it is noise and the dance.
    """
    values = {name: accelerations(poses, time_s, torso, cuts) for name, poses in rows.items()}
    known = np.logical_and.reduce([np.isfinite(value) for value in values.values()])
    still, moving = (known & state for state in states)
    counts = int(still.sum()), int(moving.sum())
    return {
        name: Jitter(_median(value[still]), _median(value[moving]), *counts)
        for name, value in values.items()
    }


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else np.nan


# --- ranges of motion -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """The range of one figure over a video, in its unit, and when it was at its ends."""

    name: str
    least: float
    most: float
    p5: float
    p95: float
    median: float
    least_at_s: float
    most_at_s: float
    known: float  # share of the frames, 0 to 1


def ranges(series: Mapping[str, Array], time_s: NDArray[np.float64]) -> list[Range]:
    """The range of each series (T,), by name; those that are never known are left out."""
    found = []
    for name, values in series.items():
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            continue
        seen = np.asarray(values, np.float64)[known]
        low, middle, high = (float(q) for q in np.quantile(seen, (0.05, 0.5, 0.95)))
        least, most = int(seen.argmin()), int(seen.argmax())
        found.append(
            Range(
                name,
                *(float(seen[least]), float(seen[most]), low, high, middle),
                *(float(time_s[known[least]]), float(time_s[known[most]])),
                len(known) / len(values),
            )
        )
    return found


# --- moments --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """A moment worth looking at."""

    time_s: float
    frame: int  # position in the arrays
    what: What
    value: float  # % of the torso, % of it a frame squared, mean score, or seconds
    words: str


def moments(
    estimate: Array,
    refined: Array,
    score: Array,
    time_s: NDArray[np.float64],
    torso: float,
    exchanged: Sequence[Span] = (),
    cuts: Sequence[int] = (),
) -> list[Moment]:
    """The worst moments of a video, in order of time; at most :data:`MOST` of a kind.

    Largest disagreement of ``estimate`` and ``refined`` (T, J, 2), largest acceleration of
    ``refined``, lowest mean ``score`` (T, J), the longest stretches without anybody (score 0), and
    the longest in which sides were ``exchanged`` back. Moments of a kind are at least
    :data:`APART_S` apart. Spans are in positions of the arrays, and so
    are ``cuts``, the first frames of new shots.
    """
    apart = 100 * np.linalg.norm(np.asarray(refined, np.float64) - estimate, axis=-1) / torso
    found = [
        *_of_joints("disagreement", apart, time_s, "the {joint} was corrected by {value:.0f} % of "
                    "the torso"),
        *_of_joints("acceleration", accelerations(refined, time_s, torso, cuts), time_s,
                    "the {joint} changes its speed abruptly ({value:.0f} % of the torso a frame "
                    "squared)"),
        *_of_confidence(score, time_s),
        *_of_sides(exchanged, time_s),
    ]  # fmt: skip
    return sorted(found, key=lambda moment: (moment.time_s, moment.what))


def _of_joints(
    what: What, values: NDArray[np.float64], time_s: NDArray[np.float64], words: str
) -> list[Moment]:
    """The largest of (T, J), one joint a frame."""
    filled = np.where(np.isfinite(values), values, -np.inf)
    if not filled.size:
        return []
    joint, most = filled.argmax(axis=1), filled.max(axis=1)
    return [
        Moment(
            *(float(time_s[i]), i, what, float(most[i])),
            words.format(joint=DANCE_14.names[joint[i]].replace("_", " "), value=most[i]),
        )
        for i in _apart(most, time_s, LEAST_PERCENT)
    ]


def _of_confidence(score: Array, time_s: NDArray[np.float64]) -> list[Moment]:
    """Where the estimator is least sure of somebody, and the longest times without anybody."""
    if not score.size:
        return []
    mean = np.nan_to_num(np.asarray(score, np.float64)).mean(axis=1)
    edges = np.flatnonzero(np.diff(mean == 0, prepend=False, append=False)).reshape(-1, 2)
    nobody = [(int(start), int(stop)) for start, stop in edges]
    return [
        *(
            Moment(
                *(float(time_s[i]), i, "confidence", float(mean[i])),
                f"the dancer is not seen clearly (confidence {mean[i]:.2f} of 1)",
            )
            for i in _apart(np.where(mean > 0, -mean, -np.inf), time_s, -LOW_CONFIDENCE)
        ),
        *(
            Moment(
                *(float(time_s[start]), start, "nobody", lasting),
                f"nobody was found for {_lasting(time_s, start, stop)}",
            )
            for start, stop, lasting in _longest(nobody, time_s)
        ),
    ]


def _of_sides(spans: Sequence[Span], time_s: NDArray[np.float64]) -> list[Moment]:
    """The longest exchanges; those that begin together (of body, then of legs) are one moment."""
    part = {(span.start, span.stop): span.part for span in spans}
    return [
        Moment(
            *(float(time_s[start]), start, "sides", lasting),
            f"left and right of the {part[start, stop]} had been mixed up for "
            f"{_lasting(time_s, start, stop)}; that was put right",
        )
        for start, stop, lasting in _longest(list(part), time_s)
    ]


def _shown_s(time_s: NDArray[np.float64], start: int, stop: int) -> float:
    """How long the frames from ``start`` up to ``stop`` are shown: until the next one comes.

    The last of the video is shown as long as the mean; frames of a phone in the dark are not.
    """
    if stop < len(time_s):
        return float(time_s[stop] - time_s[start])
    mean = float(time_s[-1] - time_s[0]) / max(len(time_s) - 1, 1)
    return float(time_s[-1] - time_s[start]) + mean


def _lasting(time_s: NDArray[np.float64], start: int, stop: int) -> str:
    """In words, how long the frames from ``start`` up to ``stop`` are shown."""
    seconds = _shown_s(time_s, start, stop)
    if seconds >= 0.1:  # less is not said in tenths of a second
        return f"{seconds:.1f} s"
    return frame_count(stop - start)


def _longest(
    stretches: Sequence[tuple[int, int]], time_s: NDArray[np.float64]
) -> list[tuple[int, int, float]]:
    """The longest stretches that begin far enough apart: start, stop, seconds."""
    lasting = [_shown_s(time_s, start, stop) for start, stop in stretches]
    begin = np.array([time_s[start] for start, _ in stretches])
    kept = _apart(np.array(lasting), begin, -1.0)
    return [(*stretches[i], lasting[i]) for i in kept]


def _apart(values: NDArray[np.float64], time_s: NDArray[np.float64], least: float) -> list[int]:
    """Positions of the largest values that are above ``least``, far enough apart in time."""
    kept: list[int] = []
    for i in np.argsort(-values, kind="stable"):
        if values[i] <= least or len(kept) == MOST:
            break
        if all(abs(time_s[i] - time_s[k]) >= APART_S for k in kept):
            kept.append(int(i))
    return kept
