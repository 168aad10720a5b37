from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import figure, make_run, swaying
from numpy.typing import NDArray

from dance_models.data.exchanged_sides import Span, exchange, undo_exchanges
from dance_models.data.pose_runs import PoseRun
from dance_models.skeleton import DANCE_14

LEFT_WRIST, RIGHT_WRIST = DANCE_14.index["left_wrist"], DANCE_14.index["right_wrist"]
LEFT_HIP = DANCE_14.index["left_hip"]


def _run(frames: int = 80, fps: float = 30) -> PoseRun:
    """A swaying dancer with a score and landmarks that tell left from right."""
    run = make_run(swaying(frames, fps), fps=fps)
    score = np.linspace(0.1, 0.9, DANCE_14.num_joints, dtype=np.float32)
    marks = np.arange(frames * 33 * 3, dtype=np.float32).reshape(frames, 33, 3)
    return replace(run, score=np.tile(score, (frames, 1)), landmarks=marks)


def _between(run: PoseRun, start: int, stop: int) -> NDArray[np.bool_]:
    frames = np.arange(len(run))
    return np.asarray((frames >= start) & (frames < stop))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("fps", [25.0, 60.0])
@pytest.mark.parametrize(("start", "stop"), [(30, 31), (20, 36), (66, 80)])
def test_an_exchanged_body_is_found_and_restored(
    start: int, stop: int, fps: float, causal: bool
) -> None:
    run = _run(fps=fps)
    seen = exchange(run, "body", _between(run, start, stop))
    restored, found = undo_exchanges(seen, causal=causal)
    assert list(found.spans()) == [Span("body", start, stop)]
    for name in ("estimate", "score", "landmarks"):
        np.testing.assert_array_equal(getattr(restored, name), getattr(run, name))


@pytest.mark.parametrize("part", ["arms", "legs"])
def test_limbs_are_exchanged_apart_from_the_body(part: str) -> None:
    run = _run()
    seen = exchange(run, part, _between(run, 10, 25))  # type: ignore[arg-type]
    limb = LEFT_WRIST if part == "arms" else DANCE_14.index["left_ankle"]
    assert (seen.estimate[12, limb] != run.estimate[12, limb]).any()
    np.testing.assert_array_equal(seen.estimate[:, LEFT_HIP], run.estimate[:, LEFT_HIP])
    restored, found = undo_exchanges(seen)
    assert list(found.spans()) == [Span(part, 10, 25)]  # type: ignore[arg-type]
    np.testing.assert_array_equal(restored.landmarks, run.landmarks)
    assert np.any(list(found.states.values()), axis=0).sum() == 15


def test_a_steady_run_and_its_annotation_stay_as_they_are() -> None:
    run = _run()
    restored, found = undo_exchanges(run)
    assert not list(found.spans())
    assert restored is run
    seen = exchange(run, "body", _between(run, 20, 50))
    restored, _ = undo_exchanges(seen)
    np.testing.assert_array_equal(restored.annotation, run.annotation)


def test_most_of_the_run_decides_which_side_is_which() -> None:
    run = _run()
    seen = exchange(run, "body", _between(run, 0, 60))
    _, found = undo_exchanges(seen)
    assert list(found.spans()) == [Span("body", 60, 80)]


def test_an_exchange_during_a_gap_is_found_after_it() -> None:
    run = _run()
    seen = exchange(run, "body", _between(run, 40, 55))
    estimate = seen.estimate.copy()
    estimate[36:42] = np.nan
    restored, found = undo_exchanges(replace(seen, estimate=estimate))
    assert found.states["body"][42:55].all()
    assert not found.states["body"][:36].any()
    np.testing.assert_array_equal(restored.estimate[42:], run.estimate[42:])


def test_a_causal_decision_ignores_the_future() -> None:
    run = _run()
    seen = exchange(run, "body", _between(run, 20, 50))
    changed = seen.estimate.copy()
    changed[51:] += 40
    _, first = undo_exchanges(seen, causal=True)
    _, second = undo_exchanges(replace(seen, estimate=changed), causal=True)
    np.testing.assert_array_equal(first.states["body"][:51], second.states["body"][:51])


def test_crossed_arms_are_not_taken_for_an_exchange() -> None:
    """The wrists pass each other at a steady speed, and come back."""
    run = _run(60)
    estimate = run.estimate.copy()
    swing = 60 * np.cos(2 * np.pi * np.arange(60) / 60)
    middle = estimate[:, [LEFT_WRIST, RIGHT_WRIST]].mean(axis=1)
    estimate[:, LEFT_WRIST] = middle + np.stack([swing, np.full(60, 6.0)], axis=1)
    estimate[:, RIGHT_WRIST] = middle - np.stack([swing, np.full(60, 6.0)], axis=1)
    _, found = undo_exchanges(replace(run, estimate=estimate))
    assert not list(found.spans())


def _turning(seconds: float, fps: float) -> PoseRun:
    """A dancer who stands, turns twice on the spot, each time in ``seconds``, and stands again."""
    frames, pose = 160, figure()
    before = {"wrist": 30.0, "elbow": 18.0, "knee": 24.0}  # pixels: hands and knees to the front
    depth = np.array([before.get(name.rpartition("_")[2], 0.0) for name in DANCE_14.names])
    middle = pose[:, 0].mean()
    turns = np.clip((np.arange(frames) - 20.5) / (seconds * fps), 0, 2)[:, None] * 2 * np.pi
    poses = np.tile(pose, (frames, 1, 1))
    poses[..., 0] = middle + (pose[:, 0] - middle) * np.cos(turns) + depth * np.sin(turns)
    return make_run(poses, fps=fps)


@pytest.mark.parametrize(("seconds", "fps"), [(0.5, 30.0), (0.65, 30.0), (0.6, 25.0), (0.47, 60.0)])
def test_a_fast_turn_is_not_taken_for_an_exchange(seconds: float, fps: float) -> None:
    """All joints of one side pass those of the other, twice a turn."""
    _, found = undo_exchanges(_turning(seconds, fps))
    assert not list(found.spans())


def test_an_exchange_in_a_turn_is_found() -> None:
    run = _turning(0.6, 30)
    seen = exchange(run, "body", _between(run, 28, 31))
    restored, found = undo_exchanges(seen)
    assert list(found.spans()) == [Span("body", 28, 31)]
    np.testing.assert_array_equal(restored.estimate, run.estimate)
