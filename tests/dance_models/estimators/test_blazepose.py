"""BlazePose with its weights, on rendered and real dancers."""

import json

import numpy as np
import pytest

from dance_models.config import EstimatorConfig
from dance_models.estimators.blazepose.litert import LiteRtModel
from dance_models.estimators.blazepose.needed import needed_part
from dance_models.estimators.blazepose.tracker import BlazePose
from dance_models.estimators.factory import make_estimator
from dance_models.estimators.pose_file import read_people
from dance_models.evidence import EVIDENCE, MIRRORED_WORLD, MIRRORED_XY, WORLD
from dance_models.geometry import pelvis
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14


@pytest.fixture
def estimator(weights):
    return make_estimator(EstimatorConfig(), weights, "clip")


@pytest.fixture(scope="session")
def salsa(corpus, read_frames):
    """24 frames of a dancer in the middle of the image."""
    return read_frames(corpus / "clips" / "salsa" / "salsa_07.mp4", 40, 24)


def annotation(corpus, clip, frames):
    document = json.loads((corpus / "annotations" / f"{clip}.json").read_text())
    names = document["categories"][0]["keypoints"]
    frame_of = {image["id"]: image["frame_index"] for image in document["images"]}
    rows = {frame_of[a["image_id"]]: a["keypoints"] for a in document["annotations"]}
    order = [names.index(joint) for joint in DANCE_14.names]
    return np.stack([np.array(rows[f]).reshape(-1, 3)[order, :2] for f in frames])


def run(estimator, images):
    estimator.start_run()
    return [estimator.estimate(image, i) for i, image in enumerate(images)]


def counted(monkeypatch, estimator):
    """Count the calls of the detector."""
    calls = []
    detect = estimator._detector.detect
    monkeypatch.setattr(
        estimator._detector, "detect", lambda image: calls.append(1) or detect(image)
    )
    return calls


def test_no_person_in_an_empty_image(estimator) -> None:
    assert estimator.estimate(np.full((240, 320, 3), 90, np.uint8), 0) is None
    noise = np.random.default_rng(0).integers(0, 256, (360, 480, 3), dtype=np.uint8)
    assert estimator.estimate(noise, 1) is None


def test_joints_lie_where_they_are_annotated(estimator, corpus, salsa, monkeypatch) -> None:
    calls = counted(monkeypatch, estimator)
    poses = run(estimator, salsa)
    truth = annotation(corpus, "salsa_07", range(40, 64))
    error = np.linalg.norm([p.keypoints for p in poses] - truth, axis=-1) / median_torso(truth)
    assert (error <= 0.2).mean() > 0.9
    assert (error <= 0.2).mean(axis=0).min() > 0.5  # no joint is mapped to another one
    assert len(calls) == 1  # the rest is tracking


def test_all_landmarks_are_kept(estimator, salsa) -> None:
    pose = run(estimator, salsa[:1])[0]
    assert pose.landmarks.shape == (33, 3)
    assert pose.landmarks.dtype == pose.keypoints.dtype == pose.score.dtype == np.float32
    visibility = pose.landmarks[:, 2]
    assert ((visibility >= 0) & (visibility <= 1)).all()
    np.testing.assert_array_equal(
        pose.landmarks[13, :2], pose.keypoints[DANCE_14.index["left_elbow"]]
    )
    assert pose.score[DANCE_14.index["left_elbow"]] == visibility[13]


def test_a_mirrored_image_gives_mirrored_keypoints(weights, salsa) -> None:
    """Half a crop pixel off in each would be 0.6 px in the image between the two."""
    estimator = BlazePose(weights)
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in salsa]
    straight, other = (
        np.stack([pose.landmarks for pose in run(estimator, images)])
        for images in (salsa, mirrored)
    )
    back = salsa[0].shape[1] - 1 - other[:, list(DANCE_14.landmark_mirror), 0]
    assert abs(np.median(straight[..., 0] - back)) < 0.35


def test_the_mirrored_pass_agrees_with_the_straight_one(weights, salsa) -> None:
    (plain,) = run(BlazePose(weights), salsa[:1])
    (pose,) = run(BlazePose(weights, mirrored_pass=True), salsa[:1])
    np.testing.assert_array_equal(pose.landmarks, plain.landmarks)
    unknown = np.array([name.startswith("mirrored_") for name in EVIDENCE])
    assert np.isnan(plain.evidence[:, unknown]).all()
    np.testing.assert_array_equal(pose.evidence[:, ~unknown], plain.evidence[:, ~unknown])
    apart = pose.evidence[:, MIRRORED_XY] - pose.landmarks[:, :2]
    torso = median_torso(plain.keypoints[None])
    assert np.median(np.linalg.norm(apart, axis=1)) < 0.1 * torso
    # the world is turned with the image: shoulders and hips lie in it as they do in the picture
    flat = pose.landmarks[:, :2] - pose.landmarks[[23, 24], :2].mean(axis=0)
    for place in (WORLD, MIRRORED_WORLD):
        world = pose.evidence[:, place[:2]]
        assert np.corrcoef(world[11:].ravel(), flat[11:].ravel())[0, 1] > 0.95


def test_each_run_is_independent_of_other_runs(weights, salsa) -> None:
    estimator = BlazePose(weights)
    first = run(estimator, salsa[:6])
    run(estimator, [np.roll(image, 150, axis=1) for image in salsa[6:10]])
    again = run(estimator, salsa[:6])
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.landmarks, b.landmarks)
        np.testing.assert_array_equal(a.keypoints, b.keypoints)


def test_a_person_is_found_again_after_an_interruption(estimator, salsa, monkeypatch) -> None:
    calls = counted(monkeypatch, estimator)
    empty = np.full_like(salsa[0], 90)
    poses = run(estimator, [*salsa[:3], empty, empty, *salsa[3:6]])
    assert [p is None for p in poses] == [False] * 3 + [True] * 2 + [False] * 3
    assert len(calls) == 4  # the first frame, the two empty ones and the one after them
    moved = pelvis(poses[5].keypoints) - pelvis(poses[2].keypoints)
    assert np.linalg.norm(moved) < 20


@pytest.fixture(scope="session")
def couple(salsa, corpus, read_frames):
    """A larger dancer on the left and a smaller one on the right; x of the border between."""
    smaller = read_frames(corpus / "clips" / "salsa" / "salsa_01.mp4", 40, len(salsa))
    sides = zip(salsa, smaller, strict=True)
    return [np.concatenate([a[:, 100:380], b[:, 100:380]], axis=1) for a, b in sides], 280


def test_of_two_people_the_largest_is_tracked_and_kept(weights, couple) -> None:
    pictures, border = couple
    poses = run(BlazePose(weights), pictures)
    assert all(pelvis(pose.keypoints)[0] < border for pose in poses)


def test_the_second_person_on_request(weights, couple) -> None:
    pictures, border = couple
    poses = run(BlazePose(weights, person=1), pictures)
    assert all(pelvis(pose.keypoints)[0] > border for pose in poses)


def test_tracking_does_not_switch_to_another_person_during_occlusion(weights, couple) -> None:
    pictures, border = couple
    hidden = [picture.copy() for picture in pictures[:8]]
    for picture in hidden[3:6]:
        picture[:, :border] = 90
    poses = run(BlazePose(weights), hidden)
    assert [pose is None for pose in poses] == [False] * 3 + [True] * 3 + [False] * 2
    assert all(pelvis(pose.keypoints)[0] < border for pose in poses if pose)


def test_agrees_with_openpose_on_a_real_dancer(estimator, real_clips, read_frames) -> None:
    poses = run(estimator, read_frames(real_clips / "street_solo.mp4", 0, 16))
    other = read_people(real_clips / "street_solo.openpose_body25.json")
    ours = np.stack([pose.keypoints for pose in poses])
    theirs = np.stack([other[i][0].keypoints for i in range(16)])
    error = np.linalg.norm(ours - theirs, axis=-1) / median_torso(theirs)
    limbs = [i for i, name in enumerate(DANCE_14.names) if name.startswith(("left_", "right_"))]
    assert (np.nanmedian(error[:, limbs], axis=0) < 0.2).all()


def test_the_dancer_who_leaves_and_comes_back(estimator, real_clips, read_frames) -> None:
    poses = run(estimator, read_frames(real_clips / "ballet_solo.mp4", 530, 90))
    found = np.array([pose is not None for pose in poses])
    assert found[:10].all()
    assert not found[32:48].any()  # 562 .. 577: the picture is empty
    assert found[70:].mean() > 0.9


def test_leaving_out_the_outline_changes_no_number(weights) -> None:
    path = weights / "pose_landmark_full.tflite"
    picture = np.random.default_rng(0).random((256, 256, 3)).astype(np.float32)
    sizes = (195, 64 * 64 * 39, 117, 1)
    whole, part = LiteRtModel(path, 1), LiteRtModel(path, 1, outputs=sizes)
    for model in (whole, part):
        model.run(picture)
    for size in sizes:
        assert np.array_equal(whole.output(size), part.output(size))
    assert whole.output(256 * 256).any()
    with pytest.raises(KeyError):
        part.output(256 * 256)


def test_what_is_no_model_stays_as_it_is() -> None:
    assert needed_part(b"no model at all", frozenset({1})) == b"no model at all"
