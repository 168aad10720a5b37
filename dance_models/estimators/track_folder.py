"""Which file or folder of poses belongs to which clip, by their names."""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from dance_models.annotations.unread import UnreadFile, also_resolved, unread_files
from dance_models.errors import InputError
from dance_models.estimators.pose_file import POSE_SUFFIXES, track_files
from dance_models.files import is_hidden
from dance_models.likeness import Nearest
from dance_models.video.names import clip_slug
from dance_models.video.scan import VIDEO_SUFFIXES

# Folders that tools make for the files of all clips.
_COMMON_FOLDERS: Final = ("json", "keypoints", "labels", "pose", "poses", "predictions")
_BEFORE: Final = r"(?:results|alphapose(?:-results)?|openpose)[_-]"
_AFTER: Final = (
    r"(?:DLC[_-].*|[_-](?:Sports2D(?:_px)?(?:_person\d+)?|json|poses?|keypoints|landmarks"
    r"|openpose|alphapose|mediapipe|predictions?|results?|analysis|px_person\d+))"
)
# Pictures of the poses, angles, settings and logs are no poses.
_BESIDE_POSES: Final = frozenset({*VIDEO_SUFFIXES, ".mot", ".toml", ".log"})

# Short numbers alone may be those of takes: dance_02.json is no frame of a clip named dance.
_FRAME_NUMBER: Final = {
    ".json": re.compile(r"(.+?)[_-](?:\d{6,}|\d+_keypoints)", re.IGNORECASE),
    ".txt": re.compile(r"(.+)_\d+"),
}
_SETTLED_NS: Final = 2_000_000_000  # since a folder changed


def files_of_clip(directory: Path, clip: str) -> tuple[Path, list[Path]]:
    """The file or folder in ``directory`` that belongs to ``clip``, and the files that are read.

    A name belongs when its :func:`~dance_models.video.names.clip_slug` is ``clip``: as it is, then
    without what tools add (``NAME_json/``, ``NAME.predictions.slp``, ``NAMEDLC_resnet50....csv``,
    ``results_NAME.json``), then without regard to ``-`` and ``_``. Where nothing belongs, frames
    may lie in the folder itself (``NAME_000012_keypoints.json``, ``labels/NAME_12.txt``). Folders
    such as ``predictions`` are looked into like the folder itself. Raises InputError when nothing
    or more than one thing belongs.
    """
    if not directory.is_dir():
        raise InputError("the folder of precomputed tracks does not exist", file=directory)
    folders = _folders(directory)
    found: list[Path] = []
    for folder in folders:
        found = found or _listing(folder).belonging(clip)
    if len(found) == 1:
        return found[0], track_files(found[0])
    if not found:
        for folder in folders:
            if loose := _listing(folder).frames.get(clip):
                return folder, loose
    listed = ", ".join(e.name for e in found) or "nothing"
    raise InputError(
        f"the track of clip {clip!r} must be exactly one file or folder, found {listed}",
        file=directory,
        hint=f"Name it {clip}.json, or {clip}/ for a folder of one JSON a frame",
    )


def _folders(directory: Path) -> list[Path]:
    """The folder, and those in it that tools make for the files of all clips."""
    return [directory, *_listing(directory).common]


@dataclass(frozen=True)
class _Listing:
    """What lies in one folder, by the clips that it may belong to.

    Made once for all clips: looking at each file for each clip takes minutes for thousands.
    """

    entries: list[Path]  # folders and pose files
    common: list[Path]  # those of the folders that tools make for the files of all clips
    by_name: Sequence[tuple[Callable[[str], str], dict[str, list[Path]]]]  # strictest rule first
    frames: dict[str, list[Path]]  # files of single frames, by clip

    @classmethod
    def of(cls, folder: Path) -> "_Listing":
        """Of the folder as it is now, without the H5 that DeepLabCut writes beside a CSV."""
        entries = [
            e
            for e in sorted(folder.iterdir())
            if not is_hidden(e.name) and (e.is_dir() or e.suffix.lower() in POSE_SUFFIXES)
        ]
        tables = {e.stem for e in entries if e.suffix.lower() == ".csv"}
        entries = [e for e in entries if e.suffix.lower() != ".h5" or e.stem not in tables]
        by_name = [
            (form, _grouped((form(name), entry) for entry in entries for name in names_of(entry)))
            for form in (str, _bare)
            for names_of in (_own_name, _without_additions)
        ]
        common = [e for e in entries if e.name.lower() in _COMMON_FOLDERS and e.is_dir()]
        return cls(entries, common, by_name, _grouped(_frames(entries)))

    def belonging(self, clip: str) -> list[Path]:
        """The entries with poses and the clip's name, by the strictest rule that finds any."""
        for form, named in self.by_name:
            if found := [entry for entry in named.get(form(clip), ()) if track_files(entry)]:
                return found
        return []


def _listing(folder: Path) -> _Listing:
    """What lies in a folder; read again when the time of its last change is another.

    Of a folder that changed just now, the next change may have the same time: its files' system
    counts in steps of milliseconds.
    """
    changed = folder.stat().st_mtime_ns
    settled = time.time_ns() - changed > _SETTLED_NS
    return _listing_of(folder, changed) if settled else _Listing.of(folder)


@lru_cache(maxsize=16)
def _listing_of(folder: Path, changed: int) -> _Listing:
    return _Listing.of(folder)


def _grouped(named: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    """Paths by name, each once under a name, in their order."""
    groups: dict[str, dict[Path, None]] = {}
    for name, path in named:
        groups.setdefault(name, {})[path] = None
    return {name: list(paths) for name, paths in groups.items()}


def _own_name(entry: Path) -> Iterator[str]:
    yield _slug(entry.name if entry.is_dir() else entry.stem)


def _without_additions(entry: Path) -> Iterator[str]:
    """What is left of the name without what tools put before and after a clip's."""
    name = entry.name if entry.is_dir() else entry.stem
    first = name.split(".")[0]
    for text in (name, first):
        yield _slug(re.sub(rf"{_AFTER}$", "", text, flags=re.IGNORECASE))
        yield _slug(re.sub(rf"^{_BEFORE}", "", text, flags=re.IGNORECASE))
    yield _slug(first)


@lru_cache(maxsize=8)  # without its additions a name is most often the same five times
def _slug(name: str) -> str:
    return clip_slug(name + ".x")


def _bare(slug: str) -> str:
    return re.sub(r"[-_]", "", slug)


def _frames(entries: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Clip and path of the files that are single frames: a clip's name and a number."""
    for entry in entries:
        pattern = _FRAME_NUMBER.get(entry.suffix.lower())
        if pattern is not None and (name := pattern.fullmatch(entry.stem)):
            yield _slug(name[1]), entry


def unused_tracks(directory: Path, clips: Sequence[str]) -> list[str]:
    """A line for each entry of the folder that is read for none of the clips.

    Folders that tools make for all clips are looked into. Of other files, those are named that
    :func:`~dance_models.annotations.unread.unread_files` finds and no tool writes beside poses.
    """
    if not directory.is_dir():
        return []
    folders = _folders(directory)
    used: set[Path] = set()
    for clip in clips:
        try:
            path, files = files_of_clip(directory, clip)
        except InputError:
            continue
        used |= {path, *files} - {*folders}
    known = {*used, *folders, *(parent for path in used for parent in path.parents)}
    entries = [entry for folder in folders for entry in _listing(folder).entries]
    idle = [e for e in entries if e not in known and track_files(e)]
    # Frames of one clip lie side by side: one line for all.
    groups: dict[str, list[Path]] = {}
    for entry in idle:
        groups.setdefault(re.sub(r"[_-]?\d+(_keypoints)?$", "", entry.stem), []).append(entry)
    names = Nearest(clips)
    lines = [_unused_line(group, names) for group in groups.values()]
    return lines + [f"{path}: {why}" for path, why in _other_data(directory, {*used, *idle})]


def _other_data(directory: Path, used: Collection[Path]) -> Iterator[UnreadFile]:
    """Files that are no poses of any clip, without those that tools write beside poses."""
    # DeepLabCut's pickles are called like the CSV and more.
    stems = tuple(path.stem for path in used if path.is_file())
    for found in unread_files(directory, also_resolved(used)):
        if not (
            found.path.is_dir()  # of images
            or found.path.suffix.lower() in _BESIDE_POSES
            or (found.path.suffix.lower() == ".pickle" and found.path.name.startswith(stems))
        ):
            yield found


def _unused_line(group: list[Path], clips: Nearest) -> str:
    first, more = group[0], len(group) - 1
    near = clips.to(_slug(first.name if first.is_dir() else first.stem))
    hint = f"; did you mean {near!r}?" if near else ""
    others = f" and {more} more" if more else ""
    return f"{first}{others}: of no registered clip, so it is not read{hint}"
