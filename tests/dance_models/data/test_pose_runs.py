from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dance_models.data.pose_runs import (
    ARRAYS,
    PoseRun,
    frames_of,
    is_whole,
    load_pose_runs,
    save_pose_runs,
)
from dance_models.evidence import NUM_EVIDENCE


def _run(clip: str, length: int) -> PoseRun:
    rng = np.random.default_rng(length)
    return PoseRun(
        clip=clip,
        style="ballet",
        performer="p",
        group="CMU-60/61-01",
        split="train",
        fold=2,
        run=0,
        variant=1,
        width=320,
        height=240,
        frame=np.arange(length),
        time_s=np.arange(length) / 30,
        estimate=rng.normal(size=(length, 14, 2)).astype(np.float32),
        score=np.ones((length, 14), np.float32),
        landmarks=rng.normal(size=(length, 33, 3)).astype(np.float32),
        evidence=rng.normal(size=(length, 33, NUM_EVIDENCE)).astype(np.float32),
        annotation=np.full((length, 14, 2), np.nan, np.float32),
        visibility=np.zeros((length, 14), np.uint8),
    )


def test_npz_round_trip_keeps_everything(tmp_path: Path) -> None:
    runs = [_run("a", 3), _run("b_long", 5)]
    save_pose_runs(runs, tmp_path / "runs.npz")
    loaded = load_pose_runs(tmp_path / "runs.npz")
    assert [(r.clip, r.group, r.fold, r.variant, len(r)) for r in loaded] == [
        ("a", "CMU-60/61-01", 2, 1, 3),
        ("b_long", "CMU-60/61-01", 2, 1, 5),
    ]
    for before, after in zip(runs, loaded, strict=True):
        np.testing.assert_array_equal(before.estimate, after.estimate)
        np.testing.assert_array_equal(before.annotation, after.annotation)
        np.testing.assert_array_equal(before.evidence, after.evidence)
        assert not after.annotated.any()
    assert [p.name for p in tmp_path.iterdir()] == ["runs.npz"]


def test_a_file_from_before_the_evidence_is_still_read(tmp_path: Path) -> None:
    save_pose_runs([_run("a", 3), _run("b", 4)], tmp_path / "runs.npz")
    with np.load(tmp_path / "runs.npz") as stored:
        old = {name: stored[name] for name in stored.files if name != "evidence"}
    np.savez(tmp_path / "old.npz", **old)
    loaded = load_pose_runs(tmp_path / "old.npz")
    assert [run.evidence.shape for run in loaded] == [(n, 0, NUM_EVIDENCE) for n in (3, 4)]


def test_a_consensus_is_optional_and_kept(tmp_path: Path) -> None:
    plain, agreed = _run("a", 3), _run("b", 4)
    assert plain.consensus.shape == (3, 14, 2)
    assert np.isnan(plain.consensus).all()
    save_pose_runs([plain], tmp_path / "old.npz")
    with np.load(tmp_path / "old.npz") as stored:
        assert "consensus" not in stored.files  # files without one stay as they were
    assert np.isnan(load_pose_runs(tmp_path / "old.npz")[0].consensus).all()
    agreed = replace(agreed, consensus=agreed.estimate + 1)
    save_pose_runs([plain, agreed], tmp_path / "new.npz")
    first, second = load_pose_runs(tmp_path / "new.npz")
    assert np.isnan(first.consensus).all()
    np.testing.assert_array_equal(second.consensus, agreed.consensus)


def test_frames_of_a_run_are_those_of_all_its_arrays() -> None:
    run = _run("a", 6)
    run = replace(run, consensus=run.estimate - 1)
    part, some = frames_of(run, slice(2, 5)), frames_of(run, np.array([0, 4]))
    assert (len(part), len(some)) == (3, 2)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(part, name), getattr(run, name)[2:5])
        np.testing.assert_array_equal(getattr(some, name), getattr(run, name)[[0, 4]])


def test_nothing_to_save_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pose runs"):
        save_pose_runs([], tmp_path / "runs.npz")


def test_derived_joints_are_optional_and_kept(tmp_path: Path) -> None:
    derived = np.zeros((3, 14), np.bool_)
    derived[1, :2] = True
    runs = [replace(_run("a", 3), derived=derived), _run("b", 4)]
    save_pose_runs(runs, tmp_path / "runs.npz")
    loaded = load_pose_runs(tmp_path / "runs.npz")
    assert [run.derived.tolist() for run in loaded] == [run.derived.tolist() for run in runs]
    save_pose_runs(runs[1:], tmp_path / "none.npz")
    with np.load(tmp_path / "none.npz") as stored:
        assert "derived" not in stored.files
    assert not load_pose_runs(tmp_path / "none.npz")[0].derived.any()


def test_a_file_that_lost_an_array_is_not_whole(tmp_path: Path) -> None:
    """One wrong bit hides an entry of the archive: the checksums of the others hold."""
    path = tmp_path / "runs.npz"
    save_pose_runs([_run("a", 3)], path)
    assert is_whole(path)
    with np.load(path) as stored:
        rest = {name: stored[name] for name in stored.files if name != "clip"}
    np.savez(path, **rest)
    assert not is_whole(path)
    path.write_bytes(path.read_bytes()[:-9])
    assert not is_whole(path)
