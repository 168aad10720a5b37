"""Videos that were named on the command line: found and looked at before anything is loaded."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from dance_models.errors import InputError
from pipelines.shown import shown

_ELSEWHERE: Final = "Choose another --out"
_PERSON: Final = re.compile(r"-person\d+$")
Places = Mapping[tuple[int, int] | Path, Path]


@dataclass(frozen=True)
class NamedVideo:
    """A video or a folder of images, and the names that its results get."""

    path: Path
    stem: str
    rate: float | None = None  # frames/s of a folder of images, where a manifest gives it
    title: str = ""  # what its user calls it, where that is not the name of the file

    @property
    def shown(self) -> str:
        """What it is called in words; never a path."""
        return self.title or self.path.name


@dataclass(frozen=True)
class NamedVideos:
    """What can be opened, and why the rest cannot."""

    videos: tuple[NamedVideo, ...]
    refused: tuple[InputError, ...] = ()


def named_videos(paths: Sequence[Path], out: Path, *, people: bool = False) -> NamedVideos:
    """The videos that are named, and those in the folders that are named.

    What lies in ``out``, where results go, is none. Only what a file says of itself is looked at:
    no picture is decoded, and no network loaded. Of two whose results would have one name, the
    second gets a number; ``people``: each person of a video has results.
    """
    found: list[tuple[Path, float | None]] = []
    refused: list[InputError] = []
    for path in paths:
        try:
            found += _in_folder(path, out, refused) if path.is_dir() else [(path, None)]
        except InputError as error:
            refused.append(error)
    videos: list[NamedVideo] = []
    taken: set[str] = set()
    for path, rate in dict.fromkeys(found):
        try:
            _check(path, rate)
        except InputError as error:
            refused.append(error)
            continue
        stem = path.name if path.is_dir() else path.stem
        number = 2
        name = stem
        while not taken.isdisjoint(names := _names(name, people=people)):
            name, number = f"{stem}-{number}", number + 1
        taken |= names
        videos.append(NamedVideo(path, name, rate))
    return NamedVideos(tuple(videos), tuple(refused))


def _names(stem: str, *, people: bool) -> frozenset[str]:
    """What no other video may have: ``a`` and ``a.coco`` would both write a.coco.json.

    With ``people``, ``a`` has a-person1, a-person2 and so on: whoever ends so has the name before.
    """
    from dance_models.analysis.files.write import FILE_FORMATS
    from dance_models.analysis.results import result_paths

    folded = stem.casefold()  # there are disks that do not tell them apart
    paths = result_paths(Path(), folded, tuple(FILE_FORMATS), draw=True)
    of_person = _PERSON.sub("", folded) if people else folded
    return frozenset(path.name for path in paths) | {f"{of_person}.html"}


def named_video(path: Path, stem: str, title: str = "") -> NamedVideo:
    """One video or folder of images whose results are called ``stem``. Raises InputError.

    ``title``: what its user calls it, where that is not the name of the file.
    """
    (found,) = _in_folder(path, path, []) if path.is_dir() else [(path, None)]
    _check(*found)
    return NamedVideo(found[0], stem, found[1], title)


def places_of(read: Iterable[Path]) -> Places:
    """What is read, by each file's or folder's identity, and by the folders above it.

    Made once for all videos: comparing each result with each of thousands takes minutes.
    """
    found: dict[tuple[int, int] | Path, Path] = {}
    for path in read:
        with suppress(OSError):  # said when it is read
            found[_place(path)] = path
            found |= dict.fromkeys(path.resolve().parents, path)
    return found


def check_places(results: Sequence[Path]) -> None:
    """Raise InputError where results cannot be written, before the work that they are of.

    That is a folder that cannot be made or written to, a name that is too long, and a folder where
    a file is to be written, or a file in place of a folder.
    """
    from dance_models.analysis.files.write import is_folder, longest_name
    from dance_models.files import LONGEST_NAME

    for folder in dict.fromkeys(result.parent for result in results):
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not above.is_dir():
            raise InputError("it is no folder for results", file=above, hint=_ELSEWHERE)
        if not os.access(above, os.W_OK | os.X_OK):
            raise InputError("no file can be written here", file=above, hint=_ELSEWHERE)
    for result in results:
        name = longest_name(result)
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise InputError(
                f"a result would have a name of {len(os.fsencode(name))} bytes, more than "
                f"{LONGEST_NAME}: {name}",
                hint="Give the video a shorter name",
            )
        if result.exists() and result.is_dir() != is_folder(result):
            what = "file" if result.is_dir() else "folder"
            raise InputError(f"a {what} is to be written here", file=result, hint=_ELSEWHERE)


def refuse_replacing(results: Iterable[Path], *read: Places) -> None:
    """Raise InputError where a result would replace what is read, or a folder of other files."""
    for result in filter(Path.exists, results):
        for place in (_place(result), result.resolve()):
            for source in (places[place] for places in read if place in places):
                raise InputError(
                    f"a result, {result.name}, would replace it", file=source, hint=_ELSEWHERE
                )
        others = _other_files(result) if result.is_dir() else []
        if others:
            raise InputError(
                f"a result would replace this folder, which holds other files ({others[0]})",
                file=result,
                hint=_ELSEWHERE,
            )


def say_left(out: Console, results: Iterable[Path], written: Iterable[Path], *read: Places) -> None:
    """Name those of ``results`` that exist and were neither written now nor read.

    They are of an earlier run that wrote more: they may show another pose, and be wanted still.
    """
    own = set(written)
    left = [path for path in results if path not in own and path.exists()]
    names = [path.name for path in left if not any(_place(path) in places for places in read)]
    if names:
        line = f"From an earlier run, and not written again: {', '.join(names)}"
        out.print(shown(line), soft_wrap=True)


def _place(path: Path) -> tuple[int, int]:
    """What a file or folder is known by, whatever its name. Raises OSError."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _other_files(folder: Path) -> list[str]:
    """What is in a folder and was not written by us: our frames begin with the folder's name."""
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if not name.startswith((f"{folder.name}_", "."))]


def _in_folder(
    folder: Path, out: Path, refused: list[InputError]
) -> list[tuple[Path, float | None]]:
    from dance_models.video.scan import scan_clips

    scanned = scan_clips(folder)
    refused += [InputError(problem.message, file=problem.file) for problem in scanned.problems]
    beyond = out.resolve()
    entries = [entry for entry in scanned.entries if beyond not in entry.path.resolve().parents]
    if not entries:
        raise InputError("there is no video in this folder", file=folder)
    return [(entry.path, float(entry.fps) if entry.fps else None) for entry in entries]


def _check(path: Path, rate: float | None) -> None:
    """Raise InputError for what cannot be opened as a video."""
    from dance_models.errors import VideoError, guarded
    from dance_models.files import why_unusable
    from dance_models.video.source import open_source

    if not path.exists() and not path.is_symlink():
        raise InputError("there is no such video", file=path)
    if not path.is_dir() and (reason := why_unusable(path)):
        raise InputError(reason, file=path)
    with guarded("a video", path, VideoError), open_source(path, rate):
        pass
