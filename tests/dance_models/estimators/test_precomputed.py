"""Precomputed tracks as an estimator: finding the file and following one person."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pose_files import body, flat

from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.estimators.factory import estimator_fingerprint, make_estimator
from dance_models.estimators.precomputed import PrecomputedPoses, files_of_clip, unused_tracks
from dance_models.estimators.protocol import notes_of
from dance_models.skeleton import DANCE_14
from dance_models.video.names import clip_slug

IMAGE = np.zeros((4, 4, 3), np.uint8)


def person(x, size):
    """14 joints within a square of ``size`` pixels around x, 300."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-size / 2, size / 2, (14, 2)) + np.array([x, 300])
    return [[*p, 0.8] for p in points.tolist()]


def write_track(path, people):
    """``people`` are (frame, x, size)."""
    frames = [{"frame": f, "keypoints": person(x, size)} for f, x, size in people]
    path.write_text(json.dumps({"clip": path.stem, "joints": DANCE_14.names, "frames": frames}))


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


@pytest.mark.parametrize("name", ["My Clip-1.json", "my_clip_1.openpose_body25.json"])
def test_the_file_is_found_by_the_slug_of_the_clip(tmp_path, name) -> None:
    write_track(tmp_path / name, [(0, 200, 80)])
    write_track(tmp_path / "my_clip_11.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, "my_clip_1")[0].name == name


def test_a_folder_belongs_to_its_clip(tmp_path) -> None:
    folder = tmp_path / "my_clip_1"
    folder.mkdir()
    write_track(folder / "f_000001.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, "my_clip_1") == (folder, [folder / "f_000001.json"])


def test_a_missing_or_ambiguous_track_is_an_error(tmp_path) -> None:
    with pytest.raises(InputError, match=r"'a'.*found nothing.*a\.json"):
        files_of_clip(tmp_path, "a")
    write_track(tmp_path / "a.coco.json", [(0, 200, 80)])
    write_track(tmp_path / "a.openpose.json", [(0, 200, 80)])
    with pytest.raises(InputError, match=r"found a\.coco\.json, a\.openpose\.json"):
        files_of_clip(tmp_path, "a")
    with pytest.raises(InputError, match="does not exist"):
        files_of_clip(tmp_path / "gone", "a")


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


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("solo_json/solo_000001.json", "solo"),
        ("solo_pose/solo/solo_000001.json", "solo"),
        ("solo/keypoints/solo_000001.json", "solo"),
        ("solo/alphapose-results.json", "solo"),
        ("predictions/solo.json", "solo"),
        ("pose/solo_json/solo_000001.json", "solo"),
        ("results_solo.json", "solo"),
        ("solo.predictions.slp", "solo"),
        ("soloDLC_resnet50_danceMay1shuffle1_50000.csv", "solo"),
        ("solo_Sports2D/solo_Sports2D_px_person00.trc", "solo"),
        ("solo_000001_keypoints.json", "solo"),
        ("labels/solo_12.txt", "solo"),
        ("Süß & Co.json", clip_slug("Süß & Co.mp4")),
        ("舞蹈_json/舞蹈_000001.json", clip_slug("舞蹈.mp4")),
        ("танец_вальс.json", clip_slug("танец_вальс.mp4")),
    ],
)
def test_names_that_tools_give(tmp_path, name, clip) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_track(path, [(0, 200, 80)])
    write_track(tmp_path / "solo2.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, clip)[1] == [path]


def test_the_folder_of_images_beside_the_poses_is_not_a_track(tmp_path) -> None:
    (tmp_path / "solo").mkdir()
    (tmp_path / "solo" / "000001.jpg").write_bytes(b"")
    (tmp_path / "solo_json").mkdir()
    write_track(tmp_path / "solo_json" / "solo_1.json", [(0, 200, 80)])
    assert files_of_clip(tmp_path, "solo")[0].name == "solo_json"


def test_fractions_are_scaled_to_the_image(tmp_path) -> None:
    landmarks = [{"x": 0.25, "y": 0.01 * i, "visibility": 0.5} for i in range(33)]
    (tmp_path / "a.json").write_text(json.dumps([landmarks]))
    pose = PrecomputedPoses.for_clip(tmp_path, "a").estimate(np.zeros((200, 400, 3), np.uint8), 0)
    np.testing.assert_allclose(pose.keypoints[DANCE_14.index["left_ankle"]], (100, 54), rtol=1e-6)
    np.testing.assert_allclose(pose.score, 0.5)


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


def test_other_files_among_tracks_are_named(tmp_path) -> None:
    for name in ("solo.json", "pose/duet.json", "pose/trio.json", "a/b/c.json", "a/d/e.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_track(tmp_path / name, [(0, 200, 80)])
    for name in ("README.md", "solo_meta.pickle", "solo.mp4", "Config.toml", "pose/x.jpg"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a" / "solo2.npz").write_text("x")
    assert unused_tracks(tmp_path, ["solo", "duet"]) == [
        f"{tmp_path / 'pose/trio.json'}: of no registered clip, so it is not read",
        *(
            f"{tmp_path / name}: is in no known format; `dance formats` lists those that are read"
            for name in ("a/b/c.json", "a/d/e.json")
        ),
        f"{tmp_path / 'a/solo2.npz'}: holds arrays without joint names: give motion with --motion",
    ]


def test_tracks_of_no_clip_are_named(tmp_path) -> None:
    for name in ("solo.json", "duett.json", "other_000001_keypoints.json"):
        write_track(tmp_path / name, [(0, 200, 80)])
    write_track(tmp_path / "other_000002_keypoints.json", [(0, 200, 80)])
    lines = unused_tracks(tmp_path, ["solo", "duet"])
    assert lines == [
        f"{tmp_path / 'duett.json'}: of no registered clip, so it is not read; "
        "did you mean 'duet'?",
        f"{tmp_path / 'other_000001_keypoints.json'} and 1 more: of no registered clip, so it is "
        "not read",
    ]
