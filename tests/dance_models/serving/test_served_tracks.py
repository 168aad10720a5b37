"""Tracks that somebody sends: what is refused, and that the poses are those of a video."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dance_models.analysis.shipped import networks
from dance_models.analysis.video import Seen, poses_of
from dance_models.config import ServingConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.serving.models import served_networks
from dance_models.serving.tracks import (
    AHEAD_MS,
    forecast_given,
    forecast_track,
    refine_track,
    track_of,
)
from dance_models.training.synthetic import synthetic_runs

FRAMES = 50


def sent(**changes: Any) -> PoseRun:
    """A track of 50 frames at 30 frames/s, with one joint missing in one frame."""
    points = synthetic_runs(1, FRAMES)[0].estimate.copy()
    points[7, 3] = np.nan
    return track_of(**{"keypoints": points, "fps": 30.0, **changes})


def test_a_track_is_refined_and_forecast_as_a_video_is() -> None:
    track, used = sent(), networks()
    poses = poses_of(Seen(track, np.zeros(0, np.int64)), used)
    np.testing.assert_array_equal(refine_track(used.refiner, track), poses.refined)
    found = forecast_track(used, track, every=True)
    assert [f.frame for f in found] == poses.anchor.tolist()
    np.testing.assert_array_equal([f.poses for f in found], poses.forecast)
    assert AHEAD_MS == (40, 80, 120, 160, 200, 240, 280, 320, 360, 400)


def test_the_last_forecast_is_after_the_last_frame_with_a_joint() -> None:
    used, track = networks(), sent()
    gone = replace(track, estimate=track.estimate.copy())
    gone.estimate[-5:] = np.nan
    (found,) = forecast_track(used, gone)
    assert found.frame == FRAMES - 6
    assert found.time_s == track.time_s[FRAMES - 6]
    assert found.poses.shape == (10, 14, 2)
    assert np.abs(found.poses - gone.estimate[FRAMES - 6]).max() < 60  # near where it was
    given = forecast_given(used.forecaster, gone)
    assert (given.frame, given.poses.shape) == (FRAMES - 6, (10, 14, 2))


def test_times_and_scores_come_in_any_of_their_forms() -> None:
    points = sent().estimate
    listed = np.concatenate([points, np.full((FRAMES, 14, 1), 0.25)], axis=-1)
    nested = [[[None if np.isnan(v) else v for v in p] for p in frame] for frame in listed.tolist()]
    track = track_of(nested, time_s=(5 + np.arange(FRAMES) / 30).tolist())
    np.testing.assert_array_equal(track.estimate, points)
    assert track.score[0, 0] == 0.25
    assert track.score[7, 3] == 0  # a joint that is missing has none
    assert sent().score[0, 0] == 1
    assert track.time_s[0] == 5
    np.testing.assert_array_equal(  # when it began changes nothing
        refine_track(networks().refiner, replace(track, score=sent().score)),
        refine_track(networks().refiner, sent()),
    )


def test_what_lies_in_a_long_gap_stays_missing() -> None:
    track = sent()
    track.estimate[15:35] = np.nan
    refined = refine_track(networks().refiner, track)
    assert np.isfinite(refined[:15]).all()
    assert np.isnan(refined[15:35]).all()
    with pytest.raises(InputError, match="without a gap"):
        forecast_track(networks(), track)
    with pytest.raises(InputError, match="without a gap"):
        forecast_given(networks().forecaster, track)


def test_a_joint_that_was_not_sent_for_half_a_second_is_not_made_up() -> None:
    track, ankle, knee = sent(), 11, 3
    track.estimate[:, ankle] = np.nan
    track.estimate[10:30, knee] = np.nan
    refined = np.isfinite(refine_track(networks().refiner, track)).all(axis=-1)
    assert not refined[:, ankle].any()
    assert not refined[10:30, knee].any()
    others = np.delete(refined, [ankle, knee], axis=1)
    assert others.all()
    assert refined[:10, knee].all()
    forecasts = {f.frame: f.poses for f in forecast_track(networks(), track, every=True)}
    assert list(forecasts) == [33, 36, 39, 42, 45, 48]
    (last,) = forecast_track(networks(), track)
    for poses in (*forecasts.values(), last.poses):
        assert np.isnan(poses[:, ankle]).all()
        assert np.isfinite(np.delete(poses, ankle, axis=1)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": np.zeros((5, 13, 2))}, r"shape \[5, 13, 2\]"),
        ({"keypoints": [[[1.0], [2.0, 3.0]]]}, "rows of one length"),
        ({"keypoints": [[["left"] * 2] * 14] * 3}, "are not numbers"),
        ({"keypoints": np.full((5, 14, 2), np.nan)}, "no frame of the track has a joint"),
        ({"keypoints": np.full((5, 14, 2), 1e9)}, "frame 0: joint .*: a coordinate is beyond"),
        ({"keypoints": np.full((5, 14, 2), np.inf)}, "a coordinate is beyond"),
        ({"keypoints": np.zeros((1, 14, 2))}, "has 1 frames"),
        ({"keypoints": np.zeros((9001, 14, 2))}, "has 9001 frames.*in parts"),
        ({"score": np.full((FRAMES, 14), 1.5)}, "frame 0: joint .*: a score is not between"),
        ({"score": np.zeros(3)}, r"scores have the shape \[3\]"),
        ({"fps": None}, "either fps or time_s"),
        ({"time_s": [0.0] * FRAMES}, "either fps or time_s"),
        ({"fps": None, "time_s": [0.0] * FRAMES}, "frame 1: its time is not after"),
        ({"fps": None, "time_s": [0.0, 1.0]}, r"time_s has the shape \[2\]"),
        ({"fps": None, "time_s": [np.nan] * FRAMES}, "a time is missing"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": 1.0}, "fps is 1"),
    ],
)
def test_what_is_no_track_is_refused_with_what_is_wrong(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sent(**changes)


def test_frames_too_far_apart_are_refused() -> None:
    track = sent(fps=None, time_s=np.arange(FRAMES) * 2.0)
    with pytest.raises(InputError, match="no two frames"):
        refine_track(networks().refiner, track)


def test_limits_are_the_configurations() -> None:
    with pytest.raises(InputError, match="2 to 10"):
        sent(limits=ServingConfig(most_frames=10))


def test_networks_are_named_by_task() -> None:
    served = served_networks({})
    assert set(served.described) == {"recognition", "prediction"}
    assert served.networks.observer.config.causal
