"""A re-encoded, cut or mirrored copy of a clip is found; another dance is not."""

from dataclasses import replace

import numpy as np
import pytest
from motion_cases import SHARED, dance_runs, read_folder

from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.geometry import mirror_keypoints
from dance_models.inference.refine import mirrored_run
from dance_models.motion.leak import shared_windows
from dance_models.motion.runs import motion_runs
from dance_models.skeleton import Skeleton
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.synthetic import synthetic_runs


def copied(
    run: PoseRun, *, mirror: bool = False, scale: float = 0.7, start: int = 30, stop: int = 130
) -> PoseRun:
    """Another file of the same dance: smaller, cut, with half a pixel of noise and later times."""
    noise = np.random.default_rng(9).normal(0, 0.5, run.annotation.shape)
    keypoints = (run.annotation * scale + noise).astype(np.float32)
    keypoints = mirror_keypoints(keypoints, run.width) if mirror else keypoints
    part = slice(start, stop)
    return replace(
        run,
        clip="copy",
        annotation=keypoints[part],
        estimate=run.estimate[part],
        visibility=run.visibility[part],
        score=run.score[part],
        landmarks=run.landmarks[part],
        evidence=run.evidence[part],
        frame=run.frame[part] - start,
        time_s=run.time_s[part] - run.time_s[start] + 0.011,
    )


@pytest.mark.parametrize("mirror", [False, True])
def test_the_same_dance_is_found(mirror: bool) -> None:
    runs = dance_runs(("a", 1), ("b", 2), ("c", 3))
    report = shared_windows(runs, [copied(runs[1], mirror=mirror)])
    (pair,) = report.pairs
    assert (pair.pretraining, pair.evaluated, pair.mirrored) == ("b", "copy", mirror)
    assert pair.share > 0.95
    assert pair.distance_percent < 3
    assert pair.pretraining_s == pytest.approx(pair.evaluated_s - 0.011 + 1.0, abs=0.02)
    assert not report.clean


def test_other_dances_are_not_flagged() -> None:
    report = shared_windows(dance_runs(("a", 1), ("b", 2)), dance_runs(("c", 3), ("d", 4)))
    assert report.clean
    assert report.nearest_percent > 10
    assert report.pretraining_windows > 200
    assert report.evaluated_windows > 200


def test_missing_joints_do_not_hide_a_copy() -> None:
    runs = dance_runs(("a", 1), ("b", 2))
    copy = copied(runs[0])
    copy.annotation[:, [5, 7]] = np.nan
    copy.visibility[:, [5, 7]] = 0
    runs[0].annotation[:, [12]] = np.nan
    runs[0].visibility[:, [12]] = 0
    report = shared_windows(runs, [copy])
    assert [p.pretraining for p in report.pairs] == ["a"]
    assert report.pairs[0].share > 0.95


def test_standing_still_is_shared_by_everybody() -> None:
    run = dance_runs(("a", 1))[0]
    run.annotation[:] = run.annotation[:1]
    report = shared_windows([run], [replace(run, clip="b")])
    assert report.clean
    assert report.evaluated_windows == 0
    assert report.nearest_percent == np.inf


def test_the_chunk_does_not_matter_and_augmented_copies_are_passed_over() -> None:
    runs = dance_runs(("a", 1), ("b", 2))
    copy = copied(runs[0])
    whole = shared_windows(runs, [copy])
    small = shared_windows([*runs, replace(runs[0], clip="augmented", variant=1)], [copy], chunk=37)
    assert [p.pretraining for p in small.pairs] == ["a"]
    assert small.pairs[0].windows == whole.pairs[0].windows
    assert small.nearest_percent == pytest.approx(whole.nearest_percent, rel=1e-3)


def test_without_annotation_the_estimate_is_compared() -> None:
    run = dance_runs(("a", 1))[0]
    bare = replace(run, clip="b", visibility=np.zeros_like(run.visibility), estimate=run.annotation)
    assert not shared_windows([run], [bare]).clean


def test_nothing_to_compare_and_bad_numbers() -> None:
    runs = dance_runs(("a", 1))
    assert shared_windows([], runs).clean
    assert shared_windows(runs, []).clean
    with pytest.raises(InputError):
        shared_windows(runs, runs, frames=1)


@pytest.mark.parametrize("skeleton", [COCO_17, MOCAP_25], ids=lambda skeleton: skeleton.id)
@pytest.mark.parametrize("mirror", [False, True])
def test_a_copy_is_found_on_any_skeleton(skeleton: Skeleton, mirror: bool) -> None:
    one, two = synthetic_runs(2, 80, skeleton=skeleton)
    copy = mirrored_run(one, skeleton) if mirror else one
    report = shared_windows([one, two], [replace(copy, clip="copy")], skeleton=skeleton)
    assert [(pair.pretraining, pair.mirrored) for pair in report.pairs] == [(one.clip, mirror)]
    assert shared_windows([two], [copy], skeleton=skeleton).clean


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared street tracks here")
def test_a_real_dance_is_told_from_others() -> None:
    clips, _ = read_folder(SHARED / "street_tracks")
    runs = motion_runs(clips)
    copies = [copied(runs[4], mirror=m, scale=0.5, start=200, stop=400) for m in (False, True)]
    others = shared_windows([r for r in runs if r.clip != runs[4].clip], copies[:1], stride=2)
    assert others.clean
    for copy, mirror in zip(copies, (False, True), strict=True):
        report = shared_windows(runs[3:6], [copy])
        assert [(p.pretraining, p.mirrored) for p in report.pairs] == [(runs[4].clip, mirror)]
        assert report.pairs[0].share > 0.9
