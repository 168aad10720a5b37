"""Frames one by one give what the whole run gives, in bounded memory."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from small_networks import one_run, small_forecaster, small_refiner

from dance_models.analysis.video import Networks
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.estimators.protocol import PoseEstimate
from dance_models.inference.refine import refine_runs
from dance_models.live import chain
from dance_models.live.chain import LiveChain, at_delay
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14

IMAGE = np.zeros((480, 640, 3), np.uint8)


class Told:
    """Tells the estimates of a run, frame by frame; nobody in those that are ``without``."""

    name, version = "told", "1"

    def __init__(self, run: PoseRun, without: tuple[int, ...] = ()) -> None:
        self.run, self.without, self.restarts = run, without, 0

    def start_run(self) -> None:
        self.restarts += 1

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        run = self.run
        if frame in self.without:
            return None
        return PoseEstimate(
            run.estimate[frame], run.score[frame], run.landmarks[frame], run.evidence[frame]
        )


def networks(**changes: object) -> Networks:
    refiner = small_refiner(causal=True, undo_exchanges=True, **changes)
    return Networks(refiner, refiner, small_forecaster())


def a_run(frames: int) -> PoseRun:
    return replace(one_run(frames), width=640, height=480)


@pytest.mark.parametrize("joints", ["estimator", "annotation"])
def test_each_frame_is_as_the_whole_run_gives_it(joints: str) -> None:
    run, nets = a_run(45), networks(test_mirror=True)
    live = LiveChain(Told(run), nets, joints)  # type: ignore[arg-type]
    (whole,) = refine_runs(nets.refiner, [run], joints=joints)  # type: ignore[arg-type]
    for frame, time_s in enumerate(run.time_s):
        pose = live.see(IMAGE, 7 + float(time_s)).pose
        assert pose is not None
        np.testing.assert_allclose(pose, whole[frame], atol=2e-2)


def test_a_short_gap_is_held_and_a_long_one_begins_anew() -> None:
    run = a_run(60)
    estimator = Told(run, without=(5, 6, *range(20, 45)))
    live = LiveChain(estimator, networks())
    held = []
    for frame, time_s in enumerate(run.time_s):
        seen = live.see(IMAGE, float(time_s))
        assert (seen.pose is None) == (frame in estimator.without)
        held.append(len(live))
    assert held[19] == 20
    assert held[-1] == 15


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "HISTORY", 12)
    run = a_run(30)
    live = LiveChain(Told(run), networks())
    for time_s in run.time_s:
        live.see(IMAGE, float(time_s))
    assert len(live) == 12


def test_the_forecast_begins_after_a_second_with_its_error() -> None:
    run = a_run(45)
    live = LiveChain(Told(run), networks())
    seen = [live.see(IMAGE, float(time_s), delay_s=0.1) for time_s in run.time_s]
    first = next(i for i, pose in enumerate(seen) if pose.curve is not None)
    assert run.time_s[first] - run.time_s[0] >= 1.04 - 1e-6 > run.time_s[first - 1] - run.time_s[0]
    last = seen[-1]
    assert last.curve is not None and last.pose is not None
    assert last.curve.shape == (11, 14, 2)
    np.testing.assert_array_equal(last.curve[0], last.pose)
    assert last.error is not None
    assert last.error.delay_s == pytest.approx(0.1, abs=0.02)
    then = next(p for p in seen if p.time_s == pytest.approx(last.time_s - last.error.delay_s))
    assert then.pose is not None
    moved = np.linalg.norm(then.pose - last.pose, axis=-1).mean()
    predicted = np.linalg.norm(
        at_delay(then.curve, last.error.delay_s) - last.pose,
        axis=-1,  # type: ignore[arg-type]
    ).mean()
    ratio = last.error.forecast / last.error.standing_still
    assert ratio == pytest.approx(predicted / moved, rel=1e-4)


def test_the_error_is_in_the_usual_torso_of_who_bends_to_the_camera() -> None:
    run = a_run(45)
    neck, hips = DANCE_14.centre, list(DANCE_14.hips)
    run.estimate[-1, hips] = run.estimate[-1, [neck]] + np.array([[-1, 2], [1, 2]])
    live = LiveChain(Told(run), networks())
    *before, last = (live.see(IMAGE, float(time_s), delay_s=0.1) for time_s in run.time_s)
    assert last.error is not None and last.pose is not None
    then = next(p for p in before if p.time_s == pytest.approx(last.time_s - last.error.delay_s))
    assert then.pose is not None
    moved = np.linalg.norm(then.pose - last.pose, axis=-1).mean()
    torso = median_torso(np.stack([p.pose for p in before if p.pose is not None]))
    assert last.error.standing_still == pytest.approx(100 * moved / torso, rel=0.05)


def test_a_curve_is_read_between_its_poses_and_at_its_ends() -> None:
    curve = np.arange(11, dtype=np.float32)[:, None, None] * np.ones((1, 14, 2), np.float32)
    for delay_s, value in ((0, 0), (0.06, 1.5), (0.4, 10), (2, 10), (-1, 0)):
        assert at_delay(curve, delay_s)[3, 1] == pytest.approx(value)


def test_a_time_that_goes_back_is_refused() -> None:
    live = LiveChain(Told(a_run(5)), networks())
    live.see(IMAGE, 1.0)
    with pytest.raises(InputError, match="not later"):
        live.see(IMAGE, 1.0)


def test_after_one_absurd_time_it_goes_on() -> None:
    run = a_run(8)
    estimator = Told(run)
    live = LiveChain(estimator, networks())
    times = [float(time_s) for time_s in run.time_s]
    times[3] += 1e12
    held = []
    for time_s in times:
        assert live.see(IMAGE, time_s).pose is not None
        held.append(len(live))
    assert held == [1, 2, 3, 1, 1, 2, 3, 4]


def test_another_size_begins_anew() -> None:
    live = LiveChain(Told(a_run(5)), networks())
    live.see(IMAGE, 1.0)
    live.see(IMAGE[:240], 2.0)
    assert len(live) == 1


def test_a_network_that_sees_the_future_is_refused() -> None:
    nets = networks()
    with pytest.raises(ValueError, match="causal"):
        LiveChain(Told(a_run(5)), replace(nets, refiner=small_refiner()))
