"""Which annotation files of a folder mention which clips."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dance_models.annotations.detect_format import SUFFIXES, parse_file
from dance_models.errors import AnnotationError, InputError
from dance_models.tables import file_digest


@dataclass(frozen=True)
class AnnotationFile:
    """One file: its content's digest and the clips it mentions, or why it cannot be used.

    ``poses`` counts the annotated people of each clip; 0 where everything of it was dropped.
    """

    path: Path
    sha256: str
    poses: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def clips(self) -> frozenset[str]:
        """The clips that it mentions."""
        return frozenset(self.poses)


def index_annotations(
    directory: Path, wanted: Callable[[Path], bool] = lambda path: True
) -> list[AnnotationFile]:
    """All ``wanted`` annotation files below a folder, in the order of their paths.

    Raises InputError when the folder cannot be read.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise InputError("there is no such folder", file=directory)
    paths = [
        p
        for p in sorted(directory.rglob("*"))
        if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
    ]
    return [_index(path) for path in paths if wanted(path)]


def _index(path: Path) -> AnnotationFile:
    try:
        digest = file_digest(path)
        parsed = parse_file(path)
    except AnnotationError as error:
        return AnnotationFile(path, "", problem=error.message)
    except OSError as error:
        return AnnotationFile(path, "", problem=f"cannot be read ({error.strerror})")
    # Frames that were exported and not annotated yet do not count as a mention of their clip.
    relevant = [p for p in parsed.problems if p.action != "empty"]
    poses = Counter(pose.clip for pose in parsed.poses)
    poses.update({p.clip: 0 for p in relevant if p.clip})
    if relevant and not poses:  # no clip's report would show these problems
        first = f"{len(relevant)} problems and no clip; the first: {relevant[0].message}"
        return AnnotationFile(path, digest, problem=first)
    return AnnotationFile(path, digest, dict(poses))
