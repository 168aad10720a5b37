from dataclasses import replace

import numpy as np

from dance_models.data.frame_split import held_out, held_out_runs, leaking_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.training.synthetic import synthetic_runs


def _runs() -> list[PoseRun]:
    splits = ("train", "val", "test", "test")
    return [
        replace(run, split=split) for run, split in zip(synthetic_runs(4, 200), splits, strict=True)
    ]


def test_each_annotation_is_either_trained_or_tested_on() -> None:
    runs = _runs()
    learnt = leaking_runs(runs)[2:]
    tested = held_out_runs(runs[2:])
    for before, learn, test in zip(runs[2:], learnt, tested, strict=True):
        assert learn.split == "train"
        assert not (learn.annotated & test.annotated).any()
        np.testing.assert_array_equal(learn.annotated | test.annotated, before.annotated)
        assert np.isnan(learn.annotation[test.annotated]).all()
        np.testing.assert_array_equal(learn.estimate, before.estimate)
        assert 0.1 < test.annotated.mean() < 0.3


def test_the_other_splits_stay_as_they_are() -> None:
    runs = _runs()
    assert all(a is b for a, b in zip(runs[:2], leaking_runs(runs)[:2], strict=True))


def test_the_cut_of_a_run_does_not_depend_on_other_runs() -> None:
    runs = _runs()
    np.testing.assert_array_equal(held_out(runs[3]), held_out(replace(runs[3], split="train")))
    assert (held_out(runs[2]) != held_out(runs[3])).any()
