"""Images as a clip: which folders and files are one, and what identifies it."""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.files import open_file, read_text
from dance_models.tables import file_digest

IMAGE_SUFFIXES: Final = frozenset(
    [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".jp2"]
)
RATE_FILES: Final = ("fps", "fps.txt")  # beside the images: one number
_LONGEST_NUMBER: Final = 18  # digits: numbers of images are stored in 64 bits
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True)
class NumberedImages:
    """The images of a folder that are frames, in the order of their numbers."""

    paths: tuple[Path, ...] = ()
    numbers: tuple[int, ...] = ()
    others: tuple[str, ...] = ()  # names of images that are no frames: another name, or no number

    @property
    def missing(self) -> int:
        """How many numbers are missing between the first and the last."""
        if len(self.numbers) < 2:
            return 0
        return (self.numbers[-1] - self.numbers[0]) // self.step + 1 - len(self.numbers)

    @property
    def step(self) -> int:
        """From one number to the next where none is missing."""
        return gcd(*(later - first for first, later in pairwise(self.numbers))) or 1


def numbered_images(folder: Path) -> NumberedImages:
    """The frames in ``folder``: the most images whose names differ by one number alone.

    ``0001.jpg``, ``dance_17.png``, ``cam2_0001_rgb.png`` and ``dance (3).jpg`` have a number;
    leading zeros do not matter. Raises OSError when the folder cannot be read.
    """
    series: dict[tuple[str, str, str], dict[int, Path]] = {}
    images = sorted(p for p in folder.iterdir() if is_image(p))
    for path in images:
        kind = path.suffix.lower().replace("jpeg", "jpg")
        # Of numbers that give as many frames the last one counts, so it comes first.
        for found in reversed(list(_NUMBER.finditer(path.stem))):
            name = (path.stem[: found.start()], path.stem[found.end() :], kind)
            if len(found[0]) <= _LONGEST_NUMBER:
                series.setdefault(name, {}).setdefault(int(found[0]), path)
    if not series:
        return NumberedImages(others=tuple(path.name for path in images))
    chosen = max(series.values(), key=len)
    numbers = tuple(sorted(chosen))
    frames = tuple(chosen[number] for number in numbers)
    used = set(frames)
    return NumberedImages(frames, numbers, tuple(p.name for p in images if p not in used))


def is_image(path: Path) -> bool:
    """Whether the file name is that of an image; hidden files do not count."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def may_count(path: Path) -> bool:
    """Whether a file in a folder of images is one of them, or their rate, by its name."""
    return is_image(path) or path.name in RATE_FILES


def is_clip_on_disk(path: Path) -> bool:
    """Whether a registered clip is still there: its file, or images in its folder."""
    try:
        return bool(numbered_images(path).paths) if path.is_dir() else path.exists()
    except OSError:
        return True  # it cannot be read, which probing reports


def clip_files(path: Path) -> list[Path]:
    """The file of a clip, or the frames of a folder and its rate. Raises OSError."""
    if not path.is_dir():
        return [path]
    rates = [path / name for name in RATE_FILES if (path / name).is_file()]
    return [*numbered_images(path).paths, *rates]


def clip_digest(path: Path) -> str:
    """sha256 of a clip's file, or over names and contents of a folder's frames and its rate.

    Raises OSError when something cannot be read.
    """
    if not path.is_dir():
        return file_digest(path)
    total = hashlib.sha256()
    for file in clip_files(path):
        total.update(f"{file.name} {file_digest(file)}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def rate_of(text: str, file: Path) -> float:
    """A frame rate, such as ``25``, ``29.97`` or ``30000/1001``. Raises InputError."""
    above, _, below = text.strip().partition("/")
    try:
        rate = float(above.replace(",", ".")) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        rate = 0.0
    if not 0 < rate <= 10_000:
        raise InputError(
            f"{text.strip()[:40]!r} is not a frame rate",
            file=file,
            hint="Write a number such as 25",
        )
    return rate


def stated_rate(folder: Path) -> float | None:
    """The frame rate in a folder of images, None without one. Raises InputError, OSError."""
    for name in RATE_FILES:
        path = folder / name
        if path.is_file():
            return rate_of(read_text(path, "replace"), path)
    return None


def is_animated_webp(path: Path) -> bool:
    """Whether the file is a WebP with more than one picture, by its header."""
    try:
        with open_file(path) as file:
            head = file.read(21)
    except OSError:
        return False
    named = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X"
    return len(head) == 21 and named and bool(head[20] & 2)
