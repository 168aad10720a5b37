"""Poses of one of several people: where the track is, and never those of another."""

import numpy as np
import pytest

from dance_models.estimators.blazepose.landmarks import LandmarkModel, Landmarks
from dance_models.estimators.blazepose.region import MARGIN, Region
from dance_models.estimators.people.estimate import TrackedBlazePose, region_of
from dance_models.estimators.people.tracks import Place, Track
from dance_models.estimators.pose_track import Person, PoseTrack
from dance_models.estimators.precomputed import PrecomputedPoses
from dance_models.evidence import LANDMARKS, no_evidence
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.by_name import to_skeleton

IMAGE = np.zeros((200, 300, 3), np.uint8)


def landmarks_at(x: float, y: float) -> np.ndarray:
    """(33, 3) of a person who stands about (x, y), 80 pixels tall, all visible."""
    rng = np.random.default_rng(0)
    offset = rng.uniform(-10, 10, (33, 2))
    for name, place in {"shoulder": -20, "hip": 0, "knee": 20, "ankle": 40}.items():
        for i, landmark in enumerate(LANDMARKS):
            if landmark.endswith(name):
                offset[i] = (8 if landmark.startswith("left") else -8, place)
    offset[0] = (0, -40)
    return np.column_stack([offset + np.array([x, y]), np.ones(33)]).astype(np.float32)


class Model(LandmarkModel):
    """Finds whoever of ``people`` (x, y) is nearest to where it looks, within 60 pixels."""

    def __init__(self, people) -> None:
        self.people, self.looked = np.array(people, float), []

    def find(self, image, region: Region) -> Landmarks:
        self.looked.append(region)
        away = np.linalg.norm(self.people - (region.x, region.y), axis=1)
        x, y = self.people[away.argmin()]
        presence = 0.9 if away.min() < 60 else 0.1
        there = Region(x, y, 110.0, 0.0)
        return Landmarks(landmarks_at(x, y), no_evidence(), there, presence)


def track(number: int, *places: tuple[int, float]) -> Track:
    """A person at x in some frames, with the keypoints that the finder saw."""
    frame = np.array([f for f, _ in places])
    box = np.array([[x - 20, 60, x + 20, 140] for _, x in places], float)
    points = [landmarks_at(x, 100) for _, x in places]
    keypoints = np.stack([to_skeleton(LANDMARKS, p[:, :2], p[:, 2])[0] for p in points])
    return Track(number, frame, box, np.ones(len(frame)), keypoints, bridge=30, step=3)


def test_places_between_looks_are_interpolated() -> None:
    person = track(1, (0, 50), (10, 70), (100, 200))
    for frame, left in ((0, 30), (5, 40), (10, 50), (12, 50), (98, 180), (102, 180)):
        place = person.at(frame)
        assert place is not None
        assert place.box[0] == pytest.approx(left)
        assert place.keypoints[4:, 0].mean() == pytest.approx(left + 20, abs=8)
    assert [person.at(frame) for frame in (-3, 13, 60, 97, 103)] == [None] * 5


def test_the_pose_is_that_of_the_person_on_the_track() -> None:
    model = Model([(60, 100), (200, 100)])
    for x in (60, 200):
        pose = TrackedBlazePose(model, track(1, (0, x), (3, x))).estimate(IMAGE, 1)
        assert pose is not None
        np.testing.assert_allclose(pose.keypoints.mean(axis=0)[0], x, atol=8)


def test_nobody_where_the_track_has_nobody_and_nobody_is_looked_for() -> None:
    model = Model([(60, 100)])
    assert TrackedBlazePose(model, track(1, (0, 60))).estimate(IMAGE, 50) is None
    assert model.looked == []


def test_the_region_follows_from_the_landmarks_while_it_agrees_with_the_track() -> None:
    model = Model([(60, 100)])
    estimator = TrackedBlazePose(model, track(1, (0, 60), (3, 60), (6, 200)))
    estimator.estimate(IMAGE, 0)
    estimator.estimate(IMAGE, 1)
    assert model.looked[-1] == Region(60.0, 100.0, 110.0, 0.0)  # what the landmarks gave
    assert estimator.estimate(IMAGE, 6) is None  # the landmarks stay, the track does not
    estimator.start_run()
    model.looked.clear()
    estimator.estimate(IMAGE, 0)
    assert model.looked[0] != Region(60.0, 100.0, 110.0, 0.0)


def test_a_pose_that_lies_on_another_person_is_none() -> None:
    """She is hidden behind somebody: the model sees the one in front."""
    model = Model([(80, 100)])
    behind, front = track(1, (0, 66), (3, 66)), track(2, (0, 80), (3, 80))
    assert TrackedBlazePose(model, behind).estimate(IMAGE, 1) is not None
    assert TrackedBlazePose(model, behind, [front]).estimate(IMAGE, 1) is None
    assert TrackedBlazePose(model, front, [behind]).estimate(IMAGE, 1) is not None


def test_the_region_is_turned_with_the_body() -> None:
    keypoints = np.full((DANCE_14.num_joints, 2), np.nan, np.float32)
    for name in ("left_hip", "right_hip"):
        keypoints[DANCE_14.index[name]] = (100, 50)
    keypoints[DANCE_14.index["neck"]] = (130, 50)  # lies, the head to the right
    lying = region_of(Place(np.array([40.0, 30, 170, 70]), keypoints))
    assert lying == Region(100.0, 50.0, pytest.approx(2 * MARGIN * 70), pytest.approx(np.pi / 2))
    keypoints[:] = np.nan
    upright = region_of(Place(np.array([40.0, 30, 170, 70]), keypoints))
    assert upright == Region(105.0, 50.0, pytest.approx(2 * MARGIN * 65), pytest.approx(0.0))


def test_poses_of_files_follow_a_track() -> None:
    def person(x: float) -> Person:
        keypoints = np.full((DANCE_14.num_joints, 2), x, np.float32)
        return Person(keypoints, np.ones(DANCE_14.num_joints), np.array([x - 20, 60, x + 20, 140]))

    frames = {0: [person(50), person(150)], 1: [person(148), person(52)], 2: [person(150)]}
    poses = PrecomputedPoses(PoseTrack(frames, "json", ""), "abc")
    poses.follow(track(1, (0, 50), (2, 50)))
    found = [poses.estimate(IMAGE, frame) for frame in range(4)]
    assert [pose and pose.keypoints[0, 0] for pose in found] == [50, 52, None, None]
    assert poses.version == "abc+track-1"
