"""Poses that were computed elsewhere: a file or a folder for each clip."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.annotations.unread import UnreadFile, unread_files
from dance_models.errors import InputError
from dance_models.estimators.boxes import Boxes, overlap
from dance_models.estimators.follow import PersonFollower
from dance_models.estimators.people.tracks import Track
from dance_models.estimators.pose_file import POSE_SUFFIXES, read_track, track_files
from dance_models.estimators.pose_track import Person, PoseTrack
from dance_models.estimators.protocol import PoseEstimate, no_landmarks
from dance_models.tables import file_digest
from dance_models.video.names import clip_slug
from dance_models.video.scan import VIDEO_SUFFIXES

# Of the readers; raised when they read something differently, so that tracks are read again.
READERS: Final = "3"
# Folders that tools make for the files of all clips.
_COMMON_FOLDERS: Final = ("json", "keypoints", "labels", "pose", "poses", "predictions")
_BEFORE: Final = r"(?:results|alphapose(?:-results)?|openpose)[_-]"
_AFTER: Final = (
    r"(?:DLC[_-].*|[_-](?:Sports2D(?:_px)?(?:_person\d+)?|json|poses?|keypoints|landmarks"
    r"|openpose|alphapose|mediapipe|predictions?|results?|analysis|px_person\d+))"
)
# Pictures of the poses, angles, settings and logs are no poses.
_BESIDE_POSES: Final = frozenset({*VIDEO_SUFFIXES, ".mot", ".toml", ".log"})

# Overlap of boxes from which on somebody in a file can be the person who is followed.
_LEAST_OVERLAP: Final = 0.3

# Short numbers alone may be those of takes: dance_02.json is no frame of a clip named dance.
_FRAME_NUMBER: Final = {
    ".json": re.compile(r"(.+?)[_-](?:\d{6,}|\d+_keypoints)", re.IGNORECASE),
    ".txt": re.compile(r"(.+)_\d+"),
}


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
        self._follower = PersonFollower(person)
        self._followed: Track | None = None

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


def _in_image(person: Person, image: NDArray[np.uint8]) -> Person:
    """The person in pixels of the image, where the file has another size or fractions."""
    if person.size is None:
        return person
    scale = np.array([image.shape[1] / person.size[0], image.shape[0] / person.size[1]])
    keypoints = (person.keypoints * scale).astype(np.float32)
    return Person(keypoints, person.score, person.box * np.tile(scale, 2))


def files_of_clip(directory: Path, clip: str) -> tuple[Path, list[Path]]:
    """The file or folder in ``directory`` that belongs to ``clip``, and the files that are read.

    A name belongs when its :func:`~dance_models.video.names.clip_slug` is ``clip``: as it is, then
    without what tools add (``NAME_json/``, ``NAME.predictions.slp``, ``NAMEDLC_resnet50....csv``,
    ``results_NAME.json``), then without regard to ``-`` and ``_``. Where nothing belongs, frames
    may lie in the folder itself (``NAME_000012_keypoints.json``, ``labels/NAME_12.txt``). Folders
    such as ``predictions`` are looked into like the folder itself. Raises InputError when nothing
    or more than one thing belongs.
    """
    if not directory.is_dir():
        raise InputError("the folder of precomputed tracks does not exist", file=directory)
    folders = _folders(directory)
    found: list[Path] = []
    for folder in folders:
        found = found or _belonging([e for e in _entries(folder) if track_files(e)], clip)
    if len(found) == 1:
        return found[0], track_files(found[0])
    if not found:
        for folder in folders:
            if loose := _loose_frames(folder, clip):
                return folder, loose
    listed = ", ".join(e.name for e in found) or "nothing"
    raise InputError(
        f"the track of clip {clip!r} must be exactly one file or folder, found {listed}",
        file=directory,
        hint=f"Name it {clip}.json, or {clip}/ for a folder of one JSON a frame",
    )


def _folders(directory: Path) -> list[Path]:
    """The folder, and those in it that tools make for the files of all clips."""
    inner = (entry for entry in _entries(directory) if entry.is_dir())
    return [directory, *(folder for folder in inner if folder.name.lower() in _COMMON_FOLDERS)]


def _entries(folder: Path) -> list[Path]:
    """Folders and pose files in a folder, without the H5 that DeepLabCut writes beside a CSV."""
    entries = [
        e
        for e in sorted(folder.iterdir())
        if not e.name.startswith(".") and (e.is_dir() or e.suffix.lower() in POSE_SUFFIXES)
    ]
    tables = {e.stem for e in entries if e.suffix.lower() == ".csv"}
    return [e for e in entries if e.suffix.lower() != ".h5" or e.stem not in tables]


def _belonging(entries: list[Path], clip: str) -> list[Path]:
    """The entries with the clip's name, by the strictest rule that finds any."""
    for lenient in (False, True):
        wanted = _bare(clip) if lenient else clip
        for names_of in (_own_name, _without_additions):
            found = [
                entry
                for entry in entries
                if any((_bare(name) if lenient else name) == wanted for name in names_of(entry))
            ]
            if found:
                return found
    return []


def _own_name(entry: Path) -> Iterator[str]:
    yield _slug(entry.name if entry.is_dir() else entry.stem)


def _without_additions(entry: Path) -> Iterator[str]:
    """What is left of the name without what tools put before and after a clip's."""
    name = entry.name if entry.is_dir() else entry.stem
    first = name.split(".")[0]
    for text in (name, first):
        yield _slug(re.sub(rf"{_AFTER}$", "", text, flags=re.IGNORECASE))
        yield _slug(re.sub(rf"^{_BEFORE}", "", text, flags=re.IGNORECASE))
    yield _slug(first)


def _slug(name: str) -> str:
    return clip_slug(name + ".x")


def _bare(slug: str) -> str:
    return re.sub(r"[-_]", "", slug)


def _loose_frames(folder: Path, clip: str) -> list[Path]:
    """Files of single frames of the clip: its name and a number."""
    return [
        entry
        for entry in _entries(folder)
        if (pattern := _FRAME_NUMBER.get(entry.suffix.lower()))
        and (name := pattern.fullmatch(entry.stem))
        and clip == _slug(name[1])
    ]


def unused_tracks(directory: Path, clips: Sequence[str]) -> list[str]:
    """A line for each entry of the folder that is read for none of the clips.

    Folders that tools make for all clips are looked into. Of other files, those are named that
    :func:`~dance_models.annotations.unread.unread_files` finds and no tool writes beside poses.
    """
    if not directory.is_dir():
        return []
    folders = _folders(directory)
    used: set[Path] = set()
    for clip in clips:
        try:
            path, files = files_of_clip(directory, clip)
        except InputError:
            continue
        used |= {path, *files} - {*folders}
    above = {parent for path in used for parent in path.parents}
    entries = [entry for folder in folders for entry in _entries(folder)]
    idle = [e for e in entries if e not in {*used, *above, *folders} and track_files(e)]
    # Frames of one clip lie side by side: one line for all.
    groups: dict[str, list[Path]] = {}
    for entry in idle:
        groups.setdefault(re.sub(r"[_-]?\d+(_keypoints)?$", "", entry.stem), []).append(entry)
    lines = [_unused_line(group, clips) for group in groups.values()]
    return lines + [f"{path}: {why}" for path, why in _other_data(directory, {*used, *idle})]


def _other_data(directory: Path, used: Collection[Path]) -> Iterator[UnreadFile]:
    """Files that are no poses of any clip, without those that tools write beside poses."""
    # DeepLabCut's pickles are called like the CSV and more.
    stems = tuple(path.stem for path in used if path.is_file())
    for found in unread_files(directory, used):
        if not (
            found.path.is_dir()  # of images
            or found.path.suffix.lower() in _BESIDE_POSES
            or (found.path.suffix.lower() == ".pickle" and found.path.name.startswith(stems))
        ):
            yield found


def _unused_line(group: list[Path], clips: Sequence[str]) -> str:
    first, more = group[0], len(group) - 1
    near = get_close_matches(_slug(first.name if first.is_dir() else first.stem), clips, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    others = f" and {more} more" if more else ""
    return f"{first}{others}: of no registered clip, so it is not read{hint}"


def content_digest(path: Path, files: list[Path]) -> str:
    """sha256 over the content of a file, or over names and contents of the files of a folder."""
    digest = hashlib.sha256(READERS.encode())
    for file in files:
        name = file.name if path.is_dir() else ""
        digest.update(f"{name} {file_digest(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
