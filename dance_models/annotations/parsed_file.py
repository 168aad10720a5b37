"""The poses of one annotation file, and a located problem for everything else in it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from dance_models.annotations.canonical import (
    FACE,
    Columns,
    canonical_joint,
    face_joint,
    named_joints,
    shown,
)
from dance_models.annotations.image_names import (
    Reading,
    UnnamedImageError,
    clip_of,
    identity_of,
)
from dance_models.errors import InputError
from dance_models.text import printable

# "empty": there was nothing to read, as in a frame that was exported and not annotated yet.
# "noted": nothing was lost or changed, but a person should know.
Action = Literal["dropped", "repaired", "empty", "noted"]
FRAMES_LISTED: Final = 10
MOST_PROBLEMS: Final = 1000  # of a file, listed one by one; the others are counted
MOST_KINDS: Final = 100  # of counted entries, of a file and clip; the others are counted together


def frame_list(frames: Sequence[int]) -> str:
    """`` (frames 3, 4, 5 and 12 more)``; nothing for a single one, which locates its problem."""
    if len(frames) < 2:
        return ""
    more = len(frames) - FRAMES_LISTED
    listed = ", ".join(shown(frame) for frame in frames[:FRAMES_LISTED])
    return f" (frames {listed}{f' and {more} more' if more > 0 else ''})"


@dataclass(frozen=True)
class Problem:
    """Something that was dropped or repaired, or that a person should know: where, and why."""

    file: str
    message: str
    clip: str | None = None
    frame: int | None = None
    joint: str | None = None
    action: Action = "dropped"
    rows: int = 1  # how many annotations (frames of a person) it stands for

    def __str__(self) -> str:
        where = [self.file]
        if self.clip is not None:
            where.append(f"clip {self.clip}")
        if self.frame is not None:
            where.append(f"frame {self.frame}")
        if self.joint is not None:
            where.append(f"joint {self.joint}")
        return printable(": ".join([*where, self.message]))


@dataclass(frozen=True)
class Image:
    """The frame that an entry belongs to, as the file states it."""

    clip: str
    frame: int
    name: str = ""
    size: tuple[float, float] | None = None  # width, height in pixels; None where not stated
    fractions: bool = False  # coordinates are fractions of the image, whatever its size


@dataclass(frozen=True)
class RawPose:
    """One person in one frame as a file states it; joints by canonical name, pixels."""

    image: Image
    # x, y, visibility 0/1/2 of the skeleton's joints and of those that others derive from
    joints: Mapping[str, tuple[float, float, int]]
    declared: frozenset[str] = frozenset()  # the joints that the file has a place for
    annotator: str = ""
    order: int = 0  # position in the file, to break ties
    weight: float = 0.0  # of several people in a frame, that with the greatest is kept

    @property
    def clip(self) -> str:
        """The clip's key."""
        return self.image.clip

    @property
    def frame(self) -> int:
        """The frame's index in the clip."""
        return self.image.frame


@dataclass
class Tally:
    """A count of entries with the same problem, so that thousands become one line."""

    frames: Counter[int | None] = field(default_factory=Counter)

    def problem(self, file: str, what: str, clip: str | None, action: Action) -> Problem:
        """``12 left out: what (frames 3, 4, 5)``, located by frame when there is only one."""
        known = sorted(frame for frame in self.frames if frame is not None)
        total = self.frames.total()
        text = f"{total} {'not used' if action == 'noted' else 'left out'}: {what}"
        frame = known[0] if len(known) == 1 else None
        return Problem(file, text + frame_list(known), clip, frame, action=action, rows=total)


@dataclass
class ParsedFile:
    """The poses and problems of one file; complete after :meth:`finish`."""

    file: str
    reading: Reading = field(default_factory=Reading)
    format: str = ""  # the id of its format, once recognised
    poses: list[RawPose] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    tallies: dict[tuple[str, str | None, Action], Tally] = field(default_factory=dict)
    # The frames of each clip that the file names, annotated or not.
    frames: dict[str, set[int]] = field(default_factory=dict)
    _kinds: Counter[str | None] = field(default_factory=Counter)  # of the tallies, by clip
    # The first name that gives no clip, and the first that gives no frame either.
    _unnamed: dict[str, UnnamedImageError] = field(default_factory=dict)

    def identity_of(
        self, name: object, *, others: Sequence[object] = (), videos: Sequence[object] = ()
    ) -> tuple[str, int]:
        """Clip and frame of an image: :func:`image_names.identity_of` for this file.

        Raises InputError, for :meth:`count_unnamed`.
        """
        clip, frame = identity_of(name, self.reading, file=self.file, others=others, videos=videos)
        self.frames.setdefault(clip, set()).add(frame)
        return clip, frame

    def clip_of(self, *names: object) -> str:
        """The clip of a video: :func:`image_names.clip_of` for this file. Raises InputError."""
        return clip_of(names, self.reading, file=self.file)

    def count_unnamed(self, error: InputError, what: str, times: int = 1) -> None:
        """Count entries (``what``) of images whose names give no clip or frame, as one problem.

        Other errors are reported one by one.
        """
        if not isinstance(error, UnnamedImageError):
            self.add_problem(f"{what} left out: {error}", rows=times)
            return
        first = self._unnamed.setdefault(error.what, error)
        text = f"{what} of images whose names give no {error.what}, such as {shown(first.name)}"
        self.count(f"{text}. {first.hint}", times=times)

    def add_problem(
        self,
        message: str,
        image: Image | None = None,
        joint: str | None = None,
        rows: int = 1,
        action: Action = "dropped",
    ) -> None:
        """Report one entry that was dropped; beyond ``MOST_PROBLEMS`` of them only their number."""
        if len(self.problems) >= MOST_PROBLEMS:
            what = f"further entries with problems, after the first {MOST_PROBLEMS}"
            self.count(what, image, rows, action)
            return
        clip, frame = (image.clip, image.frame) if image else (None, None)
        name = None if joint is None else printable(joint)
        text = printable(message)
        self.problems.append(Problem(self.file, text, clip, frame, name, action, rows))

    def count(
        self, what: str, image: Image | None = None, times: int = 1, action: Action = "dropped"
    ) -> None:
        """Count entries of one kind that were dropped; each kind becomes one problem a clip."""
        clip, frame = (image.clip, image.frame) if image else (None, None)
        key = (printable(what), clip, action)
        if key not in self.tallies:
            # Names that a tool numbers on (point 1, point 2, ...) are a kind each.
            self._kinds[clip] += 1
            if self._kinds[clip] > MOST_KINDS:
                key = (f"further kinds of entries, after the first {MOST_KINDS}", clip, action)
        self.tallies.setdefault(key, Tally()).frames[frame] += times

    def objects(self, value: Any, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The objects of a list by position; others are reported.

        Raises InputError when there is no list.
        """
        if not isinstance(value, list):
            raise InputError(f"{what} is {shown(value)}, not a list")
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield index, item
            else:
                self.add_problem(f"{what}[{index}] was left out: {shown(item)} is not an object")

    def add_pose(
        self, image: Image, columns: Callable[[], Columns], annotator: object = ""
    ) -> None:
        """Add a pose whose joints ``columns`` reads; an InputError of it becomes a problem."""
        try:
            names, points = columns()
            joints = named_joints(names, points)
        except InputError as error:
            message = f"{error.message}; this annotation was dropped"
            message += f". {error.hint}" if error.hint else ""
            self.add_problem(message, image, error.joint)
            return
        self._count_other_points(names, points, joints, image)
        joints = self._without_corner(joints, image)
        if not joints.keys() - FACE:
            self.count("annotations without a visible joint", image, action="empty")
            return
        declared = frozenset(joint for name in names if (joint := canonical_joint(name)))
        by = printable(str(annotator))[:200] if isinstance(annotator, str | int | float) else ""
        self.poses.append(RawPose(image, joints, declared, by, len(self.poses)))

    def _without_corner(
        self, joints: Mapping[str, tuple[float, float, int]], image: Image
    ) -> dict[str, tuple[float, float, int]]:
        """The joints but those at (0, 0): many tools write that for a joint that is not there."""
        kept = {joint: at for joint, at in joints.items() if at[:2] != (0, 0)}
        if len(kept) < len(joints):
            what = "joints at (0, 0), the corner, which stands for none"
            self.count(what, image, len(joints) - len(kept), action="repaired")
        return kept

    def _count_other_points(
        self,
        names: Sequence[object],
        points: Sequence[tuple[object, object, object]],
        joints: Mapping[str, object],
        image: Image,
    ) -> None:
        for name, (_, _, visibility) in zip(names, points, strict=True):
            face = face_joint(name)
            if visibility == 0 or canonical_joint(name) is not None or face in joints:
                continue
            # The eyes and the like of a larger skeleton are no loss.
            action: Action = "noted" if face else "dropped"
            what = f"points of {shown(name)}, which is none of our joints"
            self.count(what, image, action=action)

    def finish(self) -> None:
        """Turn the counts into problems, and apply ``reading.clip`` to a file of one other clip."""
        self._apply_clip()
        for (what, clip, action), tally in self.tallies.items():
            self.problems.append(tally.problem(self.file, what, clip, action))
        self.tallies.clear()

    def _apply_clip(self) -> None:
        """Read a file whose only clip is not registered as one of ``reading.clip``."""
        reading, found = self.reading, {pose.clip for pose in self.poses}
        if reading.clip is None or reading.clips is None or len(found) != 1:
            return
        (other,) = found
        if other == reading.clip or other in reading.names.clips:
            return

        def moved(clip: str | None) -> str | None:
            return reading.clip if clip == other else clip

        message = (
            f"its {len(self.poses)} annotations are of {other!r}, which is not registered; they "
            f"were read as clip {reading.clip}, as chosen with --clip"
        )
        self.poses = [replace(p, image=replace(p.image, clip=reading.clip)) for p in self.poses]
        self.problems = [replace(p, clip=moved(p.clip)) for p in self.problems]
        self.tallies = {(w, moved(c), a): tally for (w, c, a), tally in self.tallies.items()}
        self.frames[reading.clip] = self.frames.pop(other, set())
        rows = len(self.poses)
        self.problems.append(
            Problem(self.file, message, reading.clip, action="repaired", rows=rows)
        )
