"""Poses that somebody else's estimator wrote: one file, or one folder of a file a frame."""

from pathlib import Path
from typing import Final

from dance_models.analysis.video import Seen, see_track
from dance_models.errors import InputError
from dance_models.estimators.pose_file import read_track, track_files
from dance_models.estimators.pose_track import PoseTrack
from dance_models.estimators.precomputed import PrecomputedPoses, content_digest
from dance_models.video.probe import MOST_FRAMES

_FRACTIONS: Final = (1.0, 1.0)  # the size of people whose coordinates are fractions of the image


def given_poses(
    path: Path, person: int | None, pose_model: str | None, frames: int | None
) -> tuple[PrecomputedPoses, PoseTrack]:
    """The estimator that returns the poses of a file or folder, and the track that it holds.

    ``frames`` is the length of the video where it is known, ``pose_model`` as in
    :func:`~dance_models.estimators.pose_file.read_track`. Raises InputError when it cannot be read.
    """
    if not path.exists():
        raise InputError("there is no such file or folder (--from)", file=path)
    track = read_track(path, pose_model, frames)
    version = content_digest(path, track_files(path))[:12]
    if person and person >= (most := max(map(len, track.people.values()), default=0)) > 0:
        raise InputError(
            f"--person {person + 1} is not there: at most {most} people are in one frame", file=path
        )
    return PrecomputedPoses(track, version, person=person), track


def see_given(
    path: Path,
    estimator: PrecomputedPoses,
    track: PoseTrack,
    fps: float,
    size: tuple[int, int] | None,
) -> Seen:
    """What a pose file says without its video. Raises InputError where its size must be known."""
    frames = max(track.people, default=-1) + 1
    if not frames:
        raise InputError("there is nobody in these poses", file=path)
    if not 0 < frames <= MOST_FRAMES:
        raise InputError(f"it numbers {frames} frames", file=path, hint="Check the frame numbers")
    return see_track(path.stem, estimator, frames, fps, size or _size_of(path, track))


def _size_of(path: Path, track: PoseTrack) -> tuple[int, int]:
    """Width and height: those that the file states, else the extent of the poses."""
    people = [person for persons in track.people.values() for person in persons]
    stated = {person.size for person in people if person.size is not None}
    if _FRACTIONS in stated:
        raise InputError(
            "coordinates are fractions of the image, not pixels",
            file=path,
            hint="Give the video, or --size WIDTHxHEIGHT",
        )
    if stated:
        width, height = max(stated)
    else:
        width = max(float(person.box[2]) for person in people) + 1
        height = max(float(person.box[3]) for person in people) + 1
    return max(1, round(width)), max(1, round(height))
