"""The first pass over a video: who is in it, and where."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.config import PeopleConfig
from dance_models.estimators.boxes import centre
from dance_models.estimators.people.finder import PeopleFinder
from dance_models.estimators.people.identities import Identities
from dance_models.estimators.people.strands import Strand
from dance_models.estimators.people.tracks import BRIDGE_S, People, Track
from dance_models.video.decode import pyav_frames, upright
from dance_models.video.probe import ClipProbe

Image = NDArray[np.uint8]


def find_people(
    frames: Iterable[tuple[int, Image]],
    finder: PeopleFinder,
    *,
    fps: float,
    config: PeopleConfig | None = None,
) -> People:
    """Everybody in ``frames``: index and RGB image (H, W, 3), ascending, not all frames are needed.

    ``fps`` is the number of indices in a second. Keeps one image at a time; what it remembers of a
    person is less than a kilobyte a look. The same frames give the same people.
    """
    identities, looked, shape = Identities(fps), [], (0, 0)
    for index, image in frames:
        shape = image.shape[:2]
        looked.append(index)
        identities.look(index, image, finder.find(image))
    searched = np.array(looked, np.int64)
    step = int(np.median(np.diff(searched))) if len(searched) > 1 else 1
    strands = sorted(identities.finish(), key=_from_the_left)
    least = (config or PeopleConfig()).least_share * max((len(s.seen) for s in strands), default=0)
    present = [strand for strand in strands if len(strand.seen) >= least]
    passing = [strand for strand in strands if len(strand.seen) < least]
    bridge = max(step, round(BRIDGE_S * fps))
    tracks = [_track(i, s, bridge, step) for i, s in enumerate(present + passing, start=1)]
    return People(tuple(tracks), len(present), searched, shape[1], shape[0])


def frames_to_search(
    path: Path, probe: ClipProbe, config: PeopleConfig | None = None
) -> Iterator[tuple[int, Image]]:
    """Every n-th frame of a video as displayed, so that there are ``looks_per_second`` of them.

    ``probe`` is of :func:`~dance_models.video.stream.shown_probe`, which takes damaged ones too.
    Raises VideoError for a file that is not a readable video.
    """
    config = config or PeopleConfig()
    step = max(1, round(frame_rate(probe) / config.looks_per_second))
    for index, image in pyav_frames(path, range(0, probe.decoded_frames, step), "careful"):
        yield index, upright(image, probe)


def frame_rate(probe: ClipProbe) -> float:
    """Frames a second, from the median time between two."""
    apart = np.diff(probe.time_s)
    middle = float(np.median(apart)) if len(apart) else 0.0
    return 1 / middle if middle > 0 else 30.0


def _from_the_left(strand: Strand) -> tuple[float, ...]:
    first = strand.seen[0][1].box
    x, y = (float(v) for v in centre(first))
    return (x, strand.first, y)


def _track(number: int, strand: Strand, bridge: int, step: int) -> Track:
    sightings = [sighting for _, sighting in strand.seen]
    return Track(
        number,
        np.array([frame for frame, _ in strand.seen], np.int64),
        np.stack([s.box for s in sightings]),
        np.array([s.score for s in sightings]),
        np.stack([s.keypoints for s in sightings]),
        bridge,
        step,
    )
