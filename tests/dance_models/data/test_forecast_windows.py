from dataclasses import replace

import numpy as np
import pytest

from dance_models.data.forecast_windows import (
    FUTURE,
    OBSERVED,
    ForecastWindows,
    anchors_of,
    cut_windows,
    fill_missing,
    resample,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.training.synthetic import synthetic_runs


def _run(frames: int = 60, fps: float = 30.0, **changes: object) -> PoseRun:
    return replace(synthetic_runs(1, frames, fps=fps)[0], **changes)  # type: ignore[arg-type]


def _cut(*runs: PoseRun, stride: int = 1) -> ForecastWindows:
    return cut_windows(runs, [run.annotation for run in runs], stride=stride)


def test_linear_interpolation_at_true_time_stamps() -> None:
    values = np.array([[0.0], [10.0], [40.0]])
    at_s = np.array([[0.0, 0.05], [0.1, 0.25]])
    mixed = resample(np.array([0, 0.1, 0.4]), values, at_s)
    np.testing.assert_allclose(mixed[..., 0], [[0, 5], [10, 25]], rtol=1e-6)


def test_nothing_is_extrapolated_and_missing_neighbours_stay_missing() -> None:
    time_s, values = np.arange(4) / 10, np.array([[1.0], [np.nan], [3.0], [4.0]])
    mixed = resample(time_s, values, np.array([-0.01, 0, 0.05, 0.2, 0.25, 0.31]))[:, 0]
    np.testing.assert_array_equal(np.isnan(mixed), [True, False, True, False, False, True])
    np.testing.assert_allclose(mixed[[1, 3, 4]], [1, 3, 3.5])  # on a frame, that frame alone


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 60.0])
def test_a_steady_motion_stays_steady_on_the_25_hz_grid(fps: float) -> None:
    """Nearest-frame resampling of 30 fps would give uneven steps."""
    run = _run(120, fps)
    steady = np.broadcast_to(100 * run.time_s[:, None, None], (120, 14, 2)).astype(np.float32)
    windows = _cut(replace(run, annotation=steady))
    steps = np.diff(np.concatenate([windows.observed, windows.future], axis=1), axis=1)
    assert len(windows) > 0
    np.testing.assert_allclose(steps, 4.0, atol=1e-3)  # 100 a second, 25 steps a second


def test_no_window_crosses_a_pause() -> None:
    """Of a camera that paused: what is interpolated between is no motion."""
    run = _run(120)
    parts = [_run(60), _run(60)]
    expected = np.concatenate([anchors_of(part) + 60 * i for i, part in enumerate(parts)])
    for pause in (0.6, 20):
        windows = _cut(replace(run, time_s=run.time_s + pause * (np.arange(120) >= 60)))
        assert windows.anchor.tolist() == expected.tolist()
    short = _cut(replace(run, time_s=run.time_s + 0.4 * (np.arange(120) >= 60)))
    assert len(short) >= len(_cut(run))


def test_no_window_crosses_a_run() -> None:
    near = _run(60)
    far = replace(near, annotation=near.annotation + 1000)
    windows = _cut(near, far)
    for index, (low, high) in enumerate([(-200, 600), (800, 1600)]):
        chosen = windows.run == index
        assert chosen.any()
        for part in (windows.observed[chosen], windows.future[chosen]):
            assert (part > low).all()
            assert (part < high).all()


def test_run_needs_37_grid_steps() -> None:
    """36 steps of 40 ms are 1.44 s: 43.2 frames at 30 fps, so 45 frames and not 44."""
    assert len(_cut(_run(44))) == 0
    assert len(_cut(_run(45))) > 0
    assert len(_cut(_run(37, fps=25.0))) == 1
    assert len(_cut(_run(36, fps=25.0))) == 0
    assert len(_cut(_run(1))) == 0


def test_windows_end_their_past_on_a_real_frame() -> None:
    run = _run(60)
    windows = _cut(run)
    assert windows.anchor.tolist() == anchors_of(run).tolist()
    np.testing.assert_allclose(windows.observed[:, -1], run.annotation[windows.anchor], rtol=1e-5)
    assert _cut(run, stride=3).anchor.tolist() == [a for a in windows.anchor if a % 3 == 0]


def test_future_frames_cannot_change_the_observed_part() -> None:
    run = _run(60)
    windows = _cut(run)
    for index in (0, len(windows) - 1):
        changed = run.annotation.copy()
        changed[windows.anchor[index] + 1 :] += 77
        other = cut_windows([run], [changed])
        which = other.anchor.tolist().index(windows.anchor[index])
        np.testing.assert_array_equal(other.observed[which], windows.observed[index])


def test_gaps_are_filled_only_from_the_past_of_the_window() -> None:
    run = _run(37, fps=25.0)
    pose = run.annotation.copy()
    pose[5:8, 3] = np.nan
    windows = cut_windows([run], [pose])
    for gap in (5, 6, 7):
        np.testing.assert_array_equal(windows.observed[0, gap, 3], run.annotation[4, 3])
    np.testing.assert_array_equal(windows.observed[0, 8, 3], run.annotation[8, 3])
    assert OBSERVED + FUTURE == 37


def test_windows_without_truth_or_with_an_unknown_joint_are_left_out() -> None:
    run = _run(37, fps=25.0)
    unknown = run.annotation.copy()
    unknown[:OBSERVED, 3] = np.nan
    assert len(cut_windows([run], [unknown])) == 0
    blind = run.visibility.copy()
    blind[30] = 0
    assert len(cut_windows([replace(run, visibility=blind)], [run.annotation])) == 0
    blind[30, 8] = 1  # one joint is enough, occluded ones count
    windows = cut_windows([replace(run, visibility=blind)], [run.annotation])
    assert np.isfinite(windows.future[0, 30 - OBSERVED]).all(axis=-1).tolist() == [
        joint == 8 for joint in range(14)
    ]


def test_filling_takes_the_last_value_seen_and_at_first_the_first() -> None:
    poses = np.full((5, 14, 2), np.nan)
    poses[1], poses[3] = 1, 3
    poses[:, 9] = np.nan
    filled = fill_missing(poses)
    assert filled[:, 0, 0].tolist() == [1, 1, 1, 3, 3]
    assert np.isnan(filled[:, 9]).all()
    causal = fill_missing(poses, causal=True)
    np.testing.assert_array_equal(causal[:, 0, 0], [np.nan, 1, 1, 3, 3])
