"""Stills of the moments that differ most."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from clips_made import damage, write_clip

from dance_models.comparison.compare import Comparison
from dance_models.comparison.moments import Moment
from dance_models.comparison.performance import Performance
from dance_models.comparison.stills import write_stills
from dance_models.errors import VideoError
from dance_models.video.probe import probe_clip

FRAMES = 60


def test_a_damaged_video_has_stills_of_what_a_player_shows(tmp_path: Path) -> None:
    """Its poses are there, so that everything else of the comparison was done before."""
    whole, damaged = (write_clip(tmp_path / f"{name}.mp4", FRAMES) for name in ("one", "other"))
    with pytest.raises(VideoError, match="the stream is damaged"):
        probe_clip(damage(damaged))
    poses = np.random.default_rng(0).uniform(50, 200, (FRAMES, 14, 2)).astype(np.float32)
    seen = Performance("dance", np.arange(FRAMES) / 30, poses)
    moments = tuple(Moment(at, at, {"left_knee": 30.0}, None, (), 1.0) for at in (0.2, 1.8))
    comparison = Comparison("one", "other", (), comparable=True, moments=moments)
    written = write_stills(comparison, (whole, seen), (damaged, seen), tmp_path)
    assert [path.name for path in written] == ["moment_01.jpg", "moment_02.jpg"]
    assert all(cv2.imread(str(path)) is not None for path in written)
