"""The annotations of one clip from all files that mention it, checked against the clip."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from dance_models.annotations.canonical import Problem, RawPose
from dance_models.annotations.files import read_file
from dance_models.errors import AnnotationError
from dance_models.skeleton import JOINTS, NUM_JOINTS
from dance_models.tables import ANNOTATIONS, conform

# Coordinates that never exceed this in an image this much larger are percentages or fractions.
SUSPICIOUS: Final = ((1.0, 8), (100.0, 2))


# Width over height of an image may differ from the clip's by so much: scaled sizes are rounded.
SHAPE_TOLERANCE: Final = 0.01


@dataclass(frozen=True)
class ClipInfo:
    """What annotations are checked against."""

    width: int
    height: int
    frames: int


@dataclass(frozen=True)
class AnnotationImport:
    """Canonical rows (``tables.ANNOTATIONS``) and all that was dropped or repaired."""

    table: pl.DataFrame
    problems: list[Problem]


def import_clip(clip: str, files: Sequence[Path], info: ClipInfo) -> AnnotationImport:
    """Read ``clip`` from ``files``; one bad file or entry never stops the others."""
    problems: list[Problem] = []
    rows: dict[int, dict[str, Any]] = {}
    for path in files:
        try:
            reading = read_file(path)
        except AnnotationError as error:
            problems.append(Problem(str(path), error.message))
            continue
        problems += [p for p in reading.problems if p.clip in (clip, None)]
        poses = [pose for pose in reading.poses if pose.clip == clip]
        unit = _suspicious_unit(poses, info)
        if unit:
            problems.append(Problem(str(path), unit, clip=clip))
            continue
        poses = _to_clip_size(poses, str(path), info, problems)
        for pose in _one_a_frame(poses, str(path), problems):
            _add(rows, pose, str(path), info, problems)
    table = pl.DataFrame([rows[f] for f in sorted(rows)], schema=ANNOTATIONS)
    return AnnotationImport(conform(table, ANNOTATIONS), problems)


def _to_clip_size(
    poses: list[RawPose], file: str, info: ClipInfo, problems: list[Problem]
) -> list[RawPose]:
    """Poses in pixels of the clip: images of another size are scaled, of another shape dropped."""
    fitting: list[RawPose] = []
    counts: Counter[tuple[tuple[float, float], bool]] = Counter()
    for pose in poses:
        if pose.size is None or pose.size == (info.width, info.height):
            fitting.append(pose)
            continue
        across, down = info.width / pose.size[0], info.height / pose.size[1]
        same_shape = abs(across / down - 1) <= SHAPE_TOLERANCE
        counts[pose.size, same_shape] += 1
        if same_shape:
            joints = {j: (x * across, y * down, seen) for j, (x, y, seen) in pose.joints.items()}
            fitting.append(replace(pose, joints=joints))
    for ((width, height), same_shape), count in counts.items():
        done = "they were scaled" if same_shape else "they were dropped; annotate its own frames"
        problems.append(
            Problem(
                file,
                f"{count} annotations are of {width:g}x{height:g} images, the clip has "
                f"{info.width}x{info.height}: {done}",
                clip=poses[0].clip,
            )
        )
    return fitting


def _suspicious_unit(poses: list[RawPose], info: ClipInfo) -> str | None:
    """Why the coordinates of a file cannot be pixels, None when they can."""
    values = [abs(v) for pose in poses for x, y, _ in pose.joints.values() for v in (x, y)]
    if not values:
        return None
    largest = max(values)
    for limit, times in SUSPICIOUS:
        if largest <= limit and min(info.width, info.height) >= times * limit:
            unit = "fractions" if limit == 1 else "percent"
            return (
                f"no coordinate exceeds {largest:g} in a {info.width}x{info.height} clip: these "
                f"look like {unit}, not pixels. The file was not used; export pixel coordinates"
            )
    return None


def _area(pose: RawPose) -> float:
    x = [p[0] for p in pose.joints.values()]
    y = [p[1] for p in pose.joints.values()]
    return (max(x) - min(x)) * (max(y) - min(y))


def _one_a_frame(poses: list[RawPose], file: str, problems: list[Problem]) -> list[RawPose]:
    """The largest person of each frame; the others are reported."""
    by_frame: dict[int, list[RawPose]] = {}
    for pose in poses:
        by_frame.setdefault(pose.frame, []).append(pose)
    chosen = []
    for frame, people in sorted(by_frame.items()):
        distinct = list({tuple(sorted(p.joints.items())): p for p in reversed(people)}.values())
        if len(distinct) > 1:
            message = f"{len(distinct)} people are annotated; the largest was kept"
            problems.append(Problem(file, message, clip=people[0].clip, frame=frame))
        chosen.append(max(distinct, key=lambda p: (_area(p), -p.order)))
    return chosen


def _add(
    rows: dict[int, dict[str, Any]],
    pose: RawPose,
    file: str,
    info: ClipInfo,
    problems: list[Problem],
) -> None:
    def report(message: str, joint: str | None = None) -> None:
        problems.append(Problem(file, message, pose.clip, pose.frame, joint))

    if not 0 <= pose.frame < info.frames:
        report(f"the clip has no such frame (it has {info.frames}); the annotation was dropped")
        return
    keypoints = np.full((NUM_JOINTS, 2), np.nan, np.float32)
    visibility = np.zeros(NUM_JOINTS, np.uint8)
    for index, joint in enumerate(JOINTS):
        if joint not in pose.joints:
            continue
        x, y, seen = pose.joints[joint]
        if not (-0.5 <= x <= info.width - 0.5 and -0.5 <= y <= info.height - 0.5):
            report(f"({x:g}, {y:g}) lies outside the image; the joint was made absent", joint)
            continue
        keypoints[index], visibility[index] = (x, y), seen
    if not visibility.any():
        return
    row = {
        "clip": pose.clip,
        "frame": pose.frame,
        "keypoints": keypoints.tolist(),
        "visibility": visibility.tolist(),
        "source_file": Path(file).name,
        "annotator": pose.annotator,
    }
    if pose.frame in rows:
        kept = rows[pose.frame]
        same = kept["visibility"] == row["visibility"] and np.array_equal(
            np.array(kept["keypoints"]), keypoints.astype(float), equal_nan=True
        )
        if not same:
            report(f"annotated differently in {kept['source_file']}, which was kept")
        return
    rows[pose.frame] = row
