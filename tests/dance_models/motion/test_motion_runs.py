"""Pose runs of motion: splits by source, pieces, and simulated errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_cases import dance, dance_runs

from dance_models.data.pose_runs import load_pose_runs, save_pose_runs
from dance_models.errors import InputError
from dance_models.metrics.torso import median_torso
from dance_models.motion.corrupt import ErrorModel, corrupt
from dance_models.motion.runs import motion_runs, source_splits
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.synthetic import synthetic_runs

NONE = ErrorModel(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def test_the_annotation_is_the_motion() -> None:
    clip = dance("a", 1)
    clip.keypoints[3, 5] = np.nan
    clip.keypoints[4, 6, 0] = np.nan
    (run,) = motion_runs([clip])
    assert (run.clip, run.group, run.width, run.height, run.variant) == ("a", "a", 640, 480, 0)
    assert run.landmarks.shape == (150, 0, 3)
    missing = np.zeros((150, 14), bool)
    missing[3, 5] = missing[4, 6] = True
    assert np.array_equal(run.visibility, np.where(missing, 0, 2))
    assert np.isnan(run.annotation[missing]).all()
    assert np.isnan(run.estimate[missing]).all()
    assert (run.score[missing] == 0).all()
    np.testing.assert_array_equal(run.annotation[~missing], clip.keypoints[~missing])
    assert [run.frame.dtype, run.score.dtype, run.estimate.dtype, run.visibility.dtype] == [
        np.int64,
        np.float32,
        np.float32,
        np.uint8,
    ]


def test_runs_are_saved_and_read(tmp_path: Path) -> None:
    runs = motion_runs([dance("a", 1), dance("b", 2)], landmarks=33)
    save_pose_runs(runs, tmp_path / "runs.npz")
    again = load_pose_runs(tmp_path / "runs.npz")
    assert [r.split for r in again] == [r.split for r in runs]
    np.testing.assert_array_equal(again[1].estimate, runs[1].estimate)
    assert again[0].landmarks.shape == (150, 33, 3)


def test_a_clip_is_cut_at_long_gaps() -> None:
    clip = dance("a", 1, frames=200)
    clip.keypoints[60:70] = np.nan  # a third of a second
    clip.keypoints[100:130] = np.nan
    clip.keypoints[150:170] = np.nan  # leaves pieces of 20 and 30 frames, too short
    runs = motion_runs([clip])
    assert [(r.run, r.frame[0], r.frame[-1]) for r in runs] == [(0, 0, 99)]
    runs = motion_runs([clip], min_s=0.5)
    assert [(r.run, r.frame[0], r.frame[-1]) for r in runs] == [
        (0, 0, 99),
        (1, 130, 149),
        (2, 170, 199),
    ]
    assert all((np.diff(r.frame) == 1).all() for r in runs)


def test_sources_stay_in_one_split() -> None:
    views = [
        replace(dance("x", i), name=f"{s}:{v}", source=f"{s}") for i, s in enumerate("abcdefghij")
        for v in range(3)
    ]  # fmt: skip
    runs = motion_runs(views, val_share=0.3)
    by_source = {run.group: set() for run in runs}
    for run in runs:
        by_source[run.group].add(run.split)
    assert all(len(splits) == 1 for splits in by_source.values())
    assert set.union(*by_source.values()) == {"train", "val"}


def test_splits_follow_the_share_and_stay() -> None:
    names = [f"clip{i}" for i in range(1000)]
    splits = source_splits(names, val_share=0.2)
    assert 160 < sum(s == "val" for s in splits.values()) < 240
    fewer = source_splits(names[::-2], val_share=0.2)
    assert all(splits[name] == split for name, split in fewer.items())
    assert source_splits(names, val_share=0.2, seed=1) != splits
    assert sorted(source_splits(["a", "b"], val_share=0.01).values()) == ["train", "val"]
    assert set(source_splits(names, val_share=0).values()) == {"train"}
    with pytest.raises(InputError):
        source_splits(names, val_share=1.5)


def test_the_estimate_depends_only_on_seed_and_name() -> None:
    clips = [dance("a", 1), dance("b", 2)]
    both, alone = motion_runs(clips), motion_runs(clips[1:])
    np.testing.assert_array_equal(both[1].estimate, alone[0].estimate)
    other = motion_runs(clips, seed=1)
    assert np.nanmax(np.abs(other[1].estimate - both[1].estimate)) > 1
    with pytest.raises(InputError, match="same name"):
        motion_runs([clips[0], clips[0]])


def test_an_error_model_without_errors_changes_nothing() -> None:
    clip = dance("a", 1)
    seen, score = corrupt(clip.keypoints, clip.time_s, np.random.default_rng(0), NONE)
    np.testing.assert_allclose(seen, clip.keypoints, atol=1e-4)
    assert score.min() > 0.8


def test_the_default_errors_are_those_of_a_real_estimator() -> None:
    """BlazePose on rendered dancers: 0.54, 0.82 and 0.94 within 0.05, 0.1 and 0.2 torsos."""
    runs = dance_runs(*((f"clip{i}", i) for i in range(20)))
    error = np.concatenate(
        [
            np.linalg.norm(r.estimate - r.annotation, axis=-1) / median_torso(r.annotation)
            for r in runs
        ]
    )
    score = np.concatenate([r.score for r in runs])
    pck = [float((error < limit).mean()) for limit in (0.05, 0.1, 0.2)]
    assert pck == pytest.approx([0.54, 0.82, 0.94], abs=0.04)
    assert 0.001 < np.isnan(error).mean() < 0.02
    assert np.isnan(error[score == 0]).all()
    known = np.isfinite(error)
    assert np.nanmedian(score[known & (error > 0.2)]) < np.nanmedian(score[known & (error < 0.05)])


def test_swaps_exchange_left_and_right_for_a_while() -> None:
    clip = dance("a", 1, frames=600)
    model = replace(NONE, swap_rate=0.3, swap_s=0.3)
    seen, _ = corrupt(clip.keypoints, clip.time_s, np.random.default_rng(3), model)
    swapped = np.abs(seen - clip.keypoints[:, DANCE_14.mirror]).max(axis=(1, 2)) < 0.01
    straight = np.abs(seen - clip.keypoints).max(axis=(1, 2)) < 0.01
    assert (swapped ^ straight).all()
    assert 0.02 < swapped.mean() < 0.3
    assert np.abs(np.diff(swapped.astype(int))).sum() < swapped.sum()  # spans, not frames


def test_slow_errors_are_slow_and_jitter_is_not() -> None:
    clip = dance("a", 1, frames=3000)
    torso = median_torso(clip.keypoints)
    for model, size, likeness in (
        (replace(NONE, drift=0.05, drift_s=0.4), 0.05, np.exp(-1 / 12)),
        (replace(NONE, jitter=0.02), 0.02, 0.0),
    ):
        seen, _ = corrupt(clip.keypoints, clip.time_s, np.random.default_rng(0), model)
        error = (seen - clip.keypoints)[:, DANCE_14.index["left_knee"]] / torso
        assert error.std() == pytest.approx(size, rel=0.2)
        assert np.corrcoef(error[1:, 0], error[:-1, 0])[0, 1] == pytest.approx(likeness, abs=0.06)


@pytest.mark.parametrize("bad", [{"drift": -1}, {"drop_missing": 2}, {"jitter": float("nan")}])
def test_bad_error_models(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ErrorModel(**bad)


@pytest.mark.parametrize("skeleton", [COCO_17, MOCAP_25], ids=lambda skeleton: skeleton.id)
def test_errors_are_simulated_on_any_skeleton(skeleton: Skeleton) -> None:
    run = synthetic_runs(1, 60, skeleton=skeleton)[0]
    rng = np.random.default_rng(0)
    seen, score = corrupt(run.annotation, run.time_s, rng, ErrorModel(), skeleton)
    assert seen.shape == run.annotation.shape
    assert score.shape == seen.shape[:2]
    error = np.linalg.norm(seen - run.annotation, axis=-1)
    assert 0.01 < np.nanmedian(error) / median_torso(run.annotation, skeleton=skeleton) < 0.1
