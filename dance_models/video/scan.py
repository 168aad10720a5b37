"""Finding the clips in a folder and reading their ``clips.csv``."""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
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
    ]
)
UNKNOWN_STYLE: Final = "unknown"


@dataclass(frozen=True)
class ClipEntry:
    """One clip in a folder."""

    clip: str  # slug of the file stem; two files can have the same
    path: Path
    style: str
    performer: str
    take: str  # "" when no manifest gives one
    name: str  # of the file below the folder that was scanned, with forward slashes


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
    """Whether the file name is that of a video; the content is checked by the probe."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def scan_clips(directory: Path) -> ScanResult:
    """All clips below ``directory``: ``STYLE/CLIP.mp4`` or flat; other files are ignored.

    ``clips.csv`` in the folder or above it may name style, performer and take. Raises InputError
    when the folder itself cannot be read.
    """
    directory = directory.resolve()
    result = ScanResult()
    manifest = _read_manifest(directory, result.problems)
    for path in sorted(_video_files(directory, result.problems)):
        slug = clip_slug(path)
        row = manifest.get(slug, {})
        # "x": a folder's name has no suffix
        folder = clip_slug(path.parent.name + ".x") if path.parent != directory else UNKNOWN_STYLE
        entry = ClipEntry(
            slug,
            path,
            row.get("style") or folder,
            row.get("performer", ""),
            row.get("take", ""),
            path.relative_to(directory).as_posix(),
        )
        result.entries.append(entry)
    result.entries.sort(key=lambda entry: (entry.clip, entry.name))
    return result


def _video_files(directory: Path, problems: list[Problem]) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        if Path(error.filename) == directory:
            raise InputError(f"cannot read the folder: {error.strerror}", file=directory)
        problems.append(Problem(error.filename, f"cannot read the folder: {error.strerror}"))

    for folder, _, names in os.walk(directory, onerror=unreadable):
        for name in names:
            path = Path(folder) / name
            if not is_video(path):
                continue
            if path.is_symlink() and not path.exists():
                problems.append(Problem(str(path), "the link leads nowhere"))
                continue
            yield path


def _read_manifest(directory: Path, problems: list[Problem]) -> dict[str, dict[str, str]]:
    """Rows of ``clips.csv`` by slug; malformed ones are reported and left out."""
    path = next(
        (p for p in (directory / "clips.csv", directory.parent / "clips.csv") if p.is_file()), None
    )
    if path is None:
        return {}
    rows: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            if "clip" not in (reader.fieldnames or []):
                problems.append(Problem(str(path), "has no column 'clip'; it was not used"))
                return {}
            for row in reader:
                name = (row["clip"] or "").strip()
                if not name:
                    message = f"line {reader.line_num}: no clip name; the line was not used"
                    problems.append(Problem(str(path), message))
                    continue
                rows[clip_slug(name + ".x")] = {
                    k: v.strip() for k, v in row.items() if isinstance(k, str) and v is not None
                }
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(Problem(str(path), f"cannot be read ({error}); it was not used"))
        return {}
    return rows
