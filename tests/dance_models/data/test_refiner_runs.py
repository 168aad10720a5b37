from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import make_run, swaying

from dance_models.config import RefinerConfig
from dance_models.data.exchanged_sides import exchange
from dance_models.data.refiner_runs import interleaved_count, joined, prepared_runs


@pytest.mark.parametrize(
    ("fps", "rate", "count"),
    [(24, 30, 1), (25, 30, 1), (30, 30, 1), (50, 30, 2), (60, 30, 2), (120, 30, 4), (60, 0, 1)],
)
def test_how_many_runs_a_frame_rate_makes(fps: float, rate: float, count: int) -> None:
    assert interleaved_count(np.arange(20) / fps, rate) == count


def test_a_run_without_a_second_frame_has_no_rate() -> None:
    assert interleaved_count(np.zeros(1), 30) == 1
    assert interleaved_count(np.zeros(3), 30) == 1


def test_a_slow_run_is_left_as_it_is() -> None:
    run = make_run(swaying(20), fps=30)
    assert prepared_runs(run, RefinerConfig()) == [run]


@pytest.mark.parametrize("frames", [7, 8])
def test_a_fast_run_is_parted_and_joined_again(frames: int) -> None:
    run = make_run(swaying(frames, 60), fps=60)
    parts = prepared_runs(run, RefinerConfig(causal=True))
    assert [part.frame.tolist() for part in parts] == [
        list(range(0, frames, 2)),
        list(range(1, frames, 2)),
    ]
    np.testing.assert_array_equal(joined([p.estimate for p in parts]), run.estimate)
    np.testing.assert_array_equal(joined([p.time_s for p in parts]), run.time_s)


def test_frames_are_averaged_before_they_are_parted() -> None:
    """Weights 1, exp(-1/2), exp(-2), ... of a Gaussian of one frame at twice the rate."""
    run = make_run(swaying(21, 60), fps=60)
    estimate = np.zeros_like(run.estimate)
    estimate[10, 0, 0] = 1
    parts = prepared_runs(replace(run, estimate=estimate), RefinerConfig())
    seen = joined([part.estimate for part in parts])[:, 0, 0]
    weights = np.exp(-0.5 * np.arange(-3, 4) ** 2)
    np.testing.assert_allclose(seen[7:14], weights / weights.sum(), atol=1e-6)
    assert not seen[:7].any()


def test_gaps_stay_gaps_and_do_not_spread() -> None:
    run = make_run(swaying(20, 60), fps=60)
    estimate = np.ones_like(run.estimate)
    estimate[8, 3] = np.nan
    parts = prepared_runs(replace(run, estimate=estimate), RefinerConfig())
    seen = joined([part.estimate for part in parts])
    assert np.isnan(seen[8, 3]).all()
    np.testing.assert_allclose(np.delete(seen[:, 3], 8, axis=0), 1, rtol=1e-6)


def test_exchanged_sides_are_restored_before_averaging() -> None:
    run = make_run(swaying(60, 60), fps=60)
    frames = np.arange(60)
    seen = exchange(run, "body", (frames >= 20) & (frames < 40))
    undone = prepared_runs(seen, RefinerConfig())
    for part, expected in zip(undone, prepared_runs(run, RefinerConfig()), strict=True):
        np.testing.assert_array_equal(part.estimate, expected.estimate)
    left = prepared_runs(seen, RefinerConfig(undo_exchanges=False, frame_rate=0))
    assert left == [seen]
