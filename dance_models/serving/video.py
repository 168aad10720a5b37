"""A video that somebody sends: seen, refined and forecast as ``dance analyze`` does."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from dance_models.analysis.document import summary, write_document
from dance_models.analysis.figures import figures_of
from dance_models.analysis.forecast_shown import check_forecasts
from dance_models.analysis.video import check_length, poses_of, see_video
from dance_models.config import EstimatorConfig, ServingConfig
from dance_models.errors import InputError
from dance_models.estimators.factory import make_estimator
from dance_models.estimators.protocol import PoseEstimator
from dance_models.inference.loading import estimator_for
from dance_models.metrics.horizon import HORIZONS_MS
from dance_models.serving.models import Served


class TookTooLongError(InputError):
    """A request took longer than it may."""


class StoppedError(Exception):
    """Nobody waits for this analysis any more."""


@dataclass
class VideoReader:
    """Analyses one video at a time; the estimator is loaded for the first and kept."""

    served: Served
    weights: Callable[[], Path]  # the folder of the estimator's weights, fetched if need be
    limits: ServingConfig
    estimator: PoseEstimator | None = field(default=None)

    def analysis(
        self, video: Path, folder: Path, stopped: Callable[[], bool] = bool
    ) -> dict[str, Any]:
        """The JSON document of ``dance analyze`` (docs/usage/video.md); ``folder`` is for its file.

        Raises VideoError for what is no video, InputError for one that is too long or in which
        nobody is seen, TookTooLongError, and StoppedError soon after ``stopped`` says so.
        """
        if self.estimator is None:
            config = estimator_for(self.served.networks.refiner, EstimatorConfig(axis_check=True))
            self.estimator = make_estimator(replace(config, threads=1), self.weights(), video.stem)
        begun, most = monotonic(), self.limits.most_frames

        def go_on(done: int, of: int) -> None:
            if stopped():
                raise StoppedError

        def check(done: int, declared: int) -> None:
            go_on(done, declared)
            check_length(done, declared, most)
            if monotonic() - begun > self.limits.video_s:
                raise TookTooLongError(
                    f"only {done} frames were done within {self.limits.video_s:g} s",
                    hint="Send a shorter or smaller video",
                )

        seen = see_video(video, self.estimator, check)
        poses = poses_of(seen, self.served.networks, progress=go_on)
        described = f"{self.estimator.name} {self.estimator.version}"
        models = {**self.served.described, "estimator": described}
        summed = summary(poses, check_forecasts(poses), figures_of(poses), HORIZONS_MS[0])
        written = folder / f"{video.stem}.json"
        write_document(written, poses, models, summed)
        found: dict[str, Any] = json.loads(written.read_text("utf-8"))
        return found
