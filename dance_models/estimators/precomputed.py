"""Poses that were computed elsewhere: a file or a folder for each clip."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.boxes import Boxes, overlap
from dance_models.estimators.follow import PersonFollower
from dance_models.estimators.people.tracks import Track
from dance_models.estimators.pose_file import read_track
from dance_models.estimators.pose_track import Person, PoseTrack
from dance_models.estimators.protocol import PoseEstimate, no_landmarks
from dance_models.estimators.track_folder import files_of_clip
from dance_models.tables import file_digest
from dance_models.text import printable

# Of the readers; raised when they read something differently, so that tracks are read again.
READERS: Final = "5"

# A joint that a file is so sure of lies in the picture; farther out, by this share of its side, it
# is of a larger picture.
_SURE: Final = 0.5
_BEYOND: Final = 1.1
# Overlap of boxes from which on somebody in a file can be the person who is followed.
_LEAST_OVERLAP: Final = 0.3


class PrecomputedPoses:
    """Looks poses up by frame index; the forms it reads are in :mod:`pose_file`.

    Of several people it takes the largest (or the one of rank ``person``) at the start of a run
    and stays with that person. A frame that is not in the track has no person. ``notes`` says what
    of the files was not used and what is doubtful, ``lost`` counts what was not used, and
    ``described`` says what was read.
    """

    name = "precomputed"

    def __init__(self, track: PoseTrack, version: str, *, person: int | None = None) -> None:
        self.version = version
        self.notes, self.lost = track.notes, track.lost
        self.described = track.described
        self._people = track.people
        self._file = track.file
        self._follower = PersonFollower(person)
        self._followed: Track | None = None

    def size_notes(self, size: tuple[int, int]) -> tuple[str, ...]:
        """A warning when most poses lie beyond a video of that width and height.

        Poses in pixels of a larger video, whose file does not state a size, would be used as they
        are.
        """
        reach = [_reach(people) for people in self._people.values() if people]
        far = [point for point in reach if (point > _BEYOND * np.array(size)).any()]
        if 2 * len(far) <= len(reach):
            return ()
        across, down = np.median(far, axis=0)
        note = (
            f"{self._file}: joints reach ({across:.0f}, {down:.0f}) in {len(far)} of {len(reach)} "
            f"frames with people, and the video is {size[0]}x{size[1]}: the poses look like those "
            "of a larger video. Export them in pixels of this one"
        )
        return (printable(note),)

    def follow(self, track: Track) -> None:
        """From now on, take whom of the file's people fits ``track``, and nobody else."""
        self._followed = track
        self.version += "+track-1"

    @classmethod
    def for_clip(
        cls,
        directory: Path,
        clip: str,
        *,
        person: int | None = None,
        pose_model: str | None = None,
        num_frames: int | None = None,
    ) -> "PrecomputedPoses":
        """Read the track of ``clip`` in ``directory``; its version is that of the content.

        ``pose_model`` and ``num_frames`` are as in :func:`pose_file.read_track`. Raises InputError
        when there is no track, more than one, or it cannot be read.
        """
        path, files = files_of_clip(directory, clip)
        track = read_track(path, pose_model, num_frames, files)
        return cls(track, content_digest(path, files)[:12], person=person)

    def start_run(self) -> None:
        """Select the person again."""
        self._follower.reset()

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Pose stored for ``frame``; of the image, its size alone is used."""
        people = [_in_image(person, image) for person in self._people.get(frame, ())]
        boxes = np.array([person.box for person in people]).reshape(-1, 4)
        chosen = self._chosen(boxes, frame)
        if chosen is None:
            return None
        person = people[chosen]
        return PoseEstimate(person.keypoints, person.score, no_landmarks())

    def _chosen(self, boxes: Boxes, frame: int) -> int | None:
        """Which of the people, by their boxes (N, 4); None when the one to follow is not there."""
        if self._followed is None:
            chosen = self._follower.choose(boxes)
            if not chosen:
                self._follower.missed()
                return None
            self._follower.seen(boxes[chosen[0]])
            return chosen[0]
        place = self._followed.at(frame)
        if place is None or not len(boxes):
            return None
        fit = overlap(boxes, place.box[None])[:, 0]
        best = int(fit.argmax())
        return best if fit[best] >= _LEAST_OVERLAP else None


def _reach(people: Sequence[Person]) -> NDArray[np.float64]:
    """The largest x and y of joints that are surely seen; 0 without any, or with a stated size."""
    sure = [p.keypoints[p.score >= _SURE] for p in people if p.size is None]
    reach: NDArray[np.float64] = np.nanmax(np.concatenate([np.zeros((1, 2)), *sure]), axis=0)
    return reach


def _in_image(person: Person, image: NDArray[np.uint8]) -> Person:
    """The person in pixels of the image, where the file has another size or fractions."""
    if person.size is None:
        return person
    scale = np.array([image.shape[1] / person.size[0], image.shape[0] / person.size[1]])
    keypoints = (person.keypoints * scale).astype(np.float32)
    return Person(keypoints, person.score, person.box * np.tile(scale, 2))


def content_digest(path: Path, files: list[Path]) -> str:
    """sha256 over the content of a file, or over names and contents of the files of a folder."""
    digest = hashlib.sha256(READERS.encode())
    for file in files:
        name = file.name if path.is_dir() else ""
        digest.update(f"{name} {file_digest(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
