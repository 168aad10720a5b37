"""What each stage costs from a video to refined poses, forecasts and an overlay.

:func:`chain_times` does the stages one after the other, so that the processor time of each can be
told, that of its threads included. :func:`chain_rate` times them side by side, as ``dance analyze``
does them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.encode import browser_video
from dance_models.analysis.overlay import painter, write_overlay
from dance_models.analysis.refining import refine_long
from dance_models.analysis.steady import refine_steadily
from dance_models.analysis.video import Networks, VideoPoses, poses_of, see_video
from dance_models.config import EstimatorConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.estimators.blazepose.landmarks import Landmarks
from dance_models.estimators.blazepose.tracker import BlazePose
from dance_models.estimators.factory import make_estimator
from dance_models.inference.forecast import forecast
from dance_models.inference.refine import slice_run
from dance_models.video.stream import ClipStream

CAMERA: Final = "cuts, camera"  # the search for cuts and for the camera's motion
AGAIN: Final = "decode again"  # for the overlay
# The detector with the landmarks at whom it finds; refine: the networks that see both sides of a
# frame and that which forecasts are made from.
OVERLAY: Final = (AGAIN, "draw", "encode")  # what only the drawing needs
STAGES: Final = ("decode", CAMERA, "detector", "landmarks", "refine", "forecast", *OVERLAY)
_HORIZON_MS: Final = 160  # of the drawn forecast


class Chain(NamedTuple):
    """What the chain is made of."""

    networks: Networks
    estimator: EstimatorConfig
    weights: Path  # folder of BlazePose


class Stopwatch:
    """Seconds that stages took."""

    def __init__(self) -> None:
        self.taken_s: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str, clock: Callable[[], float] = process_time) -> Iterator[None]:
        """Add what the block takes to a stage; by default processor time of all threads."""
        began = clock()
        try:
            yield
        finally:
            self.taken_s[name] += clock() - began


@dataclass(frozen=True, eq=False)
class ChainTimes:
    """The chain on a video of T frames, one stage after the other."""

    frames: int
    size: tuple[int, int]
    cpu_ms: dict[str, float]  # a frame, by stage
    waited_ms: NDArray[np.float64] = field(repr=False)  # (T - 1,) wall, up to the estimate

    @property
    def total_ms(self) -> float:
        """CPU milliseconds a frame of all stages."""
        return sum(self.cpu_ms.values())

    @property
    def poses_ms(self) -> float:
        """CPU milliseconds a frame without the overlay."""
        return self.total_ms - sum(self.cpu_ms[name] for name in OVERLAY)

    def share(self, stage: str) -> float:
        """The part of a stage in all of them, 0..1."""
        return self.cpu_ms[stage] / max(self.total_ms, 1e-9)

    def latency_ms(self, percent: float) -> float:
        """A percentile of the wall time in which a frame is decoded, estimated, refined, forecast.

        Refining and forecasting go on in batches here: their mean counts for every frame.
        """
        after = self.cpu_ms["refine"] + self.cpu_ms["forecast"]
        return float(np.percentile(self.waited_ms, percent)) + after


class _Timed(BlazePose):
    """BlazePose whose detector is timed apart."""

    def __init__(self, weights: Path, config: EstimatorConfig, watch: Stopwatch) -> None:
        super().__init__(
            weights,
            min_detection=config.min_detection,
            min_presence=config.min_presence,
            mirrored_pass=config.mirrored_pass,
            threads=config.threads,
        )
        self._watch = watch

    def _track(self, image: NDArray[np.uint8]) -> Landmarks | None:
        with self._watch.stage("landmarks"):
            return super()._track(image)

    def _detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        with self._watch.stage("detector"):
            return super()._detect(image)


def chain_times(video: Path, chain: Chain, scratch: Path) -> ChainTimes:
    """Do the chain on a video; the overlay is written into the folder ``scratch``.

    Raises VideoError for what is no video, InputError when nobody is found in it or the weights
    are not there.
    """
    watch, at_s = Stopwatch(), []
    estimator = _Timed(chain.weights, chain.estimator, watch)
    with watch.stage("seeing"):
        seen = see_video(
            video, estimator, lambda done, of: at_s.append(perf_counter()), beside=False
        )
    _decode(video, watch)
    taken = watch.taken_s
    rest = taken["seeing"] - taken["landmarks"] - taken["detector"] - taken["decode"]
    taken[CAMERA] = max(0.0, rest)
    poses = poses_of(seen, chain.networks)  # the first call of a network takes longer
    _refine(poses, seen.run, chain.networks, watch)
    _overlay(video, poses, scratch / "overlay.mp4", watch)
    frames = len(seen.run)
    return ChainTimes(
        frames,
        (seen.run.width, seen.run.height),
        {name: 1000 * taken[name] / frames for name in STAGES},
        1000 * np.diff(at_s),
    )


def _decode(video: Path, watch: Stopwatch) -> None:
    """Decode alone, since the frames of :func:`see_video` are decoded within its loop."""
    with watch.stage("decode"):
        for _ in ClipStream(video).frames():
            pass


def _refine(poses: VideoPoses, run: PoseRun, networks: Networks, watch: Stopwatch) -> None:
    """What :func:`poses_of` does for the poses of a video and their forecasts."""
    for start, stop in poses.stretches:
        piece = slice_run(run, start, stop)
        with watch.stage("refine"):
            refine_steadily(networks.refiner, piece, "estimator")
            refine_long(networks.observer, piece, "estimator")
    with watch.stage("forecast"):
        forecast(networks.forecaster, poses.observed())


def _overlay(video: Path, poses: VideoPoses, target: Path, watch: Stopwatch) -> None:
    """Draw and encode. The encoder has threads of its own: it takes what the others do not."""
    run, draw = poses.run, painter(poses, _HORIZON_MS)
    again = Stopwatch()
    size, fps, start_s = (run.width, run.height), poses.seen.fps, poses.seen.start_s
    with again.stage("all"), browser_video(target, size, fps, video, start_s) as file:
        frames = ClipStream(video).frames()
        while True:
            with again.stage("decode", thread_time):
                frame = next(frames, None)
            if frame is None:
                break
            with again.stage("draw", thread_time):
                image = draw(frame.image, frame.number)
            file.write(image, float(run.time_s[frame.number]))
        file.finish(float(run.time_s[-1]) + 1 / fps)
    taken = again.taken_s
    watch.taken_s[AGAIN], watch.taken_s["draw"] = taken["decode"], taken["draw"]
    watch.taken_s["encode"] = max(0.0, taken["all"] - taken["draw"] - taken["decode"])


def chain_rate(video: Path, chain: Chain, scratch: Path) -> tuple[float, float]:
    """Frames/s of wall time as ``dance analyze`` works: up to the poses, and with the overlay.

    Raises as :func:`chain_times` does.
    """
    estimator = make_estimator(chain.estimator, chain.weights, video.stem)
    began = perf_counter()
    poses = poses_of(see_video(video, estimator), chain.networks)
    posed = perf_counter()
    write_overlay(video, poses, scratch / "overlay.mp4", _HORIZON_MS)
    frames = len(poses.run)
    return frames / (posed - began), frames / (perf_counter() - began)
