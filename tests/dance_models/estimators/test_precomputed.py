"""Precomputed tracks as an estimator: following one person."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pose_files import body, flat, write_track

from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.estimators.factory import estimator_fingerprint, make_estimator
from dance_models.estimators.pose_track import Person, PoseTrack
from dance_models.estimators.precomputed import PrecomputedPoses
from dance_models.estimators.protocol import notes_of
from dance_models.skeleton import DANCE_14

IMAGE = np.zeros((4, 4, 3), np.uint8)


def neck_x(pose):
    return None if pose is None else float(pose.keypoints[DANCE_14.index["neck"], 0])


def estimate(poses, frames):
    poses.start_run()
    found = (neck_x(poses.estimate(IMAGE, frame)) for frame in frames)
    return [None if x is None else round(x, -2) for x in found]


COUPLE = [
    *((f, 200 + 5 * f, 80) for f in range(6)),
    *((f, 600, 60 + 40 * (f > 2)) for f in range(6)),
]


def test_largest_person_is_kept_when_the_other_grows(tmp_path) -> None:
    write_track(tmp_path / "a.json", COUPLE)
    poses = PrecomputedPoses.for_clip(tmp_path, "a")
    assert estimate(poses, range(6)) == [200] * 6
    assert estimate(poses, range(3, 6)) == [600] * 3  # another run selects again


def test_person_by_rank(tmp_path) -> None:
    write_track(tmp_path / "a.json", COUPLE)
    assert estimate(PrecomputedPoses.for_clip(tmp_path, "a", person=1), range(6)) == [600] * 6
    assert estimate(PrecomputedPoses.for_clip(tmp_path, "a", person=2), range(2)) == [None] * 2


def test_frames_missing_from_the_track_have_no_person(tmp_path) -> None:
    write_track(tmp_path / "a.json", [(0, 200, 80), (2, 200, 80)])
    poses = PrecomputedPoses.for_clip(tmp_path, "a")
    assert estimate(poses, [0, 1, 2, 3]) == [200, None, 200, None]


def test_scores_and_no_landmarks(tmp_path) -> None:
    write_track(tmp_path / "a.json", [(0, 200, 80)])
    pose = PrecomputedPoses.for_clip(tmp_path, "a").estimate(IMAGE, 0)
    assert pose.landmarks.shape == (0, 3)
    np.testing.assert_allclose(pose.score, np.full(14, 0.8), rtol=1e-6)


def test_version_and_fingerprint_follow_the_content(tmp_path) -> None:
    config = EstimatorConfig(name="precomputed", precomputed_dir=str(tmp_path))
    assert estimator_fingerprint(config, "a") == "absent"
    write_track(tmp_path / "a.json", [(0, 200, 80)])
    first = make_estimator(config, tmp_path, "a").version, estimator_fingerprint(config, "a")
    again = make_estimator(config, tmp_path, "a").version, estimator_fingerprint(config, "a")
    write_track(tmp_path / "a.json", [(0, 201, 80)])
    other = make_estimator(config, tmp_path, "a").version, estimator_fingerprint(config, "a")
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_a_folder_must_be_configured(tmp_path) -> None:
    with pytest.raises(InputError, match="precomputed_dir"):
        make_estimator(EstimatorConfig(name="precomputed"), tmp_path, "a")


def test_openpose_of_a_real_clip(real_clips) -> None:
    poses = PrecomputedPoses.for_clip(real_clips, "street_solo")
    poses.start_run()
    found = [poses.estimate(IMAGE, frame) for frame in range(69)]
    assert all(pose is not None for pose in found)
    # Frame 0 of the file: right ankle (11) and left ankle (14) of BODY_25.
    np.testing.assert_allclose(
        found[0].keypoints[DANCE_14.index["right_ankle"]], (529.452, 609.8), rtol=1e-6
    )
    np.testing.assert_allclose(
        found[0].keypoints[DANCE_14.index["left_ankle"]], (758.711, 599.982), rtol=1e-6
    )


def test_fractions_are_scaled_to_the_image(tmp_path) -> None:
    landmarks = [{"x": 0.25, "y": 0.01 * i, "visibility": 0.5} for i in range(33)]
    (tmp_path / "a.json").write_text(json.dumps([landmarks]))
    pose = PrecomputedPoses.for_clip(tmp_path, "a").estimate(np.zeros((200, 400, 3), np.uint8), 0)
    np.testing.assert_allclose(pose.keypoints[DANCE_14.index["left_ankle"]], (100, 54), rtol=1e-6)
    np.testing.assert_allclose(pose.score, 0.5)


@pytest.mark.parametrize(
    ("neck", "size", "named"),
    [
        ([200] * 4, (640, 480), False),
        ([200] * 4, (80, 480), True),
        ([200] * 4, (640, 60), True),
        ([200, 200, 200, 700], (640, 480), False),  # one frame is a fault of the estimator
        ([200, 700, 700, 700], (640, 480), True),
        ([], (640, 480), False),
    ],
)
def test_poses_beyond_most_frames_of_a_video_are_of_another(tmp_path, neck, size, named) -> None:
    write_track(tmp_path / "a.json", [(frame, x, 80) for frame, x in enumerate(neck)])
    said = PrecomputedPoses.for_clip(tmp_path, "a").size_notes(size)
    assert bool(said) == named
    for note in said:
        assert note.startswith("a.json: joints reach (")
        assert f"the video is {size[0]}x{size[1]}" in note


def test_joints_that_are_not_seen_and_stated_sizes_tell_nothing_of_the_size(tmp_path) -> None:
    """Estimators place legs below a picture that ends at the hips, and say that they are unsure."""
    score = np.where(np.arange(14) < 8, 0.9, 0.2)
    points = np.linspace((10.0, 10.0), (900.0, 900.0), 14)
    points[:8] = np.linspace((10.0, 10.0), (90.0, 90.0), 8)
    unsure = Person(points.astype(np.float32), score.astype(np.float32), np.zeros(4))
    stated = replace(unsure, score=np.ones(14, np.float32), size=(1000.0, 1000.0))
    for person in (unsure, stated):
        track = PoseTrack({0: [person]}, "json", "", file="a.json")
        assert PrecomputedPoses(track, "1").size_notes((100, 100)) == ()


def test_the_pose_model_of_the_configuration_is_used(tmp_path) -> None:
    rng = np.random.default_rng(0)
    people = {"people": [{"pose_keypoints_2d": flat("body_25b", body(rng))}]}
    (tmp_path / "a.json").write_text(json.dumps([people]))
    config = EstimatorConfig(name="precomputed", precomputed_dir=str(tmp_path))
    found = make_estimator(config, tmp_path, "a").estimate(IMAGE, 0)
    other = replace(config, pose_model="body_25")
    wrong = make_estimator(other, tmp_path, "a", 1).estimate(IMAGE, 0)
    assert not np.allclose(found.keypoints, wrong.keypoints)
    assert notes_of(make_estimator(config, tmp_path, "a", 9)) == (
        "a.json: there are no poses after frame 0; the clip has 9 frames",
    )
    assert "implausible for body_25" in notes_of(make_estimator(other, tmp_path, "a", 1))[0]
