from dataclasses import fields, replace

import numpy as np
import pytest

from dance_models.config import MkffStGcnConfig
from dance_models.data.kinematics import keypoint_kinematics
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import (
    RefineFrames,
    annotated_windows,
    refine_frames,
    running_scale,
    window_indices,
)
from dance_models.errors import InputError
from dance_models.evidence import EVIDENCE, JOINT_EVIDENCE, LANDMARKS, no_evidence
from dance_models.metrics.torso import TORSOS_TALL, median_torso, torso_scale
from dance_models.skeleton import DANCE_14
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.synthetic import synthetic_runs

CONFIG = MkffStGcnConfig(landmarks=33)


def _run(frames: int = 30, **changes: object) -> PoseRun:
    return replace(synthetic_runs(1, frames)[0], **changes)  # type: ignore[arg-type]


def test_no_window_crosses_a_run() -> None:
    frames = refine_frames([_run(30), _run(14), _run(11)], CONFIG)
    run_of = np.repeat([0, 1, 2], [30, 14, 11])
    for stride in (1, 4, 11):
        windows = window_indices(frames, 11, stride)
        assert (run_of[windows] == run_of[windows[:, :1]]).all()
        assert (np.diff(windows, axis=1) == 1).all()  # real frames, never resampled
        assert set(windows.ravel()) == set(range(55))  # every frame is covered


def test_a_run_shorter_than_a_window_repeats_its_last_frame() -> None:
    frames = refine_frames([_run(20), _run(4)], CONFIG)
    assert window_indices(frames, 11)[-1].tolist() == [20, 21, 22, 23] + 7 * [23]


def test_kinematics_come_from_the_whole_run() -> None:
    """A window that starts within a run does not start with a replicated frame."""
    run = _run(30)
    frames = refine_frames([run], CONFIG)
    scale = frames.scale[0]
    whole = keypoint_kinematics(run.estimate.astype(np.float64) / scale, run.time_s)
    first = window_indices(frames, 11)[7][0]
    np.testing.assert_allclose(frames.velocity[first], whole.velocity[7], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(frames.flow[first], whole.flow[7], rtol=1e-4)


def test_only_what_is_observed_sets_scale_and_centre() -> None:
    run = _run()
    annotated_elsewhere = replace(run, annotation=run.annotation * 2 + 50)
    frames, other = (refine_frames([r], CONFIG) for r in (run, annotated_elsewhere))
    assert (frames.scale == other.scale).all()
    assert (frames.centre == other.centre).all()
    assert frames.scale[0] == pytest.approx(median_torso(run.estimate))


def test_target_and_pose_are_in_the_same_units() -> None:
    run = _run()
    frames = refine_frames([run], CONFIG)
    np.testing.assert_allclose(frames.pose * frames.scale[0], run.estimate, rtol=1e-5)
    np.testing.assert_allclose(frames.target * frames.scale[0], run.annotation, rtol=1e-5)


def test_absent_annotations_do_not_count() -> None:
    visibility = np.full((30, 14), 2, np.uint8)
    visibility[:, 3], visibility[5, 4] = 0, 1
    annotation = _run().annotation.copy()
    annotation[:, 3] = np.nan
    frames = refine_frames([_run(visibility=visibility, annotation=annotation)], CONFIG)
    assert (frames.visible[:, 3] == 0).all()
    assert frames.visible[5, 4] == 1  # occluded joints count
    assert np.isfinite(frames.target).all()


def _check_finite(frames: RefineFrames) -> None:
    for field in fields(frames):
        values = getattr(frames, field.name)
        if isinstance(values, np.ndarray):
            assert np.isfinite(values).all(), field.name


def test_frames_without_a_person_hold_the_last_pose_with_no_confidence() -> None:
    run = _run()
    estimate, marks = run.estimate.copy(), run.landmarks.copy()
    estimate[10:13], marks[10:13] = np.nan, np.nan
    frames = refine_frames([replace(run, estimate=estimate, landmarks=marks)], CONFIG)
    np.testing.assert_array_equal(frames.pose[12], frames.pose[9])
    assert (frames.confidence[10:13] == 0).all()
    assert (frames.confidence[9] > 0).all()
    assert (frames.velocity[10:14] == 0).all()  # the first frame after the gap has no past
    assert (frames.landmarks[10:13, :, 2] == 0).all()
    assert (frames.landmarks[11, :, :2] == frames.centre[11]).all()
    _check_finite(frames)


def test_a_run_without_a_person_is_finite_and_not_trained_on() -> None:
    run = _run()
    empty = replace(
        run,
        estimate=np.full_like(run.estimate, np.nan),
        score=np.zeros_like(run.score),
        landmarks=np.full_like(run.landmarks, np.nan),
    )
    frames = refine_frames([empty], CONFIG)
    _check_finite(frames)
    assert len(annotated_windows(frames, CONFIG)) == 0


def test_windows_to_train_on_have_an_annotated_reference_frame() -> None:
    run = _run(30)
    visibility = np.zeros((30, 14), np.uint8)
    visibility[[2, 12, 20], 0] = 2  # single frames; the first is no window's centre
    frames = refine_frames([replace(run, visibility=visibility)], CONFIG)
    assert annotated_windows(frames, CONFIG)[:, 5].tolist() == [12, 20]
    causal = replace(CONFIG, causal=True)
    assert annotated_windows(frames, causal)[:, 10].tolist() == [2, 12, 20]


def test_causal_features_do_not_see_the_future() -> None:
    config = replace(CONFIG, causal=True, evidence=True)
    run = _run(30)
    estimate = 2 * run.estimate
    estimate[:20] = run.estimate[:20]
    before = refine_frames([run], config)
    after = refine_frames([replace(run, estimate=estimate)], config)
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if isinstance(old, np.ndarray) and len(old) == 30:
            np.testing.assert_array_equal(old[:20], new[:20], err_msg=field.name)
    assert after.scale[-1] > before.scale[-1]
    centred = refine_frames([replace(run, estimate=estimate)], CONFIG)
    assert np.abs(centred.flow[19] - before.flow[19]).max() > 0.1  # the contrast


def test_sampling_interval_hides_the_frames_between() -> None:
    config = replace(CONFIG, sample_interval=3)
    run = _run(30)
    estimate = run.estimate.copy()
    estimate[[1, 2, 4, 5, 29]] += 100
    frames = refine_frames([run], config)
    other = refine_frames([replace(run, estimate=estimate)], config)
    assert (frames.pose == other.pose).all()
    assert (frames.confidence[::3] > 0).all()
    assert (frames.confidence[1::3] == 0).all()
    np.testing.assert_array_equal(frames.velocity[3], frames.velocity[5])  # held
    expected = (run.estimate[6] - run.estimate[3]) / frames.scale[0] / 3 * 30 / 25
    np.testing.assert_allclose(frames.velocity[6], expected, rtol=1e-3, atol=1e-5)


def test_the_running_scale_is_the_median_torso_so_far() -> None:
    estimate = _run().estimate.copy()
    neck, hips = DANCE_14.centre, list(DANCE_14.hips)
    estimate[:, neck], estimate[:, hips] = 0, [[0, 50]]
    estimate[:3, neck] = np.nan
    estimate[3:, hips, 1] = np.array([40, 80, 60, 20, 90])[np.arange(27) % 5, None]
    box = np.nanmax(estimate[:3], axis=1) - np.nanmin(estimate[:3], axis=1)
    scale = running_scale(estimate)
    np.testing.assert_allclose(scale[0], box[0].max() / TORSOS_TALL, rtol=1e-5)
    np.testing.assert_allclose(scale[3:8], [40, 60, 60, 50, 60])
    assert running_scale(np.full((2, 14, 2), np.nan)).tolist() == [1, 1]


def test_a_causal_window_ends_at_each_frame_and_repeats_the_first() -> None:
    frames = refine_frames([_run(4), _run(3)], CONFIG)
    windows = window_indices(frames, 3, causal=True)
    assert windows.tolist() == [
        [0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [4, 4, 4], [4, 4, 5], [4, 5, 6],
    ]  # fmt: skip


def test_evidence_of_the_joints_in_torso_lengths() -> None:
    run = _run()
    frames = refine_frames([run], replace(CONFIG, evidence=True))
    scale, elbow = frames.scale[0], LANDMARKS.index("left_elbow")
    joint = frames.evidence[:, DANCE_14.index["left_elbow"]]
    at = {name: joint[:, i] for i, name in enumerate(JOINT_EVIDENCE)}
    given = {name: run.evidence[:, elbow, i] for i, name in enumerate(EVIDENCE)}
    apart = np.stack([given["mirrored_x"], given["mirrored_y"]], -1) - run.landmarks[:, elbow, :2]
    np.testing.assert_allclose(at["shift_x"], apart[:, 0] / scale, atol=1e-5)
    np.testing.assert_allclose(at["shift"], np.linalg.norm(apart, axis=1) / scale, atol=1e-5)
    np.testing.assert_allclose(at["depth"], given["depth"] / scale, rtol=1e-5)
    mean = (given["world_z"] + given["mirrored_world_z"]) / 2
    np.testing.assert_allclose(at["world_z"], mean, rtol=1e-5)
    assert (at["known"] == 1).all() and (at["mirrored_known"] == 1).all()
    assert refine_frames([run], CONFIG).evidence.shape == (30, 14, 0)


def test_missing_evidence_is_zero_and_says_so() -> None:
    config, run = replace(CONFIG, evidence=True), _run()
    mirrored = [i for i, name in enumerate(EVIDENCE) if name.startswith("mirrored_")]
    run.evidence[:10, :, mirrored] = np.nan  # no mirrored pass
    run.evidence[10:12] = np.nan  # no person
    run.evidence[20, LANDMARKS.index("left_shoulder")] = np.nan
    evidence = refine_frames([run], config).evidence
    assert np.isfinite(evidence).all()
    known, mirrored_known = evidence[..., -2], evidence[..., -1]
    assert (known[:10] == 1).all() and (mirrored_known[:10] == 0).all()
    assert (evidence[:10, :, JOINT_EVIDENCE.index("shift")] == 0).all()
    np.testing.assert_allclose(
        evidence[0, 4, JOINT_EVIDENCE.index("world_z")],
        run.evidence[0, LANDMARKS.index("left_elbow"), EVIDENCE.index("world_z")],
    )
    assert (evidence[10:12] == 0).all()
    lost = [DANCE_14.names[j] for j in np.flatnonzero(known[20] == 0)]
    assert lost == ["head_top", "neck", "left_shoulder"]  # the others stay
    none = refine_frames([replace(run, evidence=no_evidence(30))], config).evidence
    assert none.shape == (30, 14, len(JOINT_EVIDENCE)) and (none == 0).all()


def test_evidence_of_landmarks_that_no_estimator_gives_is_refused() -> None:
    (run,) = synthetic_runs(1, 20, skeleton=MOCAP_25)
    with pytest.raises(InputError, match="mocap25-v1 have no landmarks"):
        refine_frames([run], MkffStGcnConfig(evidence=True), MOCAP_25)


def test_scale_without_torso_comes_from_the_person_box() -> None:
    estimate = _run().estimate.copy()
    estimate[:, [DANCE_14.centre, *DANCE_14.hips]] = np.nan
    box = np.nanmax(estimate, axis=1) - np.nanmin(estimate, axis=1)
    expected = np.median(box.max(axis=1)) / TORSOS_TALL
    assert torso_scale(estimate) == pytest.approx(expected)


def test_estimators_without_landmarks_leave_them_blank() -> None:
    run = replace(_run(), landmarks=np.zeros((30, 0, 3), np.float32))
    frames = refine_frames([run], CONFIG)
    assert frames.landmarks.shape == (30, 33, 3)
    assert (frames.landmarks[..., 2] == 0).all()


def test_blazepose_mirror_is_its_own_inverse_and_swaps_sides() -> None:
    order = np.array(DANCE_14.landmark_mirror)
    assert order[order].tolist() == list(range(33))
    # nose; inner eye, ear, mouth; shoulder, elbow, wrist, pinky; hip, knee, ankle, heel, toe
    for left, right in ((0, 0), (1, 4), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18)):
        assert order[left] == right
    for left, right in ((23, 24), (25, 26), (27, 28), (29, 30), (31, 32)):
        assert order[left] == right


def test_unknown_landmark_counts_and_no_runs_are_refused() -> None:
    with pytest.raises(InputError, match="17 landmarks"):
        refine_frames([_run()], replace(CONFIG, landmarks=17))
    with pytest.raises(InputError, match="no pose runs"):
        refine_frames([], CONFIG)
