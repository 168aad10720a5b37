"""Poses of a video without the video: a synthetic dancer in two shots, with forecasts."""

import numpy as np

from dance_models.analysis.video import Seen, VideoPoses
from dance_models.data.forecast_windows import FUTURE, GRID_S, OBSERVED, resample
from dance_models.training.synthetic import synthetic_runs

ANCHORS = np.arange(40, 240, 3)


def swinging(noise: float = 0.0) -> VideoPoses:
    """300 frames in two stretches, observed and forecast exactly up to ``noise`` pixels."""
    run = synthetic_runs(1, 300)[0]
    pose = run.annotation
    grid = run.time_s[ANCHORS][:, None] + GRID_S
    windows = resample(run.time_s, pose, grid)
    shaken = windows[:, OBSERVED:] + np.random.default_rng(0).normal(
        0, noise, (len(ANCHORS), FUTURE, *pose.shape[1:])
    )
    return VideoPoses(
        seen=Seen(run, np.array([150])),
        restored=run,
        refined=pose,
        stretches=((0, 150), (150, 300)),
        anchor=ANCHORS,
        causal=pose,
        forecast=shaken.astype(np.float32),
    )
