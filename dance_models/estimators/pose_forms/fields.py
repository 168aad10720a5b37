"""What the forms share: fields of JSON objects, frame numbers, frames in lists."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from dance_models.annotations.canonical import shown
from dance_models.errors import InputError

_FRAME_KEYS: Final = (
    *("frame", "frame_id", "frame_index", "frame_idx", "frame_number", "frameIndex"),
    *("frameNumber", "frameId", "image_id"),
)
_LIST_KEYS: Final = ("frames", "results", "poses", "predictions", "data")
MOST_FRAMES: Final = 100_000_000  # of a clip: 38 days at 30 frames/s
_MOST_DIGITS: Final = 18  # Python refuses to convert very long numbers


def entry_field(entry: Any, key: str, position: int) -> Any:
    """A field of the entry at that position of a list. Raises InputError when it has none."""
    if not isinstance(entry, dict) or key not in entry:
        raise InputError(f"entry {position} has no {key!r}")
    return entry[key]


def frame_index(value: Any, what: str) -> int:
    """A frame index as a number, in digits, or at the end of a file name. Raises InputError."""
    if isinstance(value, str):
        return number_in(value)
    if isinstance(value, float) and value.is_integer():  # of tables with gaps
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_FRAMES:
        raise InputError(f"{what} is {shown(value)}, not a frame index from 0")
    return value


def number_in(name: str) -> int:
    """The last number in a file name: ``dance_000012_keypoints.json`` is frame 12."""
    digits = _numbers(name)
    if not digits:
        raise InputError(f"{shown(name)} holds no frame number")
    return frame_index(int(digits[-1]), "the number in the name")


def numbers_in(names: Sequence[str]) -> list[int]:
    """The frame number in each of a clip's file names: the last number that is not always the same.

    ``a_000012_halpe26.json`` is frame 12. Raises InputError when a name holds no number.
    """
    found = [_numbers(name) for name in names]
    counts = {len(digits) for digits in found}
    if len(names) > 1 and len(counts) == 1:
        for place in reversed(range(counts.pop())):
            if len({digits[place] for digits in found}) > 1:
                return [int(digits[place]) for digits in found]
    return [number_in(name) for name in names]


def frames_of_names(names: Iterable[str]) -> dict[str, int | InputError]:
    """The frame of each image of a clip by its name, or why it has none.

    A name without a number has none, and a second image of a frame: they are of two clips.
    """
    numbered: dict[str, int | InputError] = {}
    known = [name for name in dict.fromkeys(names) if _numbers(name)]
    try:
        found = numbers_in(known)
    except InputError:  # of one name: the others may be right
        found = [int(_numbers(name)[-1]) for name in known]
    first: dict[int, str] = {}
    for name, frame in zip(known, found, strict=True):
        try:
            other = first.setdefault(frame_index(frame, "the number in the name"), name)
        except InputError as error:
            numbered[name] = error
            continue
        numbered[name] = frame
        if other != name:
            numbered[name] = InputError(
                f"{shown(name)} is a second image of the frame, after {shown(other)}",
                frame=frame,
                hint="Give each clip a file of its own",
            )
    return numbered


def _numbers(name: str) -> list[str]:
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return [d[-_MOST_DIGITS:] for d in re.findall(r"\d+", re.sub(r"_keypoints$", "", stem))]


# The frame that an entry says it is, why that cannot be, or None where it says nothing.
Stated = int | InputError | None


def frame_entries(document: Any) -> Iterator[tuple[Stated, Any]] | None:
    """Frame and content of each frame in a list, an object of lists, or an object of file names.

    None when the document is no list of frames.
    """
    if isinstance(document, dict):
        for key in _LIST_KEYS:
            if isinstance(document.get(key), list):
                return frame_entries(document[key])
        if document and all(_numbers(name) for name in document):
            frames = frames_of_names(document)
            return iter([(frames[name], entry) for name, entry in document.items()])
        return None
    if not isinstance(document, list):
        return None
    stated = [_stated(entry) for entry in document]
    named = frames_of_names(value for value in stated if isinstance(value, str))
    return (
        (named.get(value) if isinstance(value, str) else _frame_or_why(value), entry)
        for value, entry in zip(stated, document, strict=True)
    )


def stated_frame(entry: Any) -> int | None:
    """The frame that an object says it is, None where it does not or cannot be."""
    found = _frame_or_why(_stated(entry))
    return found if isinstance(found, int) else None


def _stated(entry: Any) -> Any:
    """What an object says of its frame, None where it says nothing."""
    keys = (key for key in _FRAME_KEYS if isinstance(entry, dict) and key in entry)
    return next((entry[key] for key in keys), None)


def _frame_or_why(value: Any) -> Stated:
    try:
        return None if value is None else frame_index(value, "the frame")
    except InputError as error:
        return error
