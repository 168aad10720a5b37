"""The video with the skeletons drawn on it."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from dance_models.analysis.poses import FORECAST_STRIDE, VideoPoses, video_frames
from dance_models.files import replacing
from dance_models.metrics.horizon import HORIZON_STEPS
from dance_models.render.overlay import draw_skeleton

TIME_BASE: Final = Fraction(1, 90_000)
ESTIMATE: Final = (170, 170, 170)
FORECAST: Final = (255, 220, 60)
OPTIONS: Final = {"crf": "20", "preset": "veryfast"}


def write_overlay(video: Path, poses: VideoPoses, target: Path) -> None:
    """Write an H.264 file: grey the estimate, in colours the refined pose, yellow the forecast.

    The forecast shows the dancer 400 ms after its frame, until the next forecast. The file has the
    time stamps of the video; it is written under a temporary name and renamed.
    """
    with replacing(target) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=max(1, round(poses.probe.fps)))
        stream.width, stream.height = (
            size // 2 * 2 for size in (poses.run.width, poses.run.height)
        )
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.options = OPTIONS
        for position, image in video_frames(video, poses.probe):
            drawn = _drawn(image, poses, position)[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="rgb24")
            frame.pts = round(float(poses.run.time_s[position]) / TIME_BASE)
            frame.time_base = TIME_BASE
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _drawn(image: NDArray[np.uint8], poses: VideoPoses, position: int) -> NDArray[np.uint8]:
    drawn = draw_skeleton(image, poses.run.estimate[position], colour=ESTIMATE)
    latest = int(np.searchsorted(poses.anchor, position, side="right")) - 1
    if latest >= 0 and position - poses.anchor[latest] < FORECAST_STRIDE:
        ahead = poses.forecast[latest, HORIZON_STEPS[-1] - 1]
        drawn = draw_skeleton(drawn, ahead, colour=FORECAST)
    return draw_skeleton(drawn, poses.refined[position])
