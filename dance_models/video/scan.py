"""Finding the clips in a folder and reading their ``clips.csv``."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.files import is_hidden, read_file, why_unusable
from dance_models.likeness import Nearest
from dance_models.text import brief, printable
from dance_models.video.images import is_animated_webp, is_image, numbered_images, rate_of
from dance_models.video.names import clip_slug

VIDEO_SUFFIXES: Final = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".mts",
        ".m2ts",
        ".ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".3g2",
        ".asf",
        ".divx",
        ".dv",
        ".f4v",
        ".ivf",
        ".m2v",
        ".mxf",
        ".ogv",
        ".qt",
        ".vob",
        ".y4m",
        # streams without a container
        ".264",
        ".265",
        ".h264",
        ".h265",
        ".hevc",
        # animations
        ".apng",
        ".gif",
    ]
)
MANIFEST: Final = "clips.csv"
UNKNOWN_STYLE: Final = "unknown"
ALL_STYLES: Final = "all"  # in the tables of the reports: all styles together
FEWEST_IMAGES: Final = 2  # numbered images that make a folder a clip
MOST_LINES: Final = 1000  # of ``clips.csv`` that are listed as not used
MOST_HINTS: Final = 200  # of them for which the nearest clip is looked for
LISTED: Final = 3  # names of unused images that a problem lists


@dataclass(frozen=True)
class ClipEntry:
    """One clip in a folder."""

    clip: str  # slug of the file stem, or of a folder of images; two clips can have the same
    path: Path
    style: str
    performer: str
    take: str  # "" when no manifest gives one
    name: str  # below the folder that was scanned, with forward slashes
    fps: str = ""  # of a folder of images, frames/s, when the manifest gives it


@dataclass(frozen=True)
class Problem:
    """Something in a file that was not used, and why."""

    file: str
    message: str


@dataclass(frozen=True)
class ScanResult:
    """Clips in the order of slugs and file names, and what was left out."""

    entries: list[ClipEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def is_video(path: Path) -> bool:
    """Whether the file has the name of a video or is an animated WebP; the probe checks it."""
    if path.name.startswith("."):
        return False
    suffix = path.suffix.lower()
    return suffix in VIDEO_SUFFIXES or (suffix == ".webp" and is_animated_webp(path))


def scan_clips(directory: Path) -> ScanResult:
    """All clips below ``directory``: ``STYLE/CLIP.mp4`` or flat; other files are ignored.

    A folder of numbered images without a video in it is a clip, too: ``STYLE/CLIP/0001.jpg``.
    ``clips.csv`` in the folder or above it may name style, performer, take, and the frame rate of
    a folder of images. ``directory`` may also be one video. Raises InputError when the folder
    itself cannot be read.
    """
    directory = directory.resolve()
    if directory.is_file():
        return _one_clip(directory)
    result = ScanResult()
    paths = sorted(_clip_paths(directory, result.problems))
    manifest = _read_manifest(directory, {key_of(path) for path in paths}, result.problems)
    said: list[Problem] = []
    for path in paths:
        result.entries.append(_entry(path, directory, manifest, said))
    result.problems.extend(dict.fromkeys(said))  # once a folder
    result.entries.sort(key=lambda entry: (entry.clip, entry.name))
    return result


def _one_clip(video: Path) -> ScanResult:
    """A single video, with what the ``clips.csv`` beside it or above says of it."""
    result = ScanResult()
    if not is_video(video):
        result.problems.append(Problem(printable(str(video)), "has no suffix of a video"))
        return result
    manifest = _read_manifest(video.parent, {key_of(video)}, result.problems, alone=True)
    result.entries.append(_entry(video, video.parent, manifest, result.problems))
    return result


def _entry(
    path: Path, directory: Path, manifest: dict[str, dict[str, str]], problems: list[Problem]
) -> ClipEntry:
    slug = key_of(path)
    row = manifest.get(slug, {})
    flat = directory in (path, path.parent)
    return ClipEntry(
        slug,
        path,
        _style(
            row.get("style") or (UNKNOWN_STYLE if flat else key_of(path.parent)), path, problems
        ),
        row.get("performer", ""),
        row.get("take", ""),
        path.relative_to(directory.parent if path == directory else directory).as_posix(),
        _rate(row, path, problems),
    )


def _style(name: str, path: Path, problems: list[Problem]) -> str:
    """The style of a clip; one whose name the tables need for themselves is no style."""
    if name != ALL_STYLES:
        return name
    message = (
        f"a style cannot be called {ALL_STYLES!r}, which the tables call all styles together; its "
        f"clips are of the style {UNKNOWN_STYLE!r}"
    )
    problems.append(Problem(printable(str(path.parent)), message))
    return UNKNOWN_STYLE


def key_of(path: Path) -> str:
    """A clip's key; a dot in the name of a folder begins no suffix."""
    return clip_slug(f"{path.name}.x" if path.is_dir() else path)


def _rate(row: dict[str, str], path: Path, problems: list[Problem]) -> str:
    """The frame rate that the manifest gives a folder of images; that of a video is its own."""
    text = row.get("fps", "")
    if not text or not path.is_dir():
        return ""
    try:
        rate_of(text, path)
    except InputError as error:
        problems.append(Problem(str(path), f"clips.csv: {error.message}; it was not used"))
        return ""
    return text


def _clip_paths(directory: Path, problems: list[Problem]) -> Iterator[Path]:
    """Video files, and folders of numbered images."""

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == directory:
            raise InputError(f"cannot read the folder: {error.strerror}", file=directory)
        problems.append(Problem(error.filename, f"cannot read the folder: {error.strerror}"))

    for name, folders, names in os.walk(directory, onerror=unreadable):
        folders[:] = [found for found in folders if not is_hidden(found)]
        folder = Path(name)
        videos = [folder / name for name in names if is_video(folder / name)]
        for path in videos:
            why = why_unusable(path)
            if why is None:
                yield path
            else:
                problems.append(Problem(printable(str(path)), f"not a clip: {why}"))
        if not videos and any(is_image(Path(name)) for name in names):
            yield from _image_clip(folder, problems)


def _image_clip(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """The folder when its images are the frames of a clip, and a problem for those that are not."""
    if (why := _unusable_images(folder)) is not None:
        problems.append(Problem(printable(str(folder)), f"not a clip: {why}"))
        return
    found = numbered_images(folder)
    frames = len(found.paths) if len(found.paths) >= FEWEST_IMAGES else 0
    others = list(found.others) if frames else [p.name for p in found.paths] + list(found.others)
    if others:
        listed = ", ".join(others[:LISTED]) + (", ..." if len(others) > LISTED else "")
        why = f"not of the {frames} numbered frames" if frames else "a clip has numbered images"
        message = f"images that were not used: {len(others)} ({listed}); {why}"
        problems.append(Problem(str(folder), message))
    if frames:
        yield folder


def _unusable_images(folder: Path) -> str | None:
    """Why a folder of images cannot be a clip: its name, that of an image, or what it is."""
    images = (path for path in folder.iterdir() if is_image(path))
    return next((f"{p.name}: {why}" for p in images if (why := why_unusable(p)) is not None), None)


class _LostLines:
    """Lines of ``clips.csv`` that are not used: the first, and how many more there are.

    A table of something else, called so, has millions.
    """

    def __init__(self, manifest: Path, directory: Path, clips: Set[str]) -> None:
        self.manifest, self.directory, self.clips = manifest, directory, clips
        self.problems: list[Problem] = []
        self.more = 0

    def add(self, line: int, why: str) -> None:
        """Note a line."""
        if len(self.problems) < MOST_LINES:
            text = f"line {line}: {why}; the line was not used"
            self.problems.append(Problem(str(self.manifest), text))
        else:
            self.more += 1

    def add_unknown(self, line: int, name: str, slug: str) -> None:
        """Note a line about a clip that is not there, and the nearest name."""
        if slug not in self._all_clips:
            nearest = self._names.to(slug) if len(self.problems) < MOST_HINTS else None
            near = f"; the nearest is {nearest!r}" if nearest else ""
            self.add(line, f"there is no clip {name!r}{near}")

    @cached_property
    def _all_clips(self) -> Set[str]:
        """A manifest above the folder is for other folders, too."""
        if self.manifest.parent == self.directory:
            return self.clips
        return self.clips | {key_of(path) for path in _clip_paths(self.manifest.parent, [])}

    @cached_property
    def _names(self) -> Nearest:
        return Nearest(self._all_clips)

    def said(self) -> list[Problem]:
        """The problems."""
        more = f"{self.more:,} more lines were not used"
        return [*self.problems, *([Problem(str(self.manifest), more)] if self.more else [])]


def _read_manifest(
    directory: Path, clips: Set[str], problems: list[Problem], *, alone: bool = False
) -> dict[str, dict[str, str]]:
    """What ``clips.csv`` says of ``clips``, slugs, by slug.

    Malformed lines and, unless the clips stand ``alone`` among others, those about no clip are
    reported and left out.
    """
    path = next(
        (p for p in (directory / MANIFEST, directory.parent / MANIFEST) if p.is_file()), None
    )
    if path is None:
        return {}
    rows: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    lost = _LostLines(path, directory, clips)
    try:
        with io.StringIO(read_file(path).decode("utf-8-sig"), newline="") as handle:
            reader = csv.DictReader(handle)
            if "clip" not in (reader.fieldnames or []):
                problems.append(Problem(str(path), "has no column 'clip'; it was not used"))
                return {}
            for row in reader:
                name = (row["clip"] or "").strip()
                slug = clip_slug(name + ".x")
                if not name:
                    lost.add(reader.line_num, "no clip name")
                elif slug in lines:
                    lost.add(reader.line_num, f"{name!r} is in line {lines[slug]} already")
                elif slug in clips:
                    rows[slug], lines[slug] = _values(row), reader.line_num
                elif not alone:
                    lost.add_unknown(reader.line_num, name, slug)
    except (OSError, InputError, UnicodeDecodeError, csv.Error) as error:
        problems.append(Problem(str(path), f"cannot be read ({brief(error)}); it was not used"))
        return {}
    problems.extend(lost.said())
    return rows


def _values(row: Mapping[str | Any, str | Any]) -> dict[str, str]:
    """A line by column, without fields that are missing or have no column."""
    return {k: printable(v.strip()) for k, v in row.items() if isinstance(k, str) and v is not None}
