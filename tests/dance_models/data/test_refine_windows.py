from dataclasses import fields, replace

import numpy as np
import pytest

from dance_models.config import MkffStGcnConfig
from dance_models.data.kinematics import keypoint_kinematics
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import (
    TORSOS_TALL,
    RefineFrames,
    annotated_windows,
    observed_scale,
    refine_frames,
    window_indices,
)
from dance_models.errors import InputError
from dance_models.metrics.torso import median_torso
from dance_models.skeleton import DANCE_14
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
    assert annotated_windows(frames, causal)[:, 10].tolist() == [12, 20]


def test_causal_features_do_not_see_the_future() -> None:
    config = replace(CONFIG, causal=True)
    run = _run(30)
    estimate = run.estimate.copy()
    estimate[20:] += 30
    before = refine_frames([run], config)
    after = refine_frames([replace(run, estimate=estimate)], config)
    assert before.scale[0] == pytest.approx(after.scale[0], rel=1e-5)
    for name in ("pose", "flow", "velocity", "acceleration", "centre"):
        old, new = getattr(before, name), getattr(after, name)
        np.testing.assert_allclose(old[:20], new[:20], rtol=1e-4, atol=1e-5)
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


def test_scale_without_torso_comes_from_the_person_box() -> None:
    estimate = _run().estimate.copy()
    estimate[:, [DANCE_14.centre, *DANCE_14.hips]] = np.nan
    box = np.nanmax(estimate, axis=1) - np.nanmin(estimate, axis=1)
    expected = np.median(box.max(axis=1)) / TORSOS_TALL
    assert observed_scale(estimate) == pytest.approx(expected)


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
