"""Biovision Hierarchy (BVH) motion capture: the text form, as joints and channel values.

Any order and number of channels, several roots, End Sites, names with spaces. The meaning of the
channels is in :mod:`dance_models.motion.forward`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.files import read_text

CHANNELS: Final = frozenset(axis + what for axis in "xyz" for what in ("position", "rotation"))
END_SITE: Final = "End Site"


@dataclass(frozen=True)
class BvhJoint:
    """A joint, or the End Site of its parent, which has no channels. Parents come first."""

    name: str
    parent: int  # -1 for a root
    offset: tuple[float, float, float]  # from the parent, in the file's unit of length
    channels: tuple[str, ...]  # lower case, such as "zrotation", in file order

    @property
    def is_end(self) -> bool:
        """Whether this is an End Site."""
        return self.name == END_SITE


@dataclass(frozen=True, eq=False)
class Bvh:
    """J joints in file order and T frames of C channel values; degrees and lengths."""

    joints: tuple[BvhJoint, ...]
    frame_time_s: float
    motion: NDArray[np.float64]  # (T, C), the channels of all joints in file order

    def frames(self, start: int, step: int) -> "Bvh":
        """Every ``step``-th frame from ``start`` on."""
        part = self.motion[start::step]
        return replace(self, motion=part, frame_time_s=self.frame_time_s * step)


def read_bvh(path: Path) -> Bvh:
    """Read a BVH file. Raises InputError naming the file and the line that is wrong."""
    try:
        text = read_text(path, errors="replace")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from error
    return parse_bvh(text, path)


def parse_bvh(text: str, path: str | Path = "BVH") -> Bvh:
    """Parse the text of a BVH file; errors name ``path``. Raises InputError."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None:
        raise InputError("no MOTION section", file=path, hint="Is this a whole BVH file?")
    joints = _Hierarchy(lines[:start], path).joints()
    width = sum(len(joint.channels) for joint in joints)
    frame_time, motion = _motion(lines, start, width, path)
    return Bvh(joints, frame_time, motion)


def _fail(path: str | Path, line: int, message: str) -> NoReturn:
    raise InputError(f"line {line}: {message}", file=path)


def _number(text: str, path: str | Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        _fail(path, line, f"{text[:40]!r} is not a number")
    return value if np.isfinite(value) else _fail(path, line, f"{text!r} is not finite")


class _Hierarchy:
    """Reads the tokens of the HIERARCHY section from the first to the last."""

    def __init__(self, lines: Sequence[str], path: str | Path) -> None:
        self._tokens = [(t, n) for n, line in enumerate(lines, 1) for t in line.split()]
        self._last_line, self._path, self._at = max(len(lines), 1), path, 0
        self._joints: list[BvhJoint] = []

    def joints(self) -> tuple[BvhJoint, ...]:
        self._expect("HIERARCHY")
        open_joints: list[int] = []
        while self._at < len(self._tokens):
            token, line = self._next()
            if token == "}" and open_joints:
                open_joints.pop()
            elif token.upper() in {"ROOT", "JOINT", "END"}:
                self._joint(token.upper(), open_joints, line)
            else:
                _fail(self._path, line, f"unexpected {token[:40]!r}")
        if open_joints:
            name = self._joints[open_joints[-1]].name
            _fail(self._path, self._last_line, f"the braces of {name!r} are not closed")
        if not self._joints:
            _fail(self._path, self._last_line, "the hierarchy has no joints")
        return tuple(self._joints)

    def _joint(self, keyword: str, open_joints: list[int], line: int) -> None:
        parent = open_joints[-1] if open_joints else -1
        if (keyword == "ROOT") != (parent < 0):
            _fail(self._path, line, f"{keyword} {'inside' if open_joints else 'outside'} a joint")
        if parent >= 0 and self._joints[parent].is_end:
            _fail(self._path, line, "an End Site has a joint inside")
        name = self._name(line)
        self._expect("OFFSET")
        x, y, z = (_number(*self._located()) for _ in range(3))
        channels = () if keyword == "END" else self._channels()
        open_joints.append(len(self._joints))
        self._joints.append(
            BvhJoint(END_SITE if keyword == "END" else name, parent, (x, y, z), channels)
        )

    def _name(self, line: int) -> str:
        words = []
        while (token := self._next()[0]) != "{":
            words.append(token)
        return " ".join(words) or _fail(self._path, line, "a joint has no name")

    def _channels(self) -> tuple[str, ...]:
        self._expect("CHANNELS")
        text, line = self._next()
        if not text.isdecimal() or int(text) > len(CHANNELS):
            _fail(self._path, line, f"{text[:40]!r} is not a number of channels")
        names = tuple(self._next()[0].lower() for _ in range(int(text)))
        unknown = [name for name in names if name not in CHANNELS]
        if unknown or len(set(names)) != len(names):
            what = (
                f"{unknown[0][:40]!r} is not a channel" if unknown else "a channel is named twice"
            )
            _fail(self._path, line, what)
        return names

    def _next(self) -> tuple[str, int]:
        if self._at >= len(self._tokens):
            _fail(self._path, self._last_line, "the hierarchy ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _located(self) -> tuple[str, str | Path, int]:
        token, line = self._next()
        return token, self._path, line

    def _expect(self, keyword: str) -> None:
        token, line = self._next()
        if token.upper() != keyword:
            _fail(self._path, line, f"{token[:40]!r} where {keyword} belongs")


def _motion(
    lines: Sequence[str], start: int, width: int, path: str | Path
) -> tuple[float, NDArray[np.float64]]:
    """Frame time and (T, C) values of the section whose title is on ``lines[start]``."""
    filled = [(i + 1, lines[i]) for i in range(start + 1, len(lines)) if lines[i].strip()]
    frames = _header(filled[:1], "frames:", path, len(lines))
    frame_time = _header(filled[1:2], "frame time:", path, len(lines))
    if frame_time <= 0:
        _fail(path, filled[1][0], f"a frame time of {frame_time:g} s is not possible")
    rows = filled[2:]
    if frames != len(rows):
        _fail(path, filled[0][0], f"{frames:g} frames announced, {len(rows)} lines follow")
    if not rows:
        _fail(path, filled[0][0], "there are no frames")
    motion = np.array([_row(text, width, path, line) for line, text in rows])
    if not (finite := np.isfinite(motion).all(axis=1)).all():
        _fail(path, rows[int(finite.argmin())][0], "a value is not finite")
    return frame_time, motion


def _header(found: Sequence[tuple[int, str]], title: str, path: str | Path, last: int) -> float:
    if not found:
        _fail(path, last, f"the file ends before {title.title()!r}")
    line, text = found[0]
    plain = " ".join(text.lower().split()).replace(" :", ":")
    if not plain.startswith(title):
        _fail(path, line, f"{text.strip()[:40]!r} where {title.title()!r} belongs")
    return _number(plain[len(title) :].strip(), path, line)


def _row(text: str, width: int, path: str | Path, line: int) -> list[float]:
    words = text.split()
    if len(words) != width:
        _fail(path, line, f"{len(words)} values where the joints have {width} channels")
    try:
        return [float(word) for word in words]
    except ValueError:
        return [_number(word, path, line) for word in words]  # raises the error that names it
