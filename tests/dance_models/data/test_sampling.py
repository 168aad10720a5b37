"""Sampling plans: contiguous, within the share, additive, lively."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_networks import one_run

from dance_models.config import SamplingConfig
from dance_models.data.forecast_windows import anchors_of
from dance_models.data.sampling import Run, frame_share, pauses, plan_runs, shortest_run

CONFIG = SamplingConfig()
FPS = 25.0  # 40 frames are the shortest run


def _frames(runs: list[Run]) -> set[int]:
    return {f for run in runs for f in range(run.start, run.stop)}


def test_the_papers_share() -> None:
    assert frame_share(CONFIG, 30, FPS) == 266
    assert frame_share(SamplingConfig(max_frames_per_clip=120), 30, FPS) == 120


@pytest.mark.parametrize("fps", [15.0, 23.976, 25.0, 29.97, 30.0, 50.0, 59.94, 120.0])
def test_a_clip_of_any_frame_rate_has_windows_of_a_forecast_however_many_clips_there_are(
    fps: float,
) -> None:
    """As many frames for all rates were 0.7 s at 60 frames a second: no window."""
    share = frame_share(CONFIG, 10_000, fps)
    (run,) = plan_runs(CONFIG, motion=np.ones(3000), fps=fps, share=share)
    assert len(run) == share
    sampled = replace(one_run(len(run)), time_s=np.arange(len(run)) / fps)
    assert len(anchors_of(sampled)) > 1


def test_one_long_run_where_the_dancer_moves() -> None:
    motion = np.ones(5000)
    motion[3000:3300] = 9
    (run,) = plan_runs(CONFIG, motion=motion, fps=FPS, share=266)
    assert len(run) == 266
    assert run.start >= 3000
    assert run.stop <= 3300


def test_a_short_clip_is_kept_whole() -> None:
    assert plan_runs(CONFIG, motion=np.ones(25), fps=FPS, share=266) == [Run(0, 25)]
    assert plan_runs(CONFIG, motion=np.zeros(0), fps=FPS, share=266) == []


def test_annotated_frames_come_first_as_whole_runs() -> None:
    motion = np.zeros(1000)
    motion[:100] = 50
    runs = plan_runs(CONFIG, motion=motion, fps=FPS, share=60, annotated=range(500, 560))
    assert runs == [Run(500, 560)]


def test_single_annotated_frames_get_a_run_about_them() -> None:
    runs = plan_runs(CONFIG, motion=np.ones(1000), fps=FPS, share=40, annotated=[500])
    assert len(runs) == 1
    assert 500 in _frames(runs)
    assert len(runs[0]) == 40


def test_uniform_and_motion_strategies_take_short_runs() -> None:
    motion = np.ones(1000)
    motion[700:760] = 30
    even = plan_runs(SamplingConfig(strategy="uniform"), motion=motion, fps=FPS, share=120)
    assert [run.start for run in even] == [0, 480, 960]
    lively = plan_runs(SamplingConfig(strategy="motion"), motion=motion, fps=FPS, share=40)
    assert 700 <= lively[0].start <= 720


@given(
    frames=st.integers(1, 600),
    share=st.integers(40, 300),
    more=st.integers(0, 200),
    seed=st.integers(0, 99),
    strategy=st.sampled_from(["runs", "uniform", "motion"]),
)
def test_plans_satisfy_their_invariants(
    frames: int, share: int, more: int, seed: int, strategy: str
) -> None:
    rng = np.random.default_rng(seed)
    motion = rng.random(frames)
    annotated = rng.integers(0, frames, rng.integers(0, 20))
    config = SamplingConfig(strategy=strategy)  # type: ignore[arg-type]
    runs = plan_runs(config, motion=motion, fps=FPS, share=share, annotated=annotated)
    kept = _frames(runs)
    assert all(0 <= f < frames for f in kept)
    assert all(len(run) >= min(shortest_run(config, FPS), frames) for run in runs)
    assert all(a.stop < b.start for a, b in pairwise(runs))
    again = plan_runs(
        config, motion=motion, fps=FPS, share=share + more, annotated=annotated, existing=kept
    )
    assert kept <= _frames(again)
    if not more:
        assert _frames(again) >= kept


def test_a_pause_is_longer_than_half_a_second_and_than_the_clips_own_steps() -> None:
    steps = np.full(99, 0.04)
    steps[[9, 49]] = 0.4, 3.0
    assert pauses(np.cumsum([0, *steps])) == [50]
    assert pauses(np.arange(20) * 2.0) == []  # a picture every two seconds
    assert pauses([]) == pauses([0.0]) == []


def test_runs_end_at_a_pause_of_the_camera() -> None:
    """Filters and velocities across it gave 16 px of error there instead of 3."""
    runs = plan_runs(CONFIG, motion=np.ones(100), fps=FPS, share=266, pauses=[30, 100])
    assert runs == [Run(0, 30), Run(30, 100)]
    kept = plan_runs(
        CONFIG, motion=np.ones(100), fps=FPS, share=40, existing=range(20, 60), pauses=[20, 59]
    )
    assert kept == [Run(20, 59), Run(59, 60)]


def test_a_stretch_without_a_pause_is_preferred() -> None:
    motion = np.ones(1000)
    motion[480:520] = 9
    share = shortest_run(CONFIG, FPS)
    (run,) = plan_runs(CONFIG, motion=motion, fps=FPS, share=share, pauses=[500])
    assert len(run) == share
    assert run.stop == 500 or run.start == 500
    assert _frames(plan_runs(CONFIG, motion=np.ones(60), fps=FPS, share=60, pauses=[30])) == set(
        range(60)
    )
