"""Reading files of motion of any of the four kinds as clips."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.documents import read_json
from dance_models.errors import InputError, guarded
from dance_models.files import files_below, why_unusable
from dance_models.motion.body_joints import body_joints
from dance_models.motion.bvh import read_bvh
from dance_models.motion.camera import CameraRanges, random_camera, upright
from dance_models.motion.capture import Capture, holds_positions, read_captures
from dance_models.motion.clip import Kind, MotionClip, frame_step, thin, trim
from dance_models.motion.kinetics import SIZE as KINETICS_SIZE
from dance_models.motion.kinetics import is_kinetics, kinetics_keypoints
from dance_models.motion.tracks import read_array_track, read_json_track
from dance_models.skeleton import DANCE_14

_ARRAYS: Final = (".npy", ".npz")
_SUFFIXES: Final = (".bvh", ".json", *_ARRAYS)
_FRAME_FILE: Final = "_keypoints.json"  # OpenPose: one file a frame, so the folder is the track
_LEAST_FRAMES: Final = 2
_FARTHEST: Final = 1e9  # of any unit of length


@dataclass(frozen=True)
class MotionOptions:
    """How files are read. BVH files contain their frame rate."""

    fps: float = 30.0  # of arrays, of Kinetics-skeleton and of pose JSON
    max_fps: float = 30.0  # faster motion is thinned to at most this
    cameras: int = 3  # views of each BVH
    bvh_skip: int = 1  # first frames of each BVH to drop: often a T-pose
    seed: int = 0  # of the cameras
    ranges: CameraRanges = field(default_factory=CameraRanges)
    positions_fps: float = 60.0  # of joint positions in 3-D, where the file does not say
    kinetics_size: tuple[int, int] = KINETICS_SIZE
    track_size: tuple[int, int] = (1920, 1080)  # of tracks' pictures; grows with the keypoints

    def __post_init__(self) -> None:
        rates = np.array([self.fps, self.max_fps])
        if not (np.isfinite(rates).all() and (rates > 0).all()):
            raise InputError("frame rates must be positive")
        if self.cameras < 1 or self.bvh_skip < 0:
            raise InputError("there must be a camera, and no fewer than 0 frames to skip")


def read_source(path: Path, source: str, options: MotionOptions | None = None) -> list[MotionClip]:
    """The clips of one file or folder of frames, named ``source``; views of a BVH in order.

    The same file, name and options give the same clips. Raises InputError naming the file when it
    cannot be read.
    """
    try:
        with guarded("motion", path):
            return [_followed(clip) for clip in _read(path, source, options or MotionOptions())]
    except InputError as error:
        raise (error if error.file else _named(error, path)) from error


def _named(error: InputError, path: Path) -> InputError:
    return InputError(
        error.message, file=path, frame=error.frame, joint=error.joint, hint=error.hint
    )


def motion_sources(folder: Path) -> dict[str, Path]:
    """Files, and folders of one-file-a-frame JSON, by their path below ``folder``, sorted.

    What is no regular file, or has a name that no table can hold, is left out:
    :func:`unusable_sources` names it. ``folder`` may also be one file. Raises InputError when there
    is no such folder.
    """
    if folder.is_file() and folder.suffix.lower() in _SUFFIXES:
        return {folder.name: folder}
    if not folder.is_dir():
        raise InputError("no such folder of motion", file=folder)
    found = set()
    for path in files_below(folder):
        if path.suffix.lower() in _SUFFIXES and why_unusable(path) is None:
            found.add(path.parent if path.name.endswith(_FRAME_FILE) else path)
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return {folder.name if name == "." else name: names[name] for name in sorted(names)}


def unusable_sources(folder: Path) -> list[InputError]:
    """Entries below a folder with the name of a file of motion that are none, and why.

    Among them folders that cannot be read.
    """
    errors: list[OSError] = []
    named = (
        path for path in files_below(folder, errors.append) if path.suffix.lower() in _SUFFIXES
    )
    found = [InputError(why, file=path) for path in named if (why := why_unusable(path))]
    found += [InputError(f"cannot be read ({e.strerror})", file=e.filename) for e in errors]
    return sorted(found, key=str)


def _read(path: Path, source: str, options: MotionOptions) -> Iterator[MotionClip]:
    if path.suffix.lower() == ".bvh":
        yield from _bvh_views(path, source, options)
        return
    if path.suffix.lower() in _ARRAYS and holds_positions(path):
        for capture in read_captures(path, source, options.positions_fps):
            yield from _capture_views(capture, options)
        return
    kind: Kind = "tracks"
    size = options.track_size
    if path.suffix.lower() in _ARRAYS:
        keypoints = read_array_track(path)
    elif path.is_file() and is_kinetics(document := _json(path)):
        kind, size = "kinetics", options.kinetics_size
        keypoints = kinetics_keypoints(document, size)
    else:
        keypoints = read_json_track(path)
    time_s = np.arange(len(keypoints), dtype=np.float64) / options.fps
    width, height = _size(keypoints, size)
    clip = MotionClip(source, source, kind, time_s, keypoints, width, height)
    yield thin(trim(clip), options.max_fps)


def _json(path: Path) -> object:
    document = read_json(path)
    if document.keys_again:
        raise InputError(document.keys_again, file=path, hint="Keep one of them")
    return document.value


def _size(keypoints: NDArray[np.float32], least: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the picture: at least as given, and around all keypoints."""
    known = keypoints[np.isfinite(keypoints).all(axis=-1)]
    if not len(known):
        return least
    right, bottom = (math.floor(v) + 1 for v in known.max(axis=0).tolist())
    return max(least[0], right), max(least[1], bottom)


def _bvh_views(path: Path, source: str, options: MotionOptions) -> Iterator[MotionClip]:
    bvh = read_bvh(path)
    step = frame_step(1 / bvh.frame_time_s, options.max_fps)
    skip = options.bvh_skip if len(bvh.motion) > options.bvh_skip else 0
    bvh = bvh.frames(skip, step)
    points = upright(body_joints(bvh))
    time_s = np.arange(len(points), dtype=np.float64) * bvh.frame_time_s
    yield from _views(points, time_s, source, "bvh", options)


def _capture_views(capture: Capture, options: MotionOptions) -> Iterator[MotionClip]:
    """Each take is a source of its own."""
    step = frame_step(capture.fps, options.max_fps)
    joints = capture.marks[::step, : DANCE_14.num_joints]
    points = np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], axis=-1)  # y up
    time_s = np.arange(len(points), dtype=np.float64) * step / capture.fps
    yield from _views(points, time_s, capture.name, "positions", options)


def _views(
    points: NDArray[np.float64],
    time_s: NDArray[np.float64],
    source: str,
    kind: Kind,
    options: MotionOptions,
) -> Iterator[MotionClip]:
    if np.abs(np.nan_to_num(points, nan=0.0)).max(initial=0.0) > _FARTHEST:
        raise InputError(f"positions beyond {_FARTHEST:g} cannot be those of a person")
    size = options.ranges.width, options.ranges.height
    for view in range(options.cameras):
        camera = random_camera(points, _generator(options.seed, source, view), options.ranges)
        keypoints = camera.project(points)
        yield MotionClip(f"{source}:view{view}", source, kind, time_s, keypoints, *size)


def _generator(seed: int, source: str, view: int) -> np.random.Generator:
    digest = hashlib.sha256(f"camera:{seed}:{source}:{view}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _followed(clip: MotionClip) -> MotionClip:
    if len(clip) < _LEAST_FRAMES:
        raise InputError("no person can be followed for two frames")
    return clip
