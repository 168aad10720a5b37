"""Detect once, then track: the landmarks of a frame give the region of the next."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dance_models.estimators.blazepose import axis
from dance_models.estimators.blazepose.detector import PersonDetector
from dance_models.estimators.blazepose.landmarks import LandmarkModel, Landmarks
from dance_models.estimators.blazepose.region import Region
from dance_models.estimators.follow import PersonFollower
from dance_models.estimators.protocol import PoseEstimate
from dance_models.estimators.weights import BLAZEPOSE_VERSION
from dance_models.evidence import LANDMARKS
from dance_models.skeletons.by_name import to_skeleton


def as_estimate(found: Landmarks) -> PoseEstimate:
    """The pose that the landmarks give; scores are their visibilities."""
    points = found.points
    keypoints, score = to_skeleton(LANDMARKS, points[:, :2], points[:, 2])
    return PoseEstimate(keypoints, score, points, found.evidence)


class BlazePose:
    """BlazePose "full" in tracking mode, without temporal smoothing.

    The detector runs on the first frame of a run and again whenever the landmark model no
    longer sees a person (``min_presence``) or the region jumps. ``person`` is the rank by size
    among the detected, None or 0 being the largest; a person once chosen is kept. Scores are
    landmark visibilities. With ``mirrored_pass`` the evidence holds a second pass on the mirrored
    crop. With ``axis_check`` a pose whose body has turned impossibly far is looked for again, see
    :mod:`axis`. The same frames give the same result.
    """

    name = "blazepose"
    version = BLAZEPOSE_VERSION

    def __init__(
        self,
        weights: Path,
        *,
        person: int | None = None,
        min_detection: float = 0.5,
        min_presence: float = 0.5,
        mirrored_pass: bool = False,
        axis_check: bool = False,
        threads: int = 1,
    ) -> None:
        if axis_check:
            self.version = f"{BLAZEPOSE_VERSION}+{axis.VERSION}"
        self._axis_check = axis_check
        self._detector = PersonDetector(weights, min_detection, threads)
        self._landmarks = LandmarkModel(weights, threads, mirrored_pass=mirrored_pass)
        self._min_presence = min_presence
        self._follower = PersonFollower(person)
        self._region: Region | None = None
        self._tracking = False

    def start_run(self) -> None:
        """Forget the person: the next frame starts with the detector."""
        self._follower.reset()
        self._region, self._tracking = None, False

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Pose in an RGB image (H, W, 3); ``frame`` is not used."""
        del frame
        found = self._track(image) or self._detect(image)
        if found is None:
            self._tracking = False
            self._follower.missed()
            return None
        self._region, self._tracking = found.next_region, True
        self._follower.seen(found.next_region.box)
        return as_estimate(found)

    def _track(self, image: NDArray[np.uint8]) -> Landmarks | None:
        return self._look(image, self._region) if self._region and self._tracking else None

    def _detect(self, image: NDArray[np.uint8]) -> Landmarks | None:
        """Landmarks at the people that the detector finds.

        In turns and bends its size and angle can be far off, so an upright region of the last
        known size is tried too.
        """
        regions = [detection.region for detection in self._detector.detect(image)]
        boxes = np.array([region.box for region in regions]).reshape(-1, 4)
        last = self._region if self._follower.following else None
        for region in (regions[i] for i in self._follower.choose(boxes)):
            upright = last and Region(region.x, region.y, last.size, 0.0)
            found = self._look(image, region) or (upright and self._look(image, upright))
            if found:
                return found
        return None

    def _look(self, image: NDArray[np.uint8], region: Region) -> Landmarks | None:
        """Landmarks in ``region``; None without a person, or when it cannot be the same person."""
        found = self._seen(image, region)
        if found is None or self._region is None or not self._axis_check:
            return found
        if not self._follower.following:
            return found
        look = partial(self._seen, image)
        return axis.steadiest(found, region, self._region, self._follower.lost, look)

    def _seen(self, image: NDArray[np.uint8], region: Region) -> Landmarks | None:
        found = self._landmarks.find(image, region)
        if found.presence < self._min_presence:
            return None
        return found if self._follower.moved_plausibly(found.next_region.box) else None
