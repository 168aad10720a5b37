"""Left and right exchanged by the estimator: found over time, and undone.

An estimator that takes a back for a front gives every joint of the body to the other side, for a
frame or for seconds. The joints themselves are where they should be, so an exchange shows as a jump
of both sides onto each other's places. Each frame is in one of two states, as estimated or
exchanged, and the states of a run are those of the least total cost (Viterbi 1967): the way that
the joints move from frame to frame, plus a price for every second in the exchanged state. The whole
body is decided first, then arms and legs by themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dance_models.data.forecast_windows import fill_missing
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import frame_scales
from dance_models.skeleton import DANCE_14, Joints, Skeleton

Part = Literal["body", "arms", "legs"]
PARTS: Final[tuple[Part, ...]] = ("body", "arms", "legs")

# Torso lengths a second and pair of joints. Chosen on training and validation clips of a corpus
# (26 exchanged frames: mends 26, breaks 1; a third of the price: 18 and 29). An exchange
# is found while its price is below that of the two jumps: up to about two seconds.
EXCHANGED_PRICE: Final = 0.9
LONGEST_STEP: Final = 1.0  # torso lengths: a joint that jumps farther costs no more
# How much of a step the next one goes on with. Chosen on training and validation clips and rendered
# views of sports (frames mended and broken: 485 and 199, with 0: 472 and 220; 0.6: 481 and 206).
KEPT_MOTION: Final = 0.4


@dataclass(frozen=True)
class Span:
    """Frames ``start`` to ``stop - 1`` of a run, in which the estimator exchanged a part."""

    part: Part
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Exchanges:
    """Where the sides of a run of T frames were exchanged."""

    states: Mapping[Part, NDArray[np.bool_]]  # (T,) each

    def spans(self) -> Iterator[Span]:
        """The exchanged stretches, part by part."""
        for part, state in self.states.items():
            edges = np.flatnonzero(np.diff(state, prepend=False, append=False))
            for start, stop in edges.reshape(-1, 2):
                yield Span(part, int(start), int(stop))


def _pairs(part: Part, skeleton: Skeleton) -> NDArray[np.int64]:
    """(P, 2) joint numbers, left and right. A limb is without the joint that it hangs on."""
    parts = skeleton.parts
    chains: dict[Part, tuple[tuple[int, int], ...]] = {
        "body": skeleton.mirror_pairs,
        "arms": tuple(zip(parts.left_arm[1:], parts.right_arm[1:], strict=True)),
        "legs": tuple(zip(parts.left_leg[1:], parts.right_leg[1:], strict=True)),
    }
    return np.array(chains[part], np.int64).reshape(-1, 2)


def _landmark_order(part: Part, skeleton: Skeleton) -> Joints:
    """The order of the estimator's landmarks after the sides of the part are exchanged."""
    if part == "body":
        return skeleton.landmark_mirror
    limb = set(skeleton.arm_landmarks if part == "arms" else skeleton.leg_landmarks)
    return tuple(m if i in limb else i for i, m in enumerate(skeleton.landmark_mirror))


def _lengths(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, 2, P, D) steps in torso lengths -> (T,) what they cost; an unknown one costs nothing."""
    length = np.linalg.norm(steps, axis=-1)
    known = np.where(np.isfinite(length), length, 0)
    return np.asarray(np.minimum(known, LONGEST_STEP).sum(axis=(1, 2)))


def _step_costs(sides: NDArray[np.float64], *, causal: bool = False) -> NDArray[np.float64]:
    """(T, 2, P, D) positions of left and right in torso lengths -> (T, 2) costs of a step.

    Column 0: neither or both of the two frames are exchanged; column 1: one of them is. In a fast
    turn the sides pass each other between two frames and come to lie on each other's places. Such
    a step goes on with those before and after it, a jump does not: the step costs at most what is
    left of it without a part of the step before or of the step after, whichever leaves more.
    ``causal`` knows no step after.
    """
    cost = np.zeros((len(sides), 2))
    steps = sides[1:] - sides[:-1]
    cost[1:, 0], cost[1:, 1] = _lengths(steps), _lengths(sides[1:] - sides[:-1, ::-1])
    if not causal:
        from_before = _lengths(steps[1:] - KEPT_MOTION * steps[:-1])
        to_after = _lengths(steps[:-1] - KEPT_MOTION * steps[1:])
        passing = np.maximum(from_before[:-1], to_after[1:])
        cost[2:-1, 0] = np.minimum(cost[2:-1, 0], passing)
    return cost


def exchanged_states(
    sides: NDArray[np.float64], time_s: NDArray[np.float64], *, causal: bool = False
) -> NDArray[np.bool_]:
    """The exchanged frames (T,) of the pairs ``sides`` (T, 2, P, D), in torso lengths.

    A missing joint holds its last position. With ``causal`` the state of a frame follows from the
    frames up to it; otherwise from the whole run.
    """
    frames = len(sides)
    if not frames:
        return np.zeros(0, bool)
    flat = sides.reshape(frames, -1, sides.shape[-1])
    held = np.asarray(fill_missing(flat, causal=causal), np.float64)
    step = _step_costs(held.reshape(sides.shape), causal=causal)
    lasting = np.diff(time_s, prepend=time_s[0] - (time_s[1] - time_s[0] if frames > 1 else 0))
    price = EXCHANGED_PRICE * sides.shape[2] * lasting
    total = np.zeros((frames, 2))
    came_from = np.zeros((frames, 2), np.int64)
    total[0] = 0, price[0]
    for t in range(1, frames):
        for state in (0, 1):
            ways = total[t - 1, 0] + step[t, state], total[t - 1, 1] + step[t, 1 - state]
            came_from[t, state] = int(ways[1] < ways[0])
            total[t, state] = min(ways)
        total[t, 1] += price[t]
    if causal:
        return np.asarray(total[:, 1] < total[:, 0])
    states = np.zeros(frames, np.int64)
    states[-1] = int(total[-1, 1] < total[-1, 0])
    for t in range(frames - 1, 0, -1):
        states[t - 1] = came_from[t, states[t]]
    return states.astype(bool)


def undo_exchanges(
    run: PoseRun, *, causal: bool = False, skeleton: Skeleton = DANCE_14
) -> tuple[PoseRun, Exchanges]:
    """The run with the estimate's sides as they move most steadily, and what was exchanged.

    Estimate, scores, landmarks and evidence change; the annotation does not. With ``causal`` what
    is decided of a frame follows from the frames up to it.
    """
    unit = frame_scales(run.estimate, causal=causal, skeleton=skeleton)[:, None, None, None]
    states: dict[Part, NDArray[np.bool_]] = {}
    for part in PARTS:
        pairs = _pairs(part, skeleton)
        sides = run.estimate[:, pairs.T].astype(np.float64) / unit  # (T, 2, P, D)
        states[part] = exchanged_states(sides, run.time_s, causal=causal)
        run = exchange(run, part, states[part], skeleton)
    return run, Exchanges(states)


def exchange(
    run: PoseRun, part: Part, frames: NDArray[np.bool_], skeleton: Skeleton = DANCE_14
) -> PoseRun:
    """Exchange left and right of a part of the estimate in the given frames (T,)."""
    if not frames.any():
        return run
    order = np.arange(skeleton.num_joints)
    pairs = _pairs(part, skeleton)
    order[pairs], where = pairs[:, ::-1], np.flatnonzero(frames)
    changed = {}
    for name in ("estimate", "score"):
        values = getattr(run, name).copy()
        values[where] = values[where][:, order]
        changed[name] = values
    for name in ("landmarks", "evidence"):
        values = getattr(run, name)
        if values.shape[1] == skeleton.num_landmarks:
            marks = values.copy()
            marks[where] = marks[where][:, list(_landmark_order(part, skeleton))]
            changed[name] = marks
    return replace(run, **changed)
