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
from dance_models.files import state_of, steady, why_unusable
from dance_models.tables import file_digest


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
    """All ``wanted`` annotation files below a folder, in the order of their paths.

    ``reading`` says what is known of a file. What is no regular file, or has a name that no table
    can hold, is left out: :func:`~dance_models.annotations.unread.unread_files` says so.
    ``directory`` may also be one file. Raises InputError when the folder cannot be read.
    """
    directory = directory.resolve()
    if directory.is_file():
        return [index_file(directory, reading(directory))] if wanted(directory) else []
    if not directory.is_dir():
        raise InputError("there is no such folder", file=directory)
    paths = [
        p
        for p in sorted(directory.rglob("*"))
        if not p.name.startswith(".") and why_unusable(p) is None and wanted(p)
    ]
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
    named = {pose.clip for parsed in files for pose in parsed.poses}
    clips = {clip: _digest(files, clip) for clip in named | {p.clip for p in relevant if p.clip}}
    of_file = AnnotationFile(path, digest, clips, _content(files), state=state)
    known = None if reading.clips is None else set(reading.clips.values())
    unknown = [clip for clip in sorted(clips) if known is not None and clip not in known]
    problems = [p for p in relevant if p.clip is None or p.clip in {*unknown} - named]
    problems += [p for clip in unknown for p in _unregistered(files, clip, reading)]
    if relevant and not clips:  # no clip's report would show these problems
        first = f"{len(relevant)} problems and no clip; the first: {relevant[0].message}"
        return replace(of_file, problem=first, problems=tuple(problems))
    return replace(of_file, problems=tuple(problems))


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


def _unregistered(files: list[ParsedFile], clip: str, reading: Reading) -> list[Problem]:
    """One problem for each file that has annotations of a clip that is not registered."""
    found = []
    for parsed in files:
        count = sum(pose.clip == clip for pose in parsed.poses)
        if count:
            text = f"{count} annotations are of a clip that is not registered"
            found.append(Problem(parsed.file, f"{text}. {reading.hint(clip)}", clip, rows=count))
    return found


def _digest(files: list[ParsedFile], clip: str) -> str:
    """Start of the sha256 of the frames and image names that were read as those of a clip."""
    read = [
        (parsed.file, pose.frame, pose.image.name)
        for parsed in files
        for pose in parsed.poses
        if pose.clip == clip
    ]
    return hashlib.sha256(repr(read).encode("utf-8", "backslashreplace")).hexdigest()[:16]
