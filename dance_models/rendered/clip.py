"""One view of a piece through the real estimator: its file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.config import EstimatorConfig, RenderedMotionConfig, identity
from dance_models.estimators.factory import estimator_fingerprint, make_estimator
from dance_models.estimators.protocol import PoseEstimate, PoseEstimator, stacked
from dance_models.files import archive_damage, replacing
from dance_models.motion.capture import Capture
from dance_models.rendered.bodies import make_body
from dance_models.rendered.film import decode, encode
from dance_models.rendered.performance import perform
from dance_models.rendered.shot import Shot, draw_rate, draw_shot, projected

Array = NDArray[Any]

VERSION: Final = "1"  # raise it when the same draws give other pictures or truth
_THUMB_LINES: Final = 240


@dataclass(frozen=True)
class Piece:
    """A stretch of a take, and the body that moves it."""

    number: int
    source: str  # of the file
    take: str  # name of the capture
    start_s: float
    body: str

    @property
    def name(self) -> str:
        """Unique in a data set."""
        return f"piece_{self.number:04d}"


@dataclass(frozen=True, eq=False)
class ViewFile:
    """What one rendered view leaves: everything of its pose run, and its camera."""

    made: str  # digest of what it was made from
    size: tuple[int, int]
    fps: int
    crf: int
    estimate: NDArray[np.float32]  # (T, J, 2)
    score: NDArray[np.float32]  # (T, J)
    landmarks: NDArray[np.float32]  # (T, L, 3)
    evidence: NDArray[np.float32]  # (T, L, E)
    joints: NDArray[np.float32]  # (T, J, 3) exact, metres
    axes: NDArray[np.float32]  # (T, J, 3, 3) a joint's own axes to the world
    projection: NDArray[np.float64]  # (T, 3, 4)
    visibility: NDArray[np.uint8]  # (T, J)
    picture: NDArray[np.uint8]  # JPEG bytes of the middle frame, small

    def annotation(self) -> NDArray[np.float32]:
        """(T, J, 2) exact pixels; NaN outside of the picture."""
        points = projected(self.projection, self.joints.astype(np.float64))
        return np.where(self.visibility[..., None] > 0, points, np.nan).astype(np.float32)


_ARRAYS: Final = (
    "estimate", "score", "landmarks", "evidence", "joints", "axes", "projection", "visibility",
    "picture",
)  # fmt: skip


def view_name(piece: Piece, view: int) -> str:
    """Name of the clip, and of its file without the suffix."""
    return f"{piece.name}.view{view}"


def digest_of(
    piece: Piece,
    view: int,
    config: RenderedMotionConfig,
    estimator: EstimatorConfig,
    weights: Path,
    motion: str,
) -> str:
    """Digest of all that a view depends on; ``motion`` is the sha256 of the motion file.

    How many pieces there are, and how they are made and joined later, is not part of it.
    """
    drawn = {
        key: value
        for key, value in identity(config).items()
        if key not in {"pieces", "workers", "smooth_s", "most_error_m", "val_share"}
    }
    files = estimator_fingerprint(estimator, piece.name, weights)
    parts = [VERSION, identity(piece), view, drawn, identity(estimator), files, motion]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def generator(config: RenderedMotionConfig, *parts: object) -> np.random.Generator:
    """Draws from the seed and these names alone."""
    text = ":".join(["rendered", str(config.seed), *map(str, parts)])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def shoot(piece: Piece, view: int, capture: Capture, config: RenderedMotionConfig) -> Shot:
    """The shot of a view. Motion, body and frame rate are the piece's, all else the view's."""
    shared = generator(config, piece.name)
    fps, turn = draw_rate(shared), shared.uniform(0, 2 * np.pi)
    performance = perform(
        capture, make_body(piece.body), piece.start_s, config.seconds + 0.1, shared
    )
    rng = generator(config, piece.name, view)
    azimuth = turn + 2 * np.pi * (view + rng.uniform(-0.35, 0.35)) / config.views
    return draw_shot(performance, fps, azimuth, config, rng)


def render_view(
    piece: Piece,
    view: int,
    capture: Capture,
    config: RenderedMotionConfig,
    estimator: PoseEstimator,
    made: str,
) -> ViewFile:
    """Render, encode, decode and estimate one view."""
    shot = shoot(piece, view, capture, config)
    truth: list[tuple[Array, Array, Array]] = []

    def filmed() -> Any:
        for picture, posed, seen in shot.pictures():
            truth.append((posed.joints, posed.frames, seen))
            yield picture

    video = encode(filmed(), shot.size, shot.fps, shot.crf)
    estimator.start_run()
    found: list[PoseEstimate | None] = []
    middle = np.zeros((2, 2, 3), np.uint8)
    for frame, image in enumerate(decode(video)):
        found.append(estimator.estimate(image, frame))
        if frame == shot.frames // 2:
            middle = image
    seen = stacked(found)
    joints, axes, visibility = (np.stack(column) for column in zip(*truth, strict=True))
    return ViewFile(
        made=made,
        size=shot.size,
        fps=shot.fps,
        crf=shot.crf,
        estimate=seen.keypoints,
        score=seen.score,
        landmarks=seen.landmarks,
        evidence=seen.evidence,
        joints=joints.astype(np.float32),
        axes=axes.astype(np.float32),
        projection=shot.projection(),
        visibility=visibility,
        picture=_thumb(middle),
    )


def _thumb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    width = max(1, round(image.shape[1] * _THUMB_LINES / image.shape[0]))
    small = cv2.resize(image, (width, _THUMB_LINES), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.imencode(".jpg", small[..., ::-1])[1], np.uint8)


def save_view(view: ViewFile, path: Path) -> None:
    """Write atomically."""
    facts = {"size": np.array(view.size), "fps": np.array(view.fps), "crf": np.array(view.crf)}
    arrays = {name: getattr(view, name) for name in _ARRAYS}
    every = {"made": np.array(view.made), **facts, **arrays}
    with replacing(path) as part, part.open("wb") as file:  # a file: numpy would add a suffix
        np.savez_compressed(file, **every)


def load_view(path: Path) -> ViewFile:
    """Read what :func:`save_view` wrote. Raises OSError, ValueError or KeyError."""
    with np.load(path, allow_pickle=False) as stored:
        width, height = stored["size"].tolist()
        return ViewFile(
            made=str(stored["made"]),
            size=(width, height),
            fps=int(stored["fps"]),
            crf=int(stored["crf"]),
            **{name: stored[name] for name in _ARRAYS},
        )


def is_made(path: Path, made: str) -> bool:
    """Whether the file is there, whole, and was made from what has this digest."""
    try:
        if archive_damage(path) is not None:
            return False
        with np.load(path, allow_pickle=False) as stored:
            return str(stored["made"]) == made
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return False


def make_view(
    piece: Piece,
    view: int,
    capture: Capture,
    config: RenderedMotionConfig,
    estimator: EstimatorConfig,
    weights: Path,
    target: Path,
    made: str,
) -> None:
    """Render one view into its file unless it is there."""
    if is_made(target, made):
        return
    cv2.setNumThreads(1)
    tracker = make_estimator(estimator, weights, piece.name)
    save_view(render_view(piece, view, capture, config, tracker, made), target)
