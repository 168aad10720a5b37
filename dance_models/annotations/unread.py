"""Files below a folder that nothing reads, with what they look like and what to do."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from pathlib import Path
from typing import Final, NamedTuple

from dance_models.annotations.archives import is_archive
from dance_models.annotations.beside import IMAGE_SUFFIXES
from dance_models.annotations.content import Content, read_content
from dance_models.annotations.detect_format import (
    copy_of,
    format_of,
    is_candidate,
    is_companion,
)
from dance_models.errors import AnnotationError, guarded
from dance_models.files import is_hidden, resolved, why_unusable
from dance_models.formats import not_read
from dance_models.video.scan import VIDEO_SUFFIXES

_IMAGES: Final = frozenset({*IMAGE_SUFFIXES, ".avif", ".heic", ".svg", ".psd", ".dng"})
_UNPACK: Final = "is an archive: unpack it"
_TABLE: Final = "is a spreadsheet: give the annotations as their tool exports them"
_PICKLE: Final = "is a Python pickle, which is never opened: export the annotations as COCO JSON"
_ARRAY: Final = "holds arrays without joint names: give motion with --motion"
_MODEL: Final = "is a model, not data"
_SOUND: Final = "is a sound file"
# What is said of a file that is not recognised by its content.
_BY_SUFFIX: Final = {
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"), _UNPACK),
    **dict.fromkeys((".xlsx", ".xls", ".ods", ".numbers"), _TABLE),
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE),
    **dict.fromkeys((".npy", ".npz"), _ARRAY),
    **dict.fromkeys((".pt", ".pth", ".onnx", ".tflite", ".task", ".ckpt", ".safetensors"), _MODEL),
    **dict.fromkeys((".wav", ".mp3", ".aac", ".m4a", ".flac", ".ogg"), _SOUND),
    ".bvh": "is motion: give its folder with --motion",
}
_OTHER: Final = "is in no known format; `dance formats` lists those that are read"
_LINKED: Final = "is a link to a folder, and links to folders are not followed: name that folder"
_NO_DATA: Final = ("readme", "license", "licence", "notice", "changelog")
_CACHES: Final = frozenset({".cache", ".db", ".ini"})  # of Ultralytics' labels, of file managers


class UnreadFile(NamedTuple):
    """A file or folder that is not used, and what it looks like and what to do."""

    path: Path
    why: str


class UnusedImages(UnreadFile):
    """A folder with images that are not used: beside annotations they are no loss."""


def unread_files(directory: Path, used: Set[Path] | None = None) -> list[UnreadFile]:
    """Files and folders below ``directory`` that nothing reads, in the order of their paths.

    ``used`` are the files that were read (:func:`also_resolved`), by default the annotation files.
    Images are counted for each folder. Hidden files, readme and licence files, and files that are
    read with others (``clips.csv``, a data set's YAML) are left out, and so are empty labels of
    Ultralytics': images with nobody in them.
    """
    directory = directory.resolve()
    found: list[UnreadFile] = []
    images: Counter[Path] = Counter()
    for path in _files(directory, found):
        if path in used if used is not None else is_archive(path) or is_candidate(path):
            continue
        if is_companion(path) or _is_no_data(path) or copy_of(path) is not None:
            continue
        if path.suffix.lower() in _IMAGES:
            images[path.parent] += 1
        else:
            found.append(UnreadFile(path, _why(path)))
    found += [
        UnusedImages(folder, f"holds {count} images, which are not used by themselves")
        for folder, count in images.items()
    ]
    return sorted(found)


def also_resolved(paths: Iterable[Path]) -> set[Path]:
    """The paths, and what they lead to: a walk meets the files of a folder under either."""
    given = set(paths)
    return given | {resolved(path) for path in given}


def _files(directory: Path, unseen: list[UnreadFile]) -> Iterator[Path]:
    """Files that are not hidden; folders and links that lead to none are added to ``unseen``."""

    def unreadable(error: OSError) -> None:
        unseen.append(UnreadFile(Path(error.filename), f"cannot be read ({error.strerror})"))

    for name, folders, files in os.walk(directory, onerror=unreadable):
        folders[:] = sorted(folder for folder in folders if not is_hidden(folder))
        paths = [Path(name) / folder for folder in folders]
        unseen.extend(UnreadFile(path, _LINKED) for path in paths if path.is_symlink())
        for path in (Path(name) / file for file in sorted(files) if not is_hidden(file)):
            why = why_unusable(path)
            if why is None:
                yield path
            else:
                unseen.append(UnreadFile(path, why))


def _is_no_data(path: Path) -> bool:
    suffix = path.suffix.lower()
    nobody = suffix == ".txt" and "labels" in path.parts and path.stat().st_size == 0
    return path.name.lower().startswith(_NO_DATA) or suffix in {".md", *_CACHES} or nobody


def _why(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "is a video: give its folder as --clips"
    try:
        if path.stat().st_size == 0:
            return "is empty"
        content = read_content(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except AnnotationError as error:
        return _BY_SUFFIX.get(suffix, error.message)
    return _what(content) or _BY_SUFFIX.get(suffix, _OTHER)


def _what(content: Content) -> str | None:
    """What a content looks like, None when that is not known."""
    try:
        with guarded("annotations", "", AnnotationError):
            known = format_of(content)
    except AnnotationError as error:
        return error.message
    if known is None:
        return None
    if known.read:
        return f"looks like {known.export} of {known.tool}: give its folder as --annotations"
    return not_read(known)
