"""The annotations of one clip from all files that mention it, checked against the clip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.annotations.archives import parse_files
from dance_models.annotations.clip_names import ClipNames
from dance_models.annotations.fitting import (
    ClipInfo,
    from_fractions,
    suspicious_unit,
    to_clip_size,
)
from dance_models.annotations.image_names import Reading
from dance_models.annotations.image_numbers import frames_of_images, names_its_image
from dance_models.annotations.numbering import counted_from_zero
from dance_models.annotations.parsed_file import (
    Action,
    ParsedFile,
    Problem,
    RawPose,
    frame_list,
)
from dance_models.annotations.same_people import area_of, with_people_weighed
from dance_models.errors import AnnotationError, guarded
from dance_models.files import stamp_of
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.by_name import to_skeleton
from dance_models.tables import ANNOTATIONS, conform
from dance_models.text import printable

__all__ = ["AnnotationImport", "ClipInfo", "import_clip"]

_FILES_KEPT: Final = 2
_MOST_KEPT: Final = 50_000  # people of such a file: about 150 MB


@dataclass(frozen=True)
class AnnotationImport:
    """Canonical rows (``tables.ANNOTATIONS``) and everything that was dropped or repaired."""

    table: pl.DataFrame
    problems: list[Problem]


def import_clip(
    clip: str,
    files: Sequence[Path],
    info: ClipInfo,
    readings: Mapping[Path, Reading] | None = None,
) -> AnnotationImport:
    """Import ``clip`` from ``files``; a bad file or entry does not stop the others.

    ``readings`` say for each file what was known and chosen when it was registered.
    """
    collected = _Collected(clip, info)
    for path in files:
        collected.parse(path, (readings or {}).get(path))
    collected.add_all()
    rows = [collected.rows[frame] for frame in sorted(collected.rows)]
    table = pl.DataFrame(rows, schema=ANNOTATIONS)
    return AnnotationImport(conform(table, ANNOTATIONS), collected.problems)


class _Remembered:
    """Files of several clips as they were parsed, for the next clips that this process imports.

    The export of a data set is one file of all clips: 2,000 of them would parse it 2,000 times.
    Files of one clip are not kept, nor DeepLabCut's, which are read with the images beside them.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Sequence[ParsedFile]] = {}

    def parsed(self, path: Path, reading: Reading | None) -> Sequence[ParsedFile]:
        """:func:`parse_files` of a file as it is now."""
        clips = None if reading is None else reading.clips
        if reading is None or not isinstance(clips, ClipNames):
            return parse_files(path, reading)
        key = (path, stamp_of(path), clips, reading.clip, reading.first_frame)
        if key in self._kept:
            return self._kept[key]
        files = parse_files(path, reading)
        poses = [pose for parsed in files for pose in parsed.poses]
        alone = not any(parsed.format.startswith("deeplabcut") for parsed in files)
        if alone and len(poses) <= _MOST_KEPT and len({pose.clip for pose in poses}) > 1:
            self._kept = dict([*self._kept.items(), (key, files)][-_FILES_KEPT:])
        return files


_REMEMBERED: Final = _Remembered()


@dataclass
class _Counted:
    """Files whose frames are numbered alike: one of several frames, or a folder of single ones."""

    files: list[tuple[ParsedFile, list[RawPose]]] = field(default_factory=list)

    def add(self, parsed: ParsedFile, poses: list[RawPose]) -> None:
        self.files.append((parsed, poses))

    @property
    def declared(self) -> frozenset[str]:
        """The joints that any of the files has a place for."""
        every = [pose.declared for _, poses in self.files for pose in poses]
        return frozenset().union(*every)


@dataclass
class _Collected:
    """Rows by frame, and problems, of one clip."""

    clip: str
    info: ClipInfo
    groups: dict[str, _Counted] = field(default_factory=dict)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def parse(self, path: Path, reading: Reading | None) -> None:
        """Collect the poses and problems that one file, or an archive, has of the clip."""
        try:
            with guarded("annotations", path, AnnotationError):
                files = _REMEMBERED.parsed(path, reading)
        except AnnotationError as error:
            self.problems.append(Problem(str(path), error.advice))
            return
        for parsed in files:
            self.problems += [p for p in parsed.problems if p.clip in (self.clip, None)]
            poses = [from_fractions(p, self.info) for p in parsed.poses if p.clip == self.clip]
            frames = {*parsed.frames.get(self.clip, ()), *(pose.frame for pose in poses)}
            single = len(frames) == 1
            key = parsed.file.rpartition("/")[0] if single else parsed.file
            self.groups.setdefault(key, _Counted()).add(parsed, poses)

    def add_all(self) -> None:
        """Add the rows of all collected files."""
        for group in self.groups.values():
            poses = [pose for _, some in group.files for pose in some]
            named = {f for parsed, _ in group.files for f in parsed.frames.get(self.clip, ())}
            first = group.files[0][0]
            chosen = first.reading.first_frame
            if self.info.numbers and any(map(names_its_image, poses)):
                chosen, poses = 0, self._of_images(group)  # numbers of images say which is first
            moved, said = counted_from_zero(poses, named, self.info.frames, chosen)
            if said is not None:
                self.problems.append(replace(said, file=first.file))
            declared, left = group.declared, iter(with_people_weighed(moved))
            for parsed, own in group.files:
                self._add_file(parsed.file, list(islice(left, len(own))), declared)

    def _of_images(self, group: _Counted) -> list[RawPose]:
        """The poses of files that name the images of the clip's folder, at their frames."""
        group.files = [
            (parsed, frames_of_images(poses, self.info.numbers, parsed.file, self.problems))
            for parsed, poses in group.files
        ]
        return [pose for _, poses in group.files for pose in poses]

    def _add_file(self, file: str, poses: list[RawPose], declared: frozenset[str]) -> None:
        unit = suspicious_unit(poses, self.info)
        if unit:
            self.problems.append(Problem(file, unit, self.clip, rows=len(poses)))
            return
        poses = to_clip_size(poses, file, self.info, self.problems)
        repeated: dict[str, list[int]] = {}
        for pose in self._one_a_frame(poses, file, repeated):
            self._add(replace(pose, declared=declared), file, repeated)
        for kept_in, frames in repeated.items():
            frame = frames[0] if len(frames) == 1 else None
            what = f"{len(frames)} left out: repeated from {kept_in}{frame_list(frames)}"
            self.problems.append(Problem(file, what, self.clip, frame, rows=len(frames)))

    def _one_a_frame(
        self, poses: Sequence[RawPose], file: str, repeated: dict[str, list[int]]
    ) -> list[RawPose]:
        """One person of each frame, the largest over all frames; the others are reported."""
        by_frame: dict[int, list[RawPose]] = {}
        for pose in poses:
            by_frame.setdefault(pose.frame, []).append(pose)
        chosen = []
        for frame, people in sorted(by_frame.items()):
            distinct = list({tuple(sorted(p.joints.items())): p for p in reversed(people)}.values())
            if len(distinct) < len(people):
                again = [frame] * (len(people) - len(distinct))
                repeated.setdefault(_name(file), []).extend(again)
            if len(distinct) > 1:
                message = f"{len(distinct)} people are annotated; the largest was kept"
                rows = len(distinct) - 1
                self.problems.append(Problem(file, message, self.clip, frame, rows=rows))
            chosen.append(max(distinct, key=lambda p: (p.weight, area_of(p), -p.order)))
        return chosen

    def _add(self, pose: RawPose, file: str, repeated: dict[str, list[int]]) -> None:
        row = self._row(pose, file)
        if row is None:
            return
        kept = self.rows.setdefault(pose.frame, row)
        if kept is row:
            return
        if _same(kept, row):
            repeated.setdefault(kept["source_file"], []).append(pose.frame)
        else:
            message = f"annotated differently in {kept['source_file']}, which was kept"
            self.problems.append(Problem(file, message, self.clip, pose.frame))

    def _row(self, pose: RawPose, file: str) -> dict[str, Any] | None:
        """The pose as a row of the table; None, and a problem, when it cannot be used."""

        def report(message: str, joint: str | None = None) -> None:
            action: Action = "repaired" if joint else "dropped"
            self.problems.append(Problem(file, message, self.clip, pose.frame, joint, action))

        info = self.info
        if not 0 <= pose.frame < info.frames:
            report(f"the clip has no such frame (it has {info.frames}); the annotation was dropped")
            return None
        inside: dict[str, tuple[float, float, int]] = {}
        for joint, (x, y, seen) in pose.joints.items():
            if info.shows(x, y):
                inside[joint] = x, y, seen
            else:
                report(f"({x:g}, {y:g}) lies outside the image; the joint was made absent", joint)
        if not inside.keys() & DANCE_14.index.keys():
            report("no joint lies inside the image; the annotation was dropped")
            return None
        keypoints, visibility, derived = _arrays(inside, pose.declared, info)
        return {
            "clip": self.clip,
            "frame": pose.frame,
            "keypoints": keypoints.tolist(),
            "visibility": visibility.tolist(),
            "derived": derived.tolist() if derived.any() else None,
            "source_file": _name(file),
            "annotator": pose.annotator,
        }


def _arrays(
    joints: Mapping[str, tuple[float, float, int]], declared: frozenset[str], info: ClipInfo
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Keypoints (J, 2), visibility (J,) and which joints were derived (J,).

    Joints that the file has no place for are derived as for the estimators. One that would lie
    outside the image stays absent.
    """
    names = sorted(joints.keys() | declared)
    lacking = (np.nan, np.nan, 0)
    values = np.array([joints.get(name, lacking) for name in names], np.float64)
    keypoints, seen = to_skeleton(names, values[:, :2], values[:, 2])
    derived = np.isfinite(keypoints).all(axis=1) & ~np.isin(DANCE_14.names, names)
    absent = [d and not info.shows(*map(float, p)) for d, p in zip(derived, keypoints, strict=True)]
    keypoints[absent], seen[absent], derived[absent] = np.nan, 0, False
    return keypoints, seen.astype(np.uint8), derived


def _name(file: str) -> str:
    return printable(Path(file).name)


def _same(kept: dict[str, Any], row: dict[str, Any]) -> bool:
    equal = np.array_equal(np.array(kept["keypoints"]), np.array(row["keypoints"]), equal_nan=True)
    return bool(kept["visibility"] == row["visibility"] and equal)
