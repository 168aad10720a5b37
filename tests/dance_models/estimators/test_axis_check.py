"""A body that turns impossibly far between two frames, and one that really turns."""

import math

import cv2
import numpy as np
import pytest

from dance_models.estimators.blazepose.axis import steadiest, turned_too_far
from dance_models.estimators.blazepose.landmarks import Landmarks
from dance_models.estimators.blazepose.region import Region
from dance_models.estimators.blazepose.tracker import BlazePose
from dance_models.evidence import columns, no_evidence
from dance_models.metrics.torso import median_torso

DETECTED = Region(100.0, 100.0, 150.0, math.pi)
LAST = Region(98.0, 100.0, 200.0, 0.3)


def seen(angle: float, peak: float) -> Landmarks:
    evidence = np.zeros((33, no_evidence().shape[-1]), np.float32)
    evidence[:, columns("peak")] = peak
    return Landmarks(np.zeros((33, 3), np.float32), evidence, Region(99, 99, 190, angle), 0.9)


@pytest.mark.parametrize(
    ("degrees", "lost", "too_far"),
    [(59, 0, False), (61, 0, True), (-61, 0, True), (179, 0, True), (100, 4, False), (170, 4, True),
     (180, 10, False), (359, 0, False)],
)  # fmt: skip
def test_how_far_a_body_can_turn(degrees: float, lost: int, too_far: bool) -> None:
    now = Region(0, 0, 100, math.radians(degrees))
    assert turned_too_far(Region(0, 0, 100, 0.0), now, lost) is too_far


def test_the_clearer_of_the_poses_that_have_not_turned_too_far_is_taken() -> None:
    wrong, dim, clear = seen(math.pi, 0.3), seen(0.2, 0.4), seen(0.1, 0.6)
    looked = []

    def look(region: Region) -> Landmarks:
        looked.append(region)
        return dim if region.angle else clear

    assert steadiest(wrong, DETECTED, LAST, 0, look) is clear
    assert looked == [Region(100, 100, 200, 0.3), Region(100, 100, 200, 0.0)]


def test_what_really_turned_is_kept() -> None:
    """A dancer who was lost, and is on her hands when she is found again."""
    handstand = seen(math.pi, 0.7)
    assert steadiest(handstand, DETECTED, LAST, 2, lambda region: seen(0.0, 0.3)) is handstand
    assert steadiest(handstand, DETECTED, LAST, 2, lambda region: seen(3.0, 0.9)) is handstand
    assert steadiest(handstand, DETECTED, LAST, 2, lambda region: None) is handstand


def test_nothing_more_is_looked_at_while_the_body_turns_as_bodies_do() -> None:
    def look(region: Region) -> Landmarks:
        raise AssertionError

    found = seen(0.3 + math.radians(50), 0.1)
    assert steadiest(found, DETECTED, LAST, 0, look) is found


@pytest.fixture(scope="session")
def dancer(corpus, read_frames):
    return read_frames(corpus / "clips" / "salsa" / "salsa_07.mp4", 40, 12)


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def poses_of(estimator: BlazePose, pictures) -> list:
    estimator.start_run()
    return [estimator.estimate(picture, i) for i, picture in enumerate(pictures)]


def test_a_cartwheel_is_the_same_with_the_check(weights, dancer) -> None:
    """A turn in 12 frames, faster than any at 30 frames/s."""
    pictures = [turned(image, 30 * i) for i, image in enumerate(dancer)]
    plain, checked = (
        poses_of(BlazePose(weights, axis_check=check), pictures) for check in (False, True)
    )
    assert sum(pose is not None for pose in plain) >= 10
    for one, other in zip(plain, checked, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one.landmarks, other.landmarks)
            np.testing.assert_array_equal(one.evidence, other.evidence)


def test_a_detector_that_errs_about_the_angle_is_put_right(weights, dancer, monkeypatch) -> None:
    """It says that she is upside down when she is found again."""
    empty = np.full_like(dancer[0], 90)
    pictures = [*dancer[:3], empty, *dancer[4:6]]

    def upside_down(estimator: BlazePose) -> BlazePose:
        detect = estimator._detector.detect
        count = []

        def wrong(image):
            count.append(1)
            found = detect(image)
            return [flipped(d) for d in found] if len(count) > 1 else found

        monkeypatch.setattr(estimator._detector, "detect", wrong)
        return estimator

    def flipped(found):
        r = found.region
        return type(found)(Region(r.x, r.y, r.size, r.angle + math.pi), found.score)

    undisturbed = poses_of(BlazePose(weights), dancer[4:6])
    plain, checked = (
        poses_of(upside_down(BlazePose(weights, axis_check=check)), pictures)
        for check in (False, True)
    )
    torso = median_torso(np.stack([pose.keypoints for pose in undisturbed]))
    for i, right in enumerate(undisturbed, 4):
        wrong, mended = (
            np.linalg.norm(poses[i].keypoints - right.keypoints, axis=1).mean() / torso
            for poses in (plain, checked)
        )
        assert mended < 0.1
        assert wrong > 0.5


def test_a_dancer_who_is_on_her_hands_when_she_is_found_again_stays_so(weights, dancer) -> None:
    empty = np.full_like(dancer[0], 90)
    pictures = [*dancer[:3], empty, *(turned(image, 180) for image in dancer[4:7])]
    for pose in poses_of(BlazePose(weights, axis_check=True), pictures)[4:]:
        assert pose.keypoints[0, 1] > pose.keypoints[8, 1]
