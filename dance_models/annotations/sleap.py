"""SLEAP ``.slp``: read with sleap-io, which its authors keep in step with the format."""

import math
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dance_models.annotations.canonical import Columns
from dance_models.annotations.content import Hdf
from dance_models.annotations.parsed_file import Image, ParsedFile
from dance_models.errors import InputError

if TYPE_CHECKING:
    from sleap_io import Labels

_DATASETS: Final = frozenset({"frames", "instances", "points", "metadata"})


def is_sleap(source: Hdf) -> bool:
    """Whether this is a project or a package of SLEAP's."""
    with source.opened() as file:
        return set(file) >= _DATASETS


def is_sleap_analysis(source: Hdf) -> bool:
    """Whether this is SLEAP's export for analysis, which holds predicted tracks."""
    with source.opened() as file:
        return {"tracks", "node_names"} <= set(file)


def parse_sleap(source: Hdf, parsed: ParsedFile) -> None:
    """Parse the labelled frames; predicted people are counted, an invisible node is absent.

    Raises InputError when sleap-io cannot read the file.
    """
    labels = _load(source)
    for labelled in labels.labeled_frames:
        name, videos = _names(labelled.video, int(labelled.frame_idx))
        try:
            if name is None:
                clip, frame = parsed.clip_of(*videos), int(labelled.frame_idx)
            else:
                clip, frame = parsed.identity_of(name, others=[parsed.file], videos=videos)
        except InputError as error:
            parsed.count_unnamed(error, "labelled frames")
            continue
        image = Image(clip, frame, name or videos[0], _size(labelled.video))
        if labelled.predicted_instances:
            what = "predicted people (correct them in SLEAP, or give them as --tracks)"
            parsed.count(what, image, len(labelled.predicted_instances))
        for person in labelled.user_instances:
            parsed.add_pose(image, partial(_columns, person))


def _load(source: Hdf) -> "Labels":
    """The file's labels; of an archive, from a temporary copy: sleap-io reads paths."""
    import sleap_io

    with source.opened():  # which refuses declared sizes that no file holds
        pass
    with tempfile.TemporaryDirectory() as folder:
        path = Path(source.file)
        if source.data is not None:
            path = Path(folder) / "labels.slp"
            path.write_bytes(source.data)
        try:
            return sleap_io.load_slp(str(path), open_videos=False)
        except Exception as error:  # whatever a damaged file makes it raise
            raise InputError(
                f"sleap-io {sleap_io.__version__} cannot read it ({type(error).__name__}: {error})",
                hint="Save it again with a current SLEAP",
            ) from error


def _names(video: Any, frame: int) -> tuple[str | None, list[str]]:
    """The image's name where frames are images, and names of the video, the original first."""
    sources = [source for source in _sources(video) if source.filename]
    for source in sources:
        if isinstance(source.filename, list):
            files = [str(name) for name in source.filename]
            if 0 <= frame < len(files):
                return files[frame], []
    return None, [str(s.filename) for s in sources if isinstance(s.filename, str)]


def _sources(video: Any) -> Iterator[Any]:
    """The video that a package's frames are from, and then its own."""
    source = video
    chain = [video]
    while source.source_video is not None and len(chain) < 10:
        source = source.source_video
        chain.append(source)
    yield from reversed(chain)


def _size(video: Any) -> tuple[float, float] | None:
    shape = video.shape
    if shape is None or not all(isinstance(side, int) and side > 0 for side in shape[1:3]):
        return None
    return float(shape[2]), float(shape[1])


def _columns(person: Any) -> Columns:
    names, points = [], []
    for point in person.points:
        x, y = (float(value) for value in point["xy"])
        absent = not point["visible"] or math.isnan(x) or math.isnan(y)
        names.append(str(point["name"]))
        points.append((0.0, 0.0, 0) if absent else (x, y, 2))
    return names, points
