"""From the sampled frames of a clip to its pose track."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.protocol import PoseEstimate, PoseEstimator
from dance_models.skeleton import DANCE_14
from dance_models.tables import LANDMARKS, TRACKS, conform

_NUM_LANDMARKS = LANDMARKS.shape[0]


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """The estimate for one frame; ``pose`` is None when no person was detected."""

    run: int
    frame: int
    pose: PoseEstimate | None


def track_clip(
    frames: pl.DataFrame, root: Path, estimator: PoseEstimator, clip: str | None = None
) -> pl.DataFrame:
    """Estimate every frame of one clip's FRAMES table; returns a TRACKS table.

    ``clip`` selects the clip in a table that holds several.

    The ``image`` column is relative to ``root``. Frames in which no person is detected keep
    their row, with null keypoints, scores, landmarks and evidence. Raises InputError on an
    unreadable image, ValueError when it is not clear which clip is meant.
    """
    rows = frames if clip is None else frames.filter(pl.col("clip") == clip)
    if rows["clip"].n_unique() > 1:
        raise ValueError("the frames are of several clips: name one")
    rows = rows.sort("run", "frame")
    images = ((r["run"], r["frame"], root / r["image"]) for r in rows.iter_rows(named=True))
    tracked = list(estimate_track(estimator, images))
    table = pl.DataFrame(
        {
            "clip": rows["clip"],
            "run": rows["run"],
            "frame": rows["frame"],
            "time_s": rows["time_s"],
            "keypoints": _column([t.pose.keypoints if t.pose else None for t in tracked]),
            "score": _column([t.pose.score if t.pose else None for t in tracked]),
            "landmarks": _column([_of_landmarks(t.pose, "landmarks") for t in tracked]),
            "evidence": _column([_of_landmarks(t.pose, "evidence") for t in tracked]),
        },
        schema_overrides={
            name: TRACKS[name] for name in ("keypoints", "score", "landmarks", "evidence")
        },
    ).with_columns(estimator=pl.lit(estimator.name), estimator_version=pl.lit(estimator.version))
    return conform(table, TRACKS).sort("clip", "frame")


def estimate_track(
    estimator: PoseEstimator, images: Iterable[tuple[int, int, Path]]
) -> Iterator[TrackedFrame]:
    """Estimate images given as (run, frame, path), runs one after another, frames ascending.

    Yields one result an image, as it is made, so that a caller can show progress.
    """
    current: int | None = None
    for run, frame, path in images:
        if run != current:
            estimator.start_run()
            current = run
        pose = estimator.estimate(read_image(path, frame), frame)
        if pose is not None and pose.keypoints.shape != (DANCE_14.num_joints, 2):
            raise ValueError(f"{estimator.name} gave keypoints of shape {pose.keypoints.shape}")
        yield TrackedFrame(run, frame, pose)


def read_image(path: Path, frame: int | None = None) -> NDArray[np.uint8]:
    """Read an image file as RGB (H, W, 3). Raises InputError when it cannot be read."""
    hint = "Sample the clip again"
    try:
        encoded = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise InputError(
            f"cannot read the image ({error.strerror})", file=path, frame=frame, hint=hint
        ) from error
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB) if encoded.size else None
    if image is None:
        raise InputError("not a readable image", file=path, frame=frame, hint=hint)
    pixels: NDArray[np.uint8] = image
    return pixels


def _of_landmarks(pose: PoseEstimate | None, name: str) -> NDArray[np.float32] | None:
    """The field of that name; it is of BlazePose's landmarks, so null where there are none."""
    values: NDArray[np.float32] | None = getattr(pose, name, None)
    return values if values is not None and len(values) == _NUM_LANDMARKS else None


def _column(values: list[NDArray[np.float32] | None]) -> list[list[object] | None]:
    return [None if v is None else v.tolist() for v in values]
