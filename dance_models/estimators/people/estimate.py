"""The pose of one of several people: BlazePose where that person is known to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import EstimatorConfig
from dance_models.estimators.blazepose.landmarks import LandmarkModel
from dance_models.estimators.blazepose.region import MARGIN, Region
from dance_models.estimators.blazepose.tracker import as_estimate
from dance_models.estimators.boxes import centre, longest, overlap
from dance_models.estimators.people.tracks import People, Place, Track
from dance_models.estimators.protocol import PoseEstimate, PoseEstimator
from dance_models.estimators.weights import BLAZEPOSE_VERSION
from dance_models.geometry import middle, pelvis, person_box
from dance_models.skeleton import DANCE_14

# How far the middle of the hips may be from that of the box, in lengths of the box.
_REACH: Final = 0.4
_MOST_GROWTH: Final = 2.2  # of the body circle against the box, either way
_SEEN: Final = 0.5  # visibility from which on a joint says where the body is
# By how much a pose may fit another person's box better than its own, as overlap.
_OTHERS: Final = 0.15
_ENOUGH_JOINTS: Final = 4  # that a pose and both people have, to compare them by joints


class TrackedBlazePose:
    """BlazePose on one :class:`Track`, instead of on whom its own detector finds.

    The landmarks of a frame give the region of the next as long as it agrees with the track; else
    the region comes from the track. A pose that lies on one of ``others`` is no pose of this
    person. None while the track has nobody. The same frames give the same result.
    """

    name = "blazepose"

    def __init__(
        self,
        model: LandmarkModel,
        track: Track,
        others: Sequence[Track] = (),
        *,
        finder: str = "",
        min_presence: float = 0.5,
    ) -> None:
        self._model, self._track, self._others = model, track, tuple(others)
        self._min_presence = min_presence
        self._region: Region | None = None
        self.version = f"{BLAZEPOSE_VERSION}+track-1" + (f"+{finder}" if finder else "")

    def start_run(self) -> None:
        """Forget the frames seen so far."""
        self._region = None

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Pose of the person in an RGB image (H, W, 3); ``frame`` counts as the track does."""
        place = self._track.at(frame)
        if place is None:
            self._region = None
            return None
        others = [there for other in self._others if (there := other.at(frame)) is not None]
        regions = [region_of(place), upright_region_of(place)]
        if self._region is not None and _agrees(self._region, place.box):
            regions.insert(0, self._region)
        for region in regions:
            found = self._model.find(image, region)
            if found.presence < self._min_presence or not _agrees(found.next_region, place.box):
                continue
            pose = as_estimate(found)
            if not any(_lies_on(pose, other, place) for other in others):
                self._region = found.next_region
                return pose
        self._region = None
        return None


def tracked_estimators(
    people: People,
    chosen: Sequence[Track],
    weights: Path,
    config: EstimatorConfig,
    finder: str = "",
) -> tuple[PoseEstimator, ...]:
    """One estimator for each of the ``chosen``; they share one model, so use them in one thread.

    ``weights`` holds BlazePose's; ``finder`` names what found the people, for the version. Raises
    InputError when the weights are missing.
    """
    model = LandmarkModel(weights, config.threads, mirrored_pass=config.mirrored_pass)
    there = people.tracks[: people.present]
    return tuple(
        TrackedBlazePose(
            model,
            track,
            [other for other in there if other is not track],
            finder=finder,
            min_presence=config.min_presence,
        )
        for track in chosen
    )


def region_of(place: Place) -> Region:
    """Where to look for somebody, turned so that hips and neck are one above the other."""
    hips = pelvis(place.keypoints).astype(np.float64)
    up = middle(place.keypoints, DANCE_14.neck).astype(np.float64) - hips
    length = float(np.linalg.norm(up))
    if not np.isfinite(length) or length < 1:
        return upright_region_of(place)
    radius = float(np.abs(np.concatenate([hips - place.box[:2], place.box[2:] - hips])).max())
    return Region.from_alignment(hips, hips + up / length * radius)


def upright_region_of(place: Place) -> Region:
    """Where to look for somebody by the box alone."""
    at, radius = centre(place.box), float(longest(place.box)) / 2
    return Region.from_alignment(at, at + np.array([0.0, -radius]))


def _agrees(region: Region, box: NDArray[np.float64]) -> bool:
    """Whether the body circle of ``region`` can be that of the person in ``box``."""
    length = max(float(longest(box)), 1.0)
    away = float(np.hypot(*(np.array([region.x, region.y]) - centre(box))))
    ratio = region.size / MARGIN / length
    return away <= _REACH * length and 1 / _MOST_GROWTH <= ratio <= _MOST_GROWTH


def _lies_on(pose: PoseEstimate, other: Place, own: Place) -> bool:
    """Whether the pose is that of ``other``, by the finder's keypoints or else by the boxes."""
    apart = [
        np.linalg.norm(pose.keypoints - place.keypoints, axis=1)[pose.score >= _SEEN]
        for place in (other, own)
    ]
    both = np.isfinite(apart[0]) & np.isfinite(apart[1])
    if both.sum() >= _ENOUGH_JOINTS:
        return bool(apart[0][both].mean() < apart[1][both].mean())
    body = person_box(np.where(pose.score[:, None] >= _SEEN, pose.keypoints, np.nan)[None])
    if not np.isfinite(body).all():
        return False
    there, here = overlap(body, np.stack([other.box, own.box]))[0]
    return bool(there > here + _OTHERS)
