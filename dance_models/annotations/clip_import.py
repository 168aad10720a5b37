"""The annotations of one clip from all files that mention it, checked against the clip."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dance_models.annotations.detect_format import parse_file
from dance_models.annotations.fitting import (
    ClipInfo,
    from_fractions,
    suspicious_unit,
    to_clip_size,
)
from dance_models.annotations.parsed_file import Action, Problem, RawPose, frame_list, printable
from dance_models.errors import AnnotationError
from dance_models.skeleton import DANCE_14
from dance_models.tables import ANNOTATIONS, conform

__all__ = ["AnnotationImport", "ClipInfo", "import_clip"]


@dataclass(frozen=True)
class AnnotationImport:
    """Canonical rows (``tables.ANNOTATIONS``) and everything that was dropped or repaired."""

    table: pl.DataFrame
    problems: list[Problem]


def import_clip(clip: str, files: Sequence[Path], info: ClipInfo) -> AnnotationImport:
    """Import ``clip`` from ``files``; a bad file or entry does not stop the others."""
    collected = _Collected(clip, info)
    for path in files:
        collected.add_file(path)
    rows = [collected.rows[frame] for frame in sorted(collected.rows)]
    table = pl.DataFrame(rows, schema=ANNOTATIONS)
    return AnnotationImport(conform(table, ANNOTATIONS), collected.problems)


@dataclass
class _Collected:
    """Rows by frame, and problems, of one clip."""

    clip: str
    info: ClipInfo
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add_file(self, path: Path) -> None:
        """Add the poses and problems that one file has of the clip."""
        file = str(path)
        try:
            parsed = parse_file(path)
        except AnnotationError as error:
            self.problems.append(Problem(file, error.message))
            return
        self.problems += [p for p in parsed.problems if p.clip in (self.clip, None)]
        poses = [from_fractions(p, self.info) for p in parsed.poses if p.clip == self.clip]
        unit = suspicious_unit(poses, self.info)
        if unit:
            self.problems.append(Problem(file, unit, self.clip))
            return
        poses = to_clip_size(poses, file, self.info, self.problems)
        repeated: dict[str, list[int]] = {}
        for pose in self._one_a_frame(poses, file, repeated):
            self._add(pose, file, repeated)
        for kept_in, frames in repeated.items():
            frame = frames[0] if len(frames) == 1 else None
            what = f"{len(frames)} left out: repeated from {kept_in}{frame_list(frames)}"
            self.problems.append(Problem(file, what, self.clip, frame))

    def _one_a_frame(
        self, poses: Sequence[RawPose], file: str, repeated: dict[str, list[int]]
    ) -> list[RawPose]:
        """The largest person of each frame; the others are reported."""
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
                self.problems.append(Problem(file, message, self.clip, frame))
            chosen.append(max(distinct, key=lambda p: (_area(p), -p.order)))
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
        keypoints = np.full((DANCE_14.num_joints, 2), np.nan, np.float32)
        visibility = np.zeros(DANCE_14.num_joints, np.uint8)
        for joint, (x, y, seen) in pose.joints.items():
            index = DANCE_14.names.index(joint)
            if not (-0.5 <= x <= info.width - 0.5 and -0.5 <= y <= info.height - 0.5):
                report(f"({x:g}, {y:g}) lies outside the image; the joint was made absent", joint)
                continue
            keypoints[index], visibility[index] = (x, y), seen
        if not visibility.any():
            report("no joint lies inside the image; the annotation was dropped")
            return None
        return {
            "clip": self.clip,
            "frame": pose.frame,
            "keypoints": keypoints.tolist(),
            "visibility": visibility.tolist(),
            "source_file": _name(file),
            "annotator": pose.annotator,
        }


def _name(file: str) -> str:
    return printable(Path(file).name)


def _area(pose: RawPose) -> float:
    x = [p[0] for p in pose.joints.values()]
    y = [p[1] for p in pose.joints.values()]
    return (max(x) - min(x)) * (max(y) - min(y))


def _same(kept: dict[str, Any], row: dict[str, Any]) -> bool:
    equal = np.array_equal(np.array(kept["keypoints"]), np.array(row["keypoints"]), equal_nan=True)
    return bool(kept["visibility"] == row["visibility"] and equal)
