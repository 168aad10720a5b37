"""The people of a clip as pose files state them, and what of the files was not used.

A reader (:mod:`dance_models.estimators.pose_forms`) fills a :class:`Reading` frame by frame; a
frame that cannot be read is noted there and the others go on. :func:`finished` makes the clip's
:class:`PoseTrack` of it: it finds the order of the joints, maps them by name, and finds where
frames are counted from.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dance_models.annotations.canonical import shown
from dance_models.annotations.parsed_file import frame_list
from dance_models.errors import InputError
from dance_models.estimators.joints import joint_name
from dance_models.estimators.pose_models import POSE_MODELS, choose_model, models_of, named_model
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.by_name import missing_joints, to_skeleton
from dance_models.text import printable

_FARTHEST: Final = 1e6  # pixels; no image is that large
_BAD_LISTED: Final = 3
_BAD_KEPT: Final = 10_000
_MOST_BAD: Final = 500_000  # then the rest of the files is not looked at
_MOST_PEOPLE: Final = 300  # in a frame
_MOST_JOINTS: Final = 1000  # no skeleton has as many
# Median coordinate of a clip in fractions of the image; landmarks may lie outside of it.
_MOST_FRACTION: Final = 1.5
_MOST_SCORE: Final = 1.5  # median of a clip; heat maps reach 1.1
_ANKLES, _SHOULDERS, _HIPS = (
    [DANCE_14.index[f"{side}_{part}"] for side in ("left", "right")]
    for part in ("ankle", "shoulder", "hip")
)
_NECK: Final = DANCE_14.index["neck"]
_FAR_NECK: Final = 0.5  # torso lengths, from the middle of the shoulders; the top of the head: 0.7
_UPSIDE_DOWN: Final = 0.9  # share of people with the ankles above the shoulders


@dataclass(frozen=True, eq=False)
class Person:
    """(J, 2) keypoints with NaN where missing, (J,) scores, and a box around all joints."""

    keypoints: NDArray[np.float32]
    score: NDArray[np.float32]
    box: NDArray[np.float64]  # x0, y0, x1, y1
    # Width and height of the image that they are in; None where it is the clip's own, in pixels.
    size: tuple[float, float] | None = None


People = Mapping[int, Sequence[Person]]


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """The people of a clip by frame from 0, and what the user should know of its files."""

    people: People
    format: str  # an id of dance_models.estimators.formats.POSE_FORMATS
    model: str  # a key of POSE_MODELS; "" where the files name the joints
    notes: tuple[str, ...] = ()
    lost: int = 0  # entries that were left out; notes tell of them and of doubts
    file: str = ""  # name of the file or folder

    @property
    def described(self) -> str:
        """What was read, in words."""
        most = max(map(len, self.people.values()), default=0)
        joints = self.model or "joints by name"
        return f"{self.format}, {joints}: {len(self.people)} frames, at most {most} people"


@dataclass(frozen=True, eq=False)
class RawPerson:
    """One person of one frame: (J, 3) x, y, score, in the order of ``names`` if they are known."""

    frame: int
    triples: NDArray[np.float64]
    names: tuple[str, ...] | None = None
    size: tuple[float, float] | None = None


class BadEntries(list[InputError]):
    """What could not be read: the first ``_BAD_KEPT`` entries, and how many there are in all."""

    total: int = 0

    def append(self, error: InputError) -> None:
        """Add an entry. Raises InputError when there are so many that the files hold no poses."""
        self.total += 1
        if len(self) < _BAD_KEPT:
            super().append(error)
        if self.total > _MOST_BAD:
            first = self[0]
            raise InputError(
                f"{first.message} (and {_MOST_BAD} more bad entries: the rest was not read)",
                file=first.file,
                frame=first.frame,
                hint=first.hint,
            )


@dataclass
class Reading:
    """What a reader has found so far in the files of one clip."""

    path: Path  # of the file or the folder
    format: str = ""
    people: list[RawPerson] = field(default_factory=list)
    frames: set[int] = field(default_factory=set)  # all that the files mention
    bad: BadEntries = field(default_factory=BadEntries)
    notes: list[str] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)  # people by frame
    may_be_fractions: bool = False  # of the image, rather than pixels
    doubtful: bool = False  # whether the order of the joints is

    @contextmanager
    def attempt(self, frame: int | None = None, file: Path | None = None) -> Iterator[None]:
        """Note an InputError that is raised inside; what comes after is read all the same."""
        try:
            yield
        except InputError as error:
            where = error.frame if error.frame is not None else frame
            self.bad.append(
                InputError(
                    error.message,
                    file=error.file or file or self.path,
                    frame=where,
                    joint=error.joint,
                    hint=error.hint,
                )
            )

    def add(
        self,
        frame: int,
        values: Any,
        names: tuple[str, ...] | None = None,
        size: tuple[float, float] | None = None,
    ) -> None:
        """Add a person of a frame; ``values`` are x, y, score of each joint in one list.

        Raises InputError when they are no numbers of that kind.
        """
        self.frames.add(frame)
        self.counts[frame] += 1
        if self.counts[frame] > _MOST_PEOPLE:
            raise InputError(f"there are more than {_MOST_PEOPLE} people in the frame")
        self.people.append(RawPerson(frame, triples_of(values, names), names, size))


def triples_of(values: Any, names: Sequence[str] | None = None) -> NDArray[np.float64]:
    """(J, 3) from a flat list or rows of three; null becomes NaN. Raises InputError otherwise."""
    if not isinstance(values, list):
        raise InputError("the keypoints are not a list")
    if values and all(isinstance(row, list) and len(row) == 3 for row in values):
        values = [value for row in values for value in row]
    if names is not None and len(values) != 3 * len(names):
        raise InputError(
            f"{len(values)} values where {len(names)} joints need {3 * len(names)}",
            hint="Every joint is x, y, score",
        )
    if not values:
        raise InputError("the body is empty")
    if len(values) % 3:
        raise InputError(f"{len(values)} values", hint="Every joint is x, y, score")
    for position, value in enumerate(values):
        if value is not None and not is_number(value):
            joint = names[position // 3] if names else f"number {position // 3}"
            message = f"{shown(value)} is not a number of pixels or a score"
            raise InputError(message, joint=joint)
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64).reshape(-1, 3)


def is_number(value: object) -> bool:
    """Whether it can be a coordinate. NaN is one: it marks a missing joint."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and not abs(value) > _FARTHEST  # type: ignore[arg-type]  # it is a number


def joints_named(value: object) -> tuple[str, ...]:
    """The joints that a file names, as ours. Raises InputError when limbs are not among them."""
    if not isinstance(value, list):
        raise InputError("'joints' is not a list")
    if len(value) > _MOST_JOINTS:
        raise InputError(f"{len(value)} joints are named, more than {_MOST_JOINTS}")
    names = tuple(joint_name(_text(name)) for name in value)
    if len({_text(name).strip().lower() for name in value}) != len(names):
        raise InputError("a joint is named twice")
    # Of two names of one joint (head and head_top), the first counts.
    unique = tuple(f"other_{i}" if n in names[:i] else n for i, n in enumerate(names))
    absent = missing_joints(unique)
    if set(absent) - {"neck", "head_top"}:
        raise InputError(
            f"{', '.join(absent)} can neither be read nor derived from the named joints",
            hint="Joints are matched by name, such as left_knee; see dance_models/skeleton.py",
        )
    return unique


def _text(name: object) -> str:
    return name if isinstance(name, str) else shown(name)


def finished(
    reading: Reading, pose_model: str | None = None, num_frames: int | None = None
) -> PoseTrack:
    """The track of a clip with ``num_frames`` frames (None: not known).

    ``pose_model``, a key of POSE_MODELS, is the order of joints that the files do not name.
    Raises InputError when all frames are bad, the model has another number of joints, or the
    coordinates are not pixels.
    """
    model = _settle_models(reading, pose_model)
    people: defaultdict[int, list[Person]] = defaultdict(list)
    empty = list(reading.frames - {raw.frame for raw in reading.people})
    for raw in reading.people:
        names = raw.names or POSE_MODELS[model]
        person = _person(names, raw)
        if np.isfinite(person.keypoints).any():
            people[raw.frame].append(person)
        else:
            empty.append(raw.frame)
    if reading.bad and not any(people.values()):
        raise _all_bad(reading)
    scaled = _in_pixels(reading, dict(people))
    notes = [*_bad_notes(reading), *reading.notes]
    told = {error.frame for error in reading.bad}
    empty = sorted({frame for frame in empty if frame not in people and frame not in told})
    if empty and people:
        listed = frame_list(empty) or f" (frame {empty[0]})"
        notes.append(f"{len(empty)} frames without a person{listed}")
    notes += _score_notes(reading.people)
    if not reading.doubtful:
        notes += _posture_notes(scaled)
    placed, beyond = _from_zero(reading, scaled, num_frames, notes)
    file = reading.path.name
    said = tuple(printable(f"{file}: {note}") for note in notes)
    return PoseTrack(placed, reading.format, model, said, reading.bad.total + beyond, file)


def _settle_models(reading: Reading, pose_model: str | None) -> str:
    """Find the order of people without names; those with another number of joints become bad."""
    unnamed = [raw for raw in reading.people if raw.names is None]
    if pose_model is not None:
        named_model(pose_model)  # raises on an unknown one, whatever the files are
    if not unnamed:
        if pose_model is not None and reading.people:
            reading.notes.append(
                f"--pose-model {pose_model} is not used: the file names its joints"
            )
        return ""
    counts = Counter(len(raw.triples) for raw in unnamed)
    usual = len(named_model(pose_model)) if pose_model else _usual(counts)
    for raw in unnamed:
        if len(raw.triples) != usual:
            reading.bad.append(_miscounted(reading, raw, usual, pose_model))
    unfit = {id(raw) for raw in unnamed if len(raw.triples) != usual}
    reading.people = [raw for raw in reading.people if id(raw) not in unfit]
    fitting = [raw.triples for raw in unnamed if id(raw) not in unfit]
    if not fitting:
        return pose_model or ""
    chosen, doubt = choose_model(np.stack(fitting)[..., :2], pose_model)
    if doubt is not None:
        reading.doubtful = True
        reading.notes.append(doubt)
    return chosen


def _usual(counts: Counter[int]) -> int:
    """The number of joints that most people have, of those that a known model has."""
    known = {count: times for count, times in counts.items() if models_of(count)}
    return max(known or counts, key=lambda count: (counts[count], count))


def _miscounted(reading: Reading, raw: RawPerson, usual: int, named: str | None) -> InputError:
    found, need = raw.triples.size, 3 * usual
    who = f"{usual} joints of --pose-model {named}" if named else f"{usual} joints"
    return InputError(
        f"{found} values where {who} need {need}",
        file=reading.path,
        frame=raw.frame,
        hint="Every joint is x, y, score; all frames of a clip have the same joints",
    )


def _person(names: Sequence[str], raw: RawPerson) -> Person:
    triples = raw.triples
    points = np.where(np.isfinite(triples).all(axis=1, keepdims=True), triples[:, :2], np.nan)
    score = np.clip(np.nan_to_num(triples[:, 2]), 0, 1)
    keypoints, confidence = to_skeleton(names, points, score)
    seen = points[np.isfinite(points).all(axis=1)]
    box = np.concatenate([seen.min(0), seen.max(0)]) if len(seen) else np.full(4, np.nan)
    return Person(keypoints, confidence, box, raw.size)


def _in_pixels(reading: Reading, people: dict[int, list[Person]]) -> dict[int, list[Person]]:
    """Fractions of the image get the size 1 x 1. Raises InputError where they cannot be any."""
    boxes = [person.box for persons in people.values() for person in persons]
    if not boxes:
        return people
    # The median: a few joints that are estimated outside of the image are beyond 1.
    if np.median(np.abs(np.stack(boxes))) > _MOST_FRACTION:
        return people
    if reading.may_be_fractions:
        return {f: [replace(p, size=(1.0, 1.0)) for p in found] for f, found in people.items()}
    raise InputError(
        "coordinates are fractions of the image, not pixels",
        file=reading.path,
        hint="Export the track in pixels (OpenPose: --keypoint_scale 0)",
    )


def _from_zero(
    reading: Reading, people: People, num_frames: int | None, notes: list[str]
) -> tuple[People, int]:
    """People by frame from 0, and how many frames lie beyond the clip; notes say what was done.

    Frames that end at the clip's length and have no frame 0 are counted from 1 when they begin at 1
    or are half of the clip's: tools leave out frames without a person.
    """
    if not reading.frames or num_frames is None:
        return people, 0
    first, last = min(reading.frames), max(reading.frames)
    many = first == 1 or 2 * len(reading.frames) >= num_frames
    if first >= 1 and last == num_frames and many:
        notes.append(f"frames are counted from 1 to {last}: moved by one, to count from 0")
        return {frame - 1: persons for frame, persons in people.items()}, 0
    beyond = sum(frame >= num_frames for frame in reading.frames)
    if beyond:
        notes.append(
            f"{beyond} frames are not used: the clip has frames 0 to {num_frames - 1}, the track "
            f"has frames {first} to {last}. Frames count from 0"
        )
    elif last < num_frames - 1:
        notes.append(f"there are no poses after frame {last}; the clip has {num_frames} frames")
    return people, beyond


def _score_notes(people: Sequence[RawPerson]) -> list[str]:
    """A warning where the scores are in another unit: then each joint would count as certain."""
    scores = np.concatenate([raw.triples[:, 2] for raw in people] or [np.zeros(0)])
    scores = scores[np.isfinite(scores)]
    if not scores.size or np.median(scores) <= _MOST_SCORE:
        return []
    return [
        f"half of the scores are {np.median(scores):.3g} or more, where confidences are 0 to 1: "
        "what is above 1 counts as 1. Divide them by the largest that the tool gives"
    ]


def _posture_notes(people: People) -> list[str]:
    """Warnings when nearly all people stand on their heads, or the neck is no neck."""
    found = [person.keypoints for persons in people.values() for person in persons]
    if not found:
        return []
    keypoints = np.stack(found).astype(np.float64)
    shoulders, hips = (keypoints[:, ends].mean(axis=1) for ends in (_SHOULDERS, _HIPS))
    notes = []
    below = keypoints[:, _ANKLES, 1].mean(axis=1) - shoulders[:, 1]
    known = below[np.isfinite(below)]
    if len(known) and np.mean(known < 0) > _UPSIDE_DOWN:
        notes.append("the ankles are above the shoulders in nearly all frames: y counts downwards")
    torso = np.linalg.norm(shoulders - hips, axis=1)
    away = np.linalg.norm(keypoints[:, _NECK] - shoulders, axis=1) / np.maximum(torso, 1e-9)
    known = away[np.isfinite(away)]
    if len(known) and np.median(known) > _FAR_NECK:
        notes.append(
            f"the neck is {np.median(known):.1f} torso lengths from the middle of the shoulders. "
            "AlphaPose's --format cmu and open write the head there for its Halpe models: export "
            "its default format"
        )
    return notes


def _all_bad(reading: Reading) -> InputError:
    """The first problem, as the error of the whole clip."""
    first, count = reading.bad[0], reading.bad.total
    more = f" (and {count - 1} more like it; no frame can be read)" if count > 1 else ""
    return InputError(
        first.message + more,
        file=first.file,
        frame=first.frame,
        joint=first.joint,
        hint=first.hint,
    )


def _bad_notes(reading: Reading) -> list[str]:
    if not reading.bad:
        return []
    listed = []
    for error in reading.bad[:_BAD_LISTED]:
        named = Path(error.file).name if error.file and error.file != str(reading.path) else None
        where = [*([named] if named else [])]
        where += [f"frame {error.frame}"] if error.frame is not None else []
        where += [f"joint {error.joint}"] if error.joint is not None else []
        listed.append(": ".join([*where, error.message]))
    more = reading.bad.total - _BAD_LISTED
    rest = f"; and {more} more" if more > 0 else ""
    return [f"{reading.bad.total} bad entries were left out: {'; '.join(listed)}{rest}"]
