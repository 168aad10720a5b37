"""Poses that were computed elsewhere, one JSON (or one folder of JSON) for each clip."""

import hashlib
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.follow import PersonFollower
from dance_models.estimators.pose_json import People, read_people
from dance_models.estimators.protocol import PoseEstimate, no_landmarks


class PrecomputedPoses:
    """Looks poses up by frame index; the forms it reads are in :mod:`pose_json`.

    Of several people it takes the largest (or the one of rank ``person``) at the start of a run
    and stays with that person. A frame that is not in the track has no person.
    """

    name = "precomputed"

    def __init__(self, people: People, version: str, *, person: int | None = None) -> None:
        self.version = version
        self._people = people
        self._follower = PersonFollower(person)

    @classmethod
    def for_clip(
        cls, directory: Path, clip: str, *, person: int | None = None
    ) -> "PrecomputedPoses":
        """Read the track of ``clip`` in ``directory``; its version is that of the content.

        Raises InputError when there is none, more than one, or it cannot be read.
        """
        path = find_track(directory, clip)
        return cls(read_people(path), content_digest(path)[:12], person=person)

    def start_run(self) -> None:
        """Select the person again."""
        self._follower.reset()

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Pose stored for ``frame``; the image is not used."""
        del image
        people = self._people.get(frame, ())
        boxes = np.array([person.box for person in people]).reshape(-1, 4)
        chosen = self._follower.choose(boxes)
        if not chosen:
            self._follower.missed()
            return None
        self._follower.seen(boxes[chosen[0]])
        person = people[chosen[0]]
        return PoseEstimate(person.keypoints, person.score, no_landmarks())


def find_track(directory: Path, clip: str) -> Path:
    """Find the JSON or the folder in ``directory`` that belongs to ``clip``.

    ``<clip>.json``, ``<clip>.<anything>.json`` and ``<clip>/`` match; case and punctuation do
    not count, since clips are named by the slug of their file. Raises InputError when nothing
    or more than one thing matches.
    """
    if not directory.is_dir():
        raise InputError("the folder of precomputed tracks does not exist", file=directory)
    entries = sorted(e for e in directory.iterdir() if e.is_dir() or e.suffix.lower() == ".json")
    matches = [e for e in entries if _plain(e.name if e.is_dir() else e.stem) == _plain(clip)]
    if not matches:
        matches = [
            e for e in entries if e.is_file() and _plain(e.name.split(".")[0]) == _plain(clip)
        ]
    if len(matches) == 1:
        return matches[0]
    found = ", ".join(e.name for e in matches) or "nothing"
    raise InputError(
        f"the track of clip {clip!r} must be exactly one JSON file or folder, found {found}",
        file=directory,
        hint=f"Name it {clip}.json",
    )


def content_digest(path: Path) -> str:
    """sha256 over the content of a file, or over names and contents of a folder's JSON."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.name if path.is_dir() else ''} {content}\n".encode())
    return digest.hexdigest()


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")
