from dataclasses import replace

import numpy as np
import pytest

from dance_models.data.folds import fold_count, fold_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.training.synthetic import synthetic_runs


def _runs(clips: int = 10) -> list[PoseRun]:
    """Two clips a group, five folds, two styles."""
    runs = synthetic_runs(clips, 40)
    return [
        replace(run, group=f"take{i // 2}", fold=i // 2 % 5, style="ab"[i // 2 % 2])
        for i, run in enumerate(runs)
    ]


def test_every_clip_is_tested_once_and_never_by_its_own_group() -> None:
    runs = _runs()
    tested = []
    for fold in range(fold_count(runs)):
        parts = fold_runs(runs, fold)
        groups = {
            split: {run.group for run in parts if run.split == split}
            for split in ("train", "val", "test")
        }
        assert not groups["train"] & groups["test"]
        assert not groups["train"] & groups["val"]
        assert not groups["val"] & groups["test"]
        assert groups["train"]
        assert groups["val"]
        tested += [run.clip for run in parts if run.split == "test"]
    assert sorted(tested) == sorted(run.clip for run in runs)


def test_augmented_copies_are_left_out_and_nothing_else_changes() -> None:
    runs = _runs()
    copies = [replace(run, variant=1) for run in runs]
    parts = fold_runs([*runs, *copies], 0)
    assert [run.clip for run in parts] == [run.clip for run in runs]
    for run, part in zip(runs, parts, strict=True):
        np.testing.assert_array_equal(run.estimate, part.estimate)


def test_two_folds_leave_nothing_to_train_on() -> None:
    runs = [replace(run, fold=i % 2) for i, run in enumerate(_runs())]
    with pytest.raises(InputError, match="only 2 folds"):
        fold_runs(runs, 0)


def test_a_fold_without_clips_tests_nothing_and_validates_nobody() -> None:
    runs = [run for run in _runs() if run.fold != 2]
    assert fold_count(runs) == 5
    for fold in range(5):
        parts = fold_runs(runs, fold)
        assert any(run.split == "val" for run in parts)
        assert any(run.split == "test" for run in parts) == (fold != 2)
