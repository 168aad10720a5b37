from dataclasses import replace

import numpy as np
import pytest

from dance_models.data.forecast_windows import cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.metrics.torso import torso_by_clip, visible_annotation
from dance_models.skeleton import DANCE_14
from dance_models.training.selection import forecast_scores, refinement_scores, split_runs
from dance_models.training.synthetic import synthetic_runs


def _annotated(run: PoseRun) -> bool:
    return bool(run.annotated.any())


def test_training_takes_variants_and_validation_originals() -> None:
    train, other, val, test = synthetic_runs(4, 20)
    variant = replace(train, variant=1)
    learn, select = split_runs([train, other, val, test, variant], _annotated)
    assert [run.clip for run in learn] == ["clip_00", "clip_01", "clip_00"]
    assert [run.clip for run in select] == ["clip_02"]


def test_without_validation_a_training_group_is_held_out_and_never_test() -> None:
    train, other, _, test = synthetic_runs(4, 20)
    held_variant = replace(other, variant=1)
    with pytest.warns(UserWarning, match="selecting on clip_01"):
        learn, select = split_runs([train, other, held_variant, test], _annotated)
    assert [run.clip for run in learn] == ["clip_00"]
    assert [(run.clip, run.variant) for run in select] == [("clip_01", 0)]


def test_an_unannotated_validation_clip_is_none() -> None:
    train, other, val, _ = synthetic_runs(4, 20)
    blank = replace(val, visibility=np.zeros_like(val.visibility))
    with pytest.warns(UserWarning, match="selecting on clip_01"):
        split_runs([train, other, blank], _annotated)


def test_a_single_clip_trains_and_selects_with_a_warning() -> None:
    (train, *_) = synthetic_runs(4, 20)
    with pytest.warns(UserWarning, match="all there is"):
        learn, select = split_runs([train], _annotated)
    assert learn == select == [train]


def test_nothing_to_train_on_is_an_error() -> None:
    *_, val, test = synthetic_runs(4, 20)
    with pytest.raises(InputError, match="no run of the training split"):
        split_runs([val, test], _annotated)


def test_pck_against_a_hand_computed_case() -> None:
    """A torso of 100 px; errors of 4, 8 and 20 px; one joint lost, one absent."""
    (run,) = synthetic_runs(1, 10)
    torso = torso_by_clip([run])[run.clip]
    refined = run.annotation.astype(np.float64)
    refined[:, 0, 0] += 0.04 * torso
    refined[:, 1, 1] += 0.08 * torso
    refined[:, 2, 0] += 0.20 * torso
    refined[:, 3] = np.nan  # lost: a miss
    refined[:, 4] += 1e3
    visibility = run.visibility.copy()
    visibility[:, 4] = 0  # absent: does not count
    scores = refinement_scores([replace(run, visibility=visibility)], [refined])
    assert scores["val_pck_torso_0.05"] == pytest.approx(10 / 13)
    assert scores["val_pck_torso_0.1"] == pytest.approx(11 / 13)
    assert scores["val_error_torso"] == pytest.approx((4 + 8 + 20) / 12, rel=1e-3)
    assert scores["score"] == pytest.approx(1 - 10.5 / 13)


def test_forecast_error_is_at_the_horizon() -> None:
    (run,) = synthetic_runs(1, 60)
    windows = cut_windows([run], [visible_annotation(run)])
    forecast = windows.future.copy()
    for step, pixels in ((2, 1), (4, 2), (8, 4), (10, 5), (9, 99)):  # 360 ms is not reported
        forecast[:, step - 1, :, 0] += pixels
    scores = forecast_scores(windows, forecast, np.full(len(windows), 50.0))
    errors = [scores[f"val_mpjpe_torso_{ms}"] for ms in (80, 160, 320, 400)]
    assert errors == pytest.approx([2, 4, 8, 10], rel=1e-3)
    assert scores["score"] == pytest.approx(6, rel=1e-3)


def test_a_forecast_that_is_not_finite_is_no_missing_truth() -> None:
    """It was left out as if its joint were not annotated, and the rest gave a good score."""
    (run,) = synthetic_runs(1, 60)
    windows = cut_windows([run], [visible_annotation(run)])
    forecast = windows.future + np.float32(3)
    forecast[0, :, 0] = np.nan
    scores = forecast_scores(windows, forecast, np.full(len(windows), 50.0))
    assert scores["val_mpjpe_torso_80"] == scores["score"] == np.inf


def _without_hips(run: PoseRun) -> PoseRun:
    visibility = run.visibility.copy()
    visibility[:, DANCE_14.index["left_hip"]] = 0
    return replace(run, visibility=visibility, clip="without hips")


def test_a_clip_without_a_torso_is_excluded_from_the_scores() -> None:
    """Its torso used to be one pixel, which made every error huge."""
    (run,) = synthetic_runs(1, 60)
    blind = _without_hips(run)
    refined = run.annotation + np.float32(3)
    alone = refinement_scores([run], [refined])
    assert refinement_scores([run, blind], [refined, refined]) == alone
    windows = cut_windows([run, blind], [run.estimate, run.estimate])
    torso = torso_by_clip([run, blind])
    unit = np.array([torso[[run, blind][i].clip] for i in windows.run])
    assert np.isnan(unit).any()
    own = cut_windows([run], [run.estimate])
    assert forecast_scores(windows, windows.future + np.float32(3), unit) == pytest.approx(
        forecast_scores(own, own.future + np.float32(3), unit[: len(own)])
    )


def test_without_any_torso_there_is_no_score() -> None:
    (run,) = synthetic_runs(1, 60)
    blind = _without_hips(run)
    with pytest.raises(InputError, match="no validation clip shows neck and both hips"):
        refinement_scores([blind], [run.annotation])
    windows = cut_windows([run], [visible_annotation(run)])
    with pytest.raises(InputError, match="no validation clip shows neck and both hips"):
        forecast_scores(windows, windows.future, np.full(len(windows), np.nan))


def test_a_validation_clip_without_a_torso_does_not_select() -> None:
    train, other, val, _ = synthetic_runs(4, 20)
    with pytest.warns(UserWarning, match="selecting on clip_01"):
        split_runs([train, other, _without_hips(val)], _annotated)
