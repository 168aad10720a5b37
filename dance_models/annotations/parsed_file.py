"""The poses of one annotation file, and a located problem for everything else in it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dance_models.annotations.canonical import Columns, canonical_joint, named_joints, shown
from dance_models.errors import InputError

# "empty": there was nothing to read, as in a frame that was exported and not annotated yet.
Action = Literal["dropped", "repaired", "empty"]
FRAMES_LISTED: Final = 10


def printable(text: str) -> str:
    """The text with what UTF-8 cannot encode escaped: JSON may hold half a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


def frame_list(frames: Sequence[int]) -> str:
    """`` (frames 3, 4, 5 and 12 more)``; nothing for a single one, which locates its problem."""
    if len(frames) < 2:
        return ""
    more = len(frames) - FRAMES_LISTED
    listed = ", ".join(shown(frame) for frame in frames[:FRAMES_LISTED])
    return f" (frames {listed}{f' and {more} more' if more > 0 else ''})"


@dataclass(frozen=True)
class Problem:
    """Something that was dropped or repaired: where, and why."""

    file: str
    message: str
    clip: str | None = None
    frame: int | None = None
    joint: str | None = None
    action: Action = "dropped"
    rows: int = 1  # how many annotated people it is about

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


@dataclass(frozen=True)
class RawPose:
    """One person in one frame as a file states it; joints by canonical name, pixels."""

    image: Image
    joints: Mapping[str, tuple[float, float, int]]  # x, y, visibility 0/1/2
    annotator: str = ""
    order: int = 0  # position in the file, to break ties

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
        text = f"{self.frames.total()} left out: {what}{frame_list(known)}"
        frame = known[0] if len(known) == 1 else None
        return Problem(file, text, clip, frame, action=action, rows=self.frames.total())


@dataclass
class ParsedFile:
    """The poses and problems of one file; complete after :meth:`finish`."""

    file: str
    poses: list[RawPose] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    tallies: dict[tuple[str, str | None, Action], Tally] = field(default_factory=dict)

    def add_problem(
        self, message: str, image: Image | None = None, joint: str | None = None
    ) -> None:
        """Report one entry that was dropped."""
        clip, frame = (image.clip, image.frame) if image else (None, None)
        name = None if joint is None else printable(joint)
        self.problems.append(Problem(self.file, printable(message), clip, frame, name))

    def count(
        self, what: str, image: Image | None = None, times: int = 1, action: Action = "dropped"
    ) -> None:
        """Count entries of one kind that were dropped; each kind becomes one problem a clip."""
        clip, frame = (image.clip, image.frame) if image else (None, None)
        tally = self.tallies.setdefault((printable(what), clip, action), Tally())
        tally.frames[frame] += times

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
        for name, (_, _, visibility) in zip(names, points, strict=True):
            if canonical_joint(name) is None and visibility != 0:
                what = f"points of {shown(name)}, which is none of our joints"
                self.count(what, image)
        if not joints:
            self.count("annotations without a visible joint", image, action="empty")
            return
        by = printable(str(annotator))[:200] if isinstance(annotator, str | int | float) else ""
        self.poses.append(RawPose(image, joints, by, len(self.poses)))

    def finish(self) -> None:
        """Turn the counts into problems."""
        for (what, clip, action), tally in self.tallies.items():
            self.problems.append(tally.problem(self.file, what, clip, action))
        self.tallies.clear()
