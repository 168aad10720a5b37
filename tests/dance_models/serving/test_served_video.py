"""The analysis of a video that was sent, and its end when nobody waits for it any more."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import write_clip
from numpy.typing import NDArray

from dance_models.analysis import video
from dance_models.config import ServingConfig
from dance_models.estimators.protocol import PoseEstimate, no_landmarks
from dance_models.serving.models import served_networks
from dance_models.serving.video import StoppedError, VideoReader
from dance_models.training.synthetic import synthetic_runs

FRAMES = 40


class Synthetic:
    """Counts the frames that it was asked for."""

    name, version = "synthetic", "1"

    def __init__(self) -> None:
        self.poses = synthetic_runs(1, FRAMES)[0].estimate
        self.frames = 0

    def start_run(self) -> None:
        pass

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate:
        self.frames += 1
        return PoseEstimate(self.poses[frame], np.ones(14, np.float32), no_landmarks())


@pytest.fixture
def reader(tmp_path: Path) -> VideoReader:
    limits = ServingConfig()
    return VideoReader(served_networks({}), lambda: tmp_path, limits, estimator=Synthetic())


def test_estimating_ends_once_nobody_waits(reader: VideoReader, tmp_path: Path) -> None:
    clip, estimator = write_clip(tmp_path / "video.mp4", FRAMES), reader.estimator
    assert isinstance(estimator, Synthetic)
    with pytest.raises(StoppedError):
        reader.analysis(clip, tmp_path, lambda: estimator.frames >= 3)
    assert estimator.frames == 3
    assert not (tmp_path / "video.json").exists()


def test_refining_ends_once_nobody_waits(
    reader: VideoReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "video.mp4", FRAMES)
    refining: list[int] = []
    steadily = video.refine_steadily

    def noted(*arguments: Any) -> Any:
        refining.append(1)
        return steadily(*arguments)

    monkeypatch.setattr(video, "refine_steadily", noted)
    with pytest.raises(StoppedError):
        reader.analysis(clip, tmp_path, lambda: bool(refining))
    assert not (tmp_path / "video.json").exists()
