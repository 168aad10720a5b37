"""Kinetics-skeleton, COCO-17 tracks, and folders of mixed files."""

import json
from pathlib import Path

import numpy as np
import pytest
from broken_folders import goes_away
from motion_cases import (
    SHARED,
    folder_of_motion,
    kinetics,
    kinetics_person,
    person_bvh,
    read_folder,
    standing,
)

from dance_models.errors import InputError
from dance_models.motion.kinetics import kinetics_keypoints
from dance_models.motion.read import MotionOptions, motion_sources, unusable_sources
from dance_models.motion.tracks import read_array_track
from dance_models.skeleton import DANCE_14

INDEX = DANCE_14.index


def test_kinetics_takes_the_persistent_person_in_pixels() -> None:
    keypoints = kinetics_keypoints(kinetics())
    assert keypoints.shape == (60, 14, 2)
    assert np.isfinite(keypoints).all()
    np.testing.assert_allclose(keypoints[0, INDEX["left_wrist"]], [0.372 * 340, 0.32 * 256])
    np.testing.assert_allclose(keypoints[10, INDEX["neck"]], [0.31 * 340, 0.14 * 256])
    assert (keypoints[:, INDEX["left_hip"], 0] > keypoints[:, INDEX["right_hip"], 0]).all()
    assert (keypoints[:, INDEX["head_top"], 1] < keypoints[:, INDEX["neck"], 1]).all()


def test_kinetics_joints_at_zero_are_missing() -> None:
    document = kinetics(3)
    document["data"][1]["skeleton"][0]["pose"][14:16] = [0, 0]  # the left wrist
    document["data"][2] = {"frame_index": 3, "skeleton": []}
    keypoints = kinetics_keypoints(document)
    assert np.isnan(keypoints[1, INDEX["left_wrist"]]).all()
    assert np.isfinite(np.delete(keypoints[1], INDEX["left_wrist"], axis=0)).all()
    assert len(keypoints) == 2


def test_of_two_people_throughout_the_larger_is_taken() -> None:
    both = [kinetics_person(0.2, 0.4), kinetics_person(0.7, 0.8)]
    data = [{"frame_index": f + 1, "skeleton": both[:: (-1) ** f]} for f in range(20)]
    keypoints = kinetics_keypoints({"data": data})
    np.testing.assert_allclose(keypoints[:, INDEX["neck"], 0], 0.7 * 340, rtol=1e-6)


def test_a_number_beyond_a_float_is_named() -> None:
    document = kinetics(3)
    document["data"][1]["skeleton"][0]["pose"][3] = 10**400
    with pytest.raises(InputError, match="frame 2: 'pose' holds a number that is too large"):
        kinetics_keypoints(document)


def test_a_frame_far_in_the_future_costs_nothing() -> None:
    document = kinetics(10)
    document["data"].append({"frame_index": 10**12, "skeleton": [kinetics_person(0.3, 0.6)]})
    assert len(kinetics_keypoints(document)) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_index": 0}, "frame_index"),
        ({"skeleton": [{"pose": [0.5] * 36}]}, "frame 1: 'score'"),
        ({"skeleton": [{"pose": [0.5] * 34, "score": [1] * 18}]}, "frame 1: 'pose'"),
        ({"skeleton": [{"pose": ["x"] * 36, "score": [1] * 18}]}, "not a number"),
        ({"skeleton": [{"pose": [200.0] * 36, "score": [1] * 18}]}, "pixels"),
        ({"skeleton": 3}, "not a list"),
    ],
)
def test_kinetics_errors(change: dict[str, object], message: str) -> None:
    document = kinetics(3)
    document["data"][0] |= change
    with pytest.raises(InputError, match=message):
        kinetics_keypoints(document)


def test_array_tracks(tmp_path: Path) -> None:
    track = np.stack([standing(), standing(5)])
    track[1, 9] = 0  # left wrist
    np.save(tmp_path / "a.npy", track)
    keypoints = read_array_track(tmp_path / "a.npy")
    np.testing.assert_allclose(keypoints[0, INDEX["left_wrist"]], [228, 140])
    np.testing.assert_allclose(keypoints[0, INDEX["neck"]], [200, 80])
    assert np.isnan(keypoints[1, INDEX["left_wrist"]]).all()
    sure = np.concatenate([track, np.ones((2, 17, 1))], axis=-1)
    sure[0, 16, 2] = 0  # right ankle
    np.savez(tmp_path / "a.npz", keypoints=sure, names=np.array(["x"]))
    keypoints = read_array_track(tmp_path / "a.npz")
    assert np.isnan(keypoints[0, INDEX["right_ankle"]]).all()
    assert np.isfinite(keypoints[0, INDEX["left_ankle"]]).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 14, 2)), "shape"),
        (np.zeros((0, 17, 2)), "no frames"),
        (np.full((4, 17, 2), 0.5), "fractions"),
        (np.full((4, 17, 2), 1e9), "not a coordinate"),
        (np.full((4, 17, 2), "x"), "shape"),
        (np.full((4, 17, 2), None), "a pickle, which is never opened"),  # pickled
    ],
)
def test_bad_arrays(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message) as error:
        read_array_track(tmp_path / "a.npy")
    assert error.value.file == str(tmp_path / "a.npy")


def test_a_folder_of_everything(tmp_path: Path) -> None:
    clips, problems = read_folder(folder_of_motion(tmp_path / "m"), MotionOptions(cameras=2))
    assert [(c.name, c.source, c.kind) for c in clips] == [
        ("dance.json", "dance.json", "kinetics"),
        ("sure.npz", "sure.npz", "tracks"),
        ("track.npy", "track.npy", "tracks"),
        ("walk.bvh:view0", "walk.bvh", "bvh"),
        ("walk.bvh:view1", "walk.bvh", "bvh"),
    ]
    broken = [Path(p.file or "").name for p in problems]
    assert broken == ["arm.bvh", "broken.bvh", "broken.json", "broken.npy"]
    for clip in clips:
        assert clip.keypoints.dtype == np.float32
        assert clip.keypoints.shape == (len(clip), 14, 2)
        assert np.median(np.diff(clip.time_s)) == pytest.approx(1 / 30, rel=1e-4)
    walk = clips[-1]
    assert len(walk) == 50  # 199 frames after the first, every fourth
    assert (walk.keypoints >= 0).all()
    assert (walk.keypoints < [640, 480]).all()


def test_clips_do_not_depend_on_the_other_files(tmp_path: Path) -> None:
    whole, _ = read_folder(folder_of_motion(tmp_path / "m"))
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "walk.bvh").write_bytes((tmp_path / "m" / "walk.bvh").read_bytes())
    alone, _ = read_folder(tmp_path / "n")
    for a, b in zip(whole[-3:], alone, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
    others, _ = read_folder(tmp_path / "n", MotionOptions(seed=1))
    assert np.abs(others[0].keypoints - alone[0].keypoints).max() > 5


@pytest.mark.parametrize(("fps", "frames"), [(24, 60), (30, 60), (50, 30), (59.94, 30), (90, 20)])
def test_motion_is_thinned_to_at_most_thirty(tmp_path: Path, fps: float, frames: int) -> None:
    np.save(tmp_path / "t.npy", np.stack([standing(t) for t in range(60)]))
    clips, _ = read_folder(tmp_path, MotionOptions(fps=fps))
    assert len(clips[0]) == frames
    assert clips[0].time_s[-1] == pytest.approx((60 // frames) * (frames - 1) / fps)


def test_openpose_frames_in_a_folder_are_one_clip(tmp_path: Path) -> None:
    (tmp_path / "solo").mkdir()
    for frame in range(5):
        pose = np.array(kinetics_person(0.4, 0.8)["pose"]).reshape(18, 2) * 400
        values = np.concatenate([pose, (pose > 0).all(axis=1, keepdims=True)], axis=1)
        document = {"people": [{"pose_keypoints_2d": values.ravel().tolist()}]}
        name = f"solo_{frame:06d}_keypoints.json"
        (tmp_path / "solo" / name).write_text(json.dumps(document), "utf-8")
    clips, problems = read_folder(tmp_path)
    assert problems == []
    assert [(c.name, len(c)) for c in clips] == [("solo", 5)]


def test_no_folder_and_bad_options(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        motion_sources(tmp_path / "none")
    for bad in ({"fps": 0}, {"max_fps": float("nan")}, {"cameras": 0}, {"bvh_skip": -1}):
        with pytest.raises(InputError):
            MotionOptions(**bad)


def test_a_person_of_one_frame_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(person_bvh(1), "utf-8")
    clips, problems = read_folder(tmp_path)
    assert clips == []
    assert "no person can be followed" in str(problems[0])


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared street tracks here")
def test_real_street_tracks_are_read() -> None:
    clips, problems = read_folder(SHARED / "street_tracks")
    assert problems == []
    assert len(clips) == 9
    for clip in clips:
        assert (clip.width, clip.height) == (1920, 1080)
        feet = clip.keypoints[:, INDEX["left_ankle"], 1]
        assert np.nanmedian(feet - clip.keypoints[:, INDEX["neck"], 1]) > 50


def test_a_folder_that_goes_away_while_it_is_walked_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "share"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.bvh").touch()
    goes_away(monkeypatch, "share")
    assert list(motion_sources(tmp_path)) == ["here/a.bvh"]
    (away,) = unusable_sources(tmp_path)
    assert away.file == str(tmp_path / "share")
