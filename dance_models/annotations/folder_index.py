"""Which annotation files of a folder mention which clips."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dance_models.annotations.archives import is_archive, parse_files
from dance_models.annotations.detect_format import is_candidate
from dance_models.annotations.image_names import Reading
from dance_models.annotations.parsed_file import ParsedFile, Problem
from dance_models.errors import AnnotationError, ChangedError, InputError, guarded
from dance_models.files import files_below, state_of, steady, why_unusable
from dance_models.tables import file_digest

_Frame = tuple[str, int, str]  # what one person was read of: file, frame, name of the image


@dataclass(frozen=True)
class FileContent:
    """What was read of one file."""

    format: str = ""  # ids of ``dance formats``, of an archive several
    people: int = 0  # the most in one frame
    frames: int = 0
    joints: int = 0  # of the skeleton, that any person has
    dropped: int = 0  # annotated people that were left out, whatever their clip


@dataclass(frozen=True)
class AnnotationFile:
    """One file: its content's digest and the clips it mentions, or why it cannot be used."""

    path: Path
    sha256: str
    # Each clip that it mentions, registered or not, with a digest of what was read of it: which
    # frames its images were taken for.
    clips: Mapping[str, str] = field(default_factory=dict)
    content: FileContent = FileContent()
    problem: str | None = None
    problems: tuple[Problem, ...] = ()  # those that the import of no registered clip reports
    # Size and modification time (ns) when it was read; None of one that could not be read.
    state: Sequence[int] | None = None


def index_annotations(
    directory: Path,
    wanted: Callable[[Path], bool] = lambda path: True,
    reading: Callable[[Path], Reading] = lambda path: Reading(),
) -> list[AnnotationFile]:
    """All ``wanted`` annotation files below a folder that are not hidden, ordered by their paths.

    ``reading`` says what is known of a file. What is no regular file, or has a name that no table
    can hold, is left out: :func:`~dance_models.annotations.unread.unread_files` says so.
    ``directory`` may also be one file. Raises InputError when the folder cannot be read.
    """
    directory = directory.resolve()
    if directory.is_file():
        return [index_file(directory, reading(directory))] if wanted(directory) else []
    if not directory.is_dir():
        raise InputError("there is no such folder", file=directory)
    found = sorted(files_below(directory))
    paths = [p for p in found if why_unusable(p) is None and wanted(p)]
    return [index_file(p, reading(p)) for p in paths if is_archive(p) or is_candidate(p)]


def index_file(path: Path, reading: Reading) -> AnnotationFile:
    """What one file has annotations of, or why it cannot be used."""
    try:
        with steady(lambda: [path]):  # what is hashed is what is read
            state = state_of(path)
            digest = file_digest(path)
            with guarded("annotations", path, AnnotationError):
                files = parse_files(path, reading)
    except ChangedError as error:  # no digest: the next registration reads it again
        return AnnotationFile(path, "", problem=error.advice)
    except AnnotationError as error:
        return AnnotationFile(path, "", problem=error.advice)
    except OSError as error:
        return AnnotationFile(path, "", problem=f"cannot be read ({error.strerror})")
    # Frames that were exported and not annotated yet do not count as a mention of their clip.
    relevant = [p for parsed in files for p in parsed.problems if p.action != "empty"]
    read = _read(files)
    mentioned = {*read, *(p.clip for p in relevant if p.clip)}
    clips = {clip: _digest(read.get(clip, [])) for clip in mentioned}
    of_file = AnnotationFile(path, digest, clips, _content(files), state=state)
    known = None if reading.clips is None else reading.names.clips
    unknown = [clip for clip in sorted(clips) if known is not None and clip not in known]
    unread = {*unknown} - read.keys()
    problems = [p for p in relevant if p.clip is None or p.clip in unread]
    problems += [p for clip in unknown for p in _unregistered(read.get(clip, []), clip, reading)]
    if relevant and not clips:  # no clip's report would show these problems
        first = f"{len(relevant)} problems and no clip; the first: {relevant[0].message}"
        return replace(of_file, problem=first, problems=tuple(problems))
    return replace(of_file, problems=tuple(problems))


def _read(files: list[ParsedFile]) -> dict[str, list[_Frame]]:
    """The frames that were read as those of each clip, in the order of the files."""
    read: dict[str, list[_Frame]] = {}
    for parsed in files:
        for pose in parsed.poses:
            frame = (parsed.file, pose.frame, pose.image.name)
            read.setdefault(pose.clip, []).append(frame)
    return read


def _content(files: list[ParsedFile]) -> FileContent:
    poses = [pose for parsed in files for pose in parsed.poses]
    people = Counter((pose.clip, pose.frame) for pose in poses)
    return FileContent(
        ", ".join(dict.fromkeys(parsed.format for parsed in files if parsed.format)),
        max(people.values(), default=0),
        len(people),
        len({joint for pose in poses for joint in pose.joints}),
        sum(p.rows for parsed in files for p in parsed.problems if p.action == "dropped"),
    )


def _unregistered(read: list[_Frame], clip: str, reading: Reading) -> list[Problem]:
    """One problem for each file that has annotations of a clip that is not registered."""
    hint = reading.hint(clip) if read else ""
    return [
        Problem(
            file,
            f"{count} annotations are of a clip that is not registered. {hint}",
            clip,
            rows=count,
        )
        for file, count in Counter(file for file, _, _ in read).items()
    ]


def _digest(read: list[_Frame]) -> str:
    """Start of the sha256 of the frames and image names that were read as those of a clip."""
    return hashlib.sha256(repr(read).encode("utf-8", "backslashreplace")).hexdigest()[:16]
