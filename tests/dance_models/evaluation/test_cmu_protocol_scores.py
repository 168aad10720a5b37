"""The CMU benchmark's errors by hand, its command, and its zero-velocity figures."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cmu_cases import motion, write_motion, write_skeleton

from dance_models.__main__ import main
from dance_models.config import CmuProtocolConfig
from dance_models.data.forecast_windows import FUTURE
from dance_models.evaluation.cmu_protocol import (
    PUBLISHED,
    PUBLISHED_MEAN,
    SCORED_MEAN,
    TRAJ_GCN_PUBLISHED,
    CmuBenchmark,
    protocol_tables,
    ratios_to_published,
    score_rows,
    trivial_rows,
)
from dance_models.evaluation.forecasts import zero_velocity
from dance_models.metrics.horizon import joint_distance
from dance_models.motion.cmu_protocol import (
    TEST,
    Motion,
    action_of,
    benchmark_windows,
    read_motion,
    read_skeleton,
)

CONFIG = CmuProtocolConfig()
# Folder with the benchmark's files, cmu_mocap_3d.npz and cmu_skeleton.json.
FOLDER = "CMU_PROTOCOL_DIR"
STEPS = (2, 4, 8, 10)
# Zero velocity on those files, mean over all 38 joints.
STANDING_STILL = {
    "basketball": (24.7, 47.4, 90.1, 110.0),
    "jumping": (20.9, 41.3, 80.6, 98.0),
    "running": (35.5, 73.4, 144.4, 176.1),
    "soccer": (24.9, 49.6, 90.6, 109.0),
    "walking": (18.1, 35.5, 67.5, 81.2),
    "washwindow": (14.6, 29.1, 55.5, 69.0),
}


def _benchmark(folder: Path, *, held_out: bool = False) -> CmuBenchmark:
    files = read_motion(write_motion(folder))
    return CmuBenchmark(files, read_skeleton(write_skeleton(folder)), CONFIG, held_out)


def test_errors_of_a_walk_along_a_line_by_hand(tmp_path: Path) -> None:
    """The spine goes 1 mm a frame, the chest 2 mm, the rest stands: 38 joints, 4 at the chest."""
    poses = np.zeros((100, 38, 3), np.float32)
    frame = np.arange(100)
    poses[:, 14, 0] = frame
    for joint in (15, 16, 20, 29):
        poses[:, joint, 2] = 2 * frame
    skeleton = read_skeleton(write_skeleton(tmp_path))
    benchmark = CmuBenchmark({"test/walking_1": poses}, skeleton, CONFIG)
    scores = score_rows(benchmark, {"still": zero_velocity})
    for measure, a_frame in ((PUBLISHED_MEAN, (1 + 4 * 2) / 38), (SCORED_MEAN, (1 + 2) / 25)):
        expected = [a_frame * step for step in STEPS]
        np.testing.assert_allclose(scores[measure]["still"]["walking"], expected, rtol=1e-5)
    ratio = ratios_to_published(scores)["still"]["walking"]
    assert ratio[0] == pytest.approx(2 * 9 / 38 / PUBLISHED["walking"][0], abs=1e-3)


def test_the_root_is_not_scored(tmp_path: Path) -> None:
    def root_astray(observed: np.ndarray) -> np.ndarray:
        future = np.repeat(observed[:, -1:], FUTURE, axis=1)
        future[:, :, 0] += 1000
        return future

    rows = {"still": zero_velocity, "root astray": root_astray}
    for found in score_rows(_benchmark(tmp_path), rows).values():
        np.testing.assert_allclose(found["root astray"]["running"], found["still"]["running"])


def test_trivial_rows_and_tables(tmp_path: Path) -> None:
    benchmark = _benchmark(tmp_path)
    seen = {**benchmark.motion, "test/running_1": benchmark.motion["train/running_1"]}
    benchmark = replace(benchmark, motion=seen)
    scores = score_rows(benchmark, trivial_rows(benchmark))
    mean = {name: errors["running"].mean() for name, errors in scores[SCORED_MEAN].items()}
    assert mean["ridge"] < mean["constant_velocity"] < mean["zero_velocity"]
    assert list(scores[PUBLISHED_MEAN][TRAJ_GCN_PUBLISHED]) == ["running", "walking"]
    assert TRAJ_GCN_PUBLISHED not in scores[SCORED_MEAN]
    first, second = (table.markdown() for table in protocol_tables(benchmark, scores))
    assert "| method | mean of 2 | running | walking |" in first
    assert "| traj_gcn_published | 16.6 / " in first
    assert "| 25.5 / 36.7 / 39.3 / 39.9 | 7.7 / 11.8 / 19.4 / 23.1 |" in first
    assert "train/running_4" in first  # among the files that are missing
    assert "traj_gcn_published |" not in second


def test_held_out_files_are_scored_without_the_test(tmp_path: Path) -> None:
    benchmark = _benchmark(tmp_path, held_out=True)
    without_test = CmuBenchmark(
        {name: poses for name, poses in benchmark.motion.items() if not name.startswith(TEST)},
        benchmark.skeleton,
        CONFIG,
        held_out=True,
    )
    assert {run.clip for run in benchmark.runs() if run.split == "train"} == {
        "train/running_1",
        "train/running_2",
    }
    rows = {"still": zero_velocity}
    scores = score_rows(without_test, rows)
    poses = motion(90, 3)[1:]  # the last training file without its T-pose
    anchors = np.arange(27, 79, 3)  # every third frame with a past and a future
    distance = np.linalg.norm(poses[anchors + 2] - poses[anchors], axis=-1)
    expected = distance.mean(axis=0).sum() / 38  # hips and root stand still
    assert scores[PUBLISHED_MEAN]["still"]["running"][0] == pytest.approx(expected, rel=1e-4)
    assert list(scores[PUBLISHED_MEAN]) == ["still"]  # no published row beside it


def test_the_command_trains_and_writes_its_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["protocol", "--data", str(write_motion(tmp_path))]
    command += ["--skeleton", str(write_skeleton(tmp_path)), "--out", str(tmp_path / "out")]
    command += ["--profile", "smoke", "--network", "simlpe", "--training", "steps_per_epoch=1"]
    assert main(command) == 0
    assert "| simlpe |" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "test.json").read_text("utf-8"))
    assert set(found["errors_mm"][PUBLISHED_MEAN]["simlpe"]) == {"running", "walking"}
    assert len(found["ratio_to_published"]["simlpe"]["running"]) == 4
    assert "train/washwindow_1" in found["missing_files"]
    assert main([*command, "--held-out"]) == 0
    found = json.loads((tmp_path / "out" / "held_out.json").read_text("utf-8"))
    assert found["ratio_to_published"]["simlpe"] == {}


def test_without_a_test_sequence_there_is_no_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "motion.npz"
    np.savez(path, **{f"train/running_{i}": motion(90, i) for i in (1, 2)})
    command = ["protocol", "--data", str(path), "--skeleton", str(write_skeleton(tmp_path))]
    command += ["--out", str(tmp_path), "--profile", "smoke", "--network", "simlpe"]
    assert main(command) == 2
    assert "there is no test sequence" in capsys.readouterr().err
    assert not (tmp_path / "test").exists()  # nothing was trained


def _files() -> dict[str, Motion]:
    folder = os.environ.get(FOLDER)
    if not folder:
        pytest.skip(f"{FOLDER} does not name a folder with the benchmark's files")
    return read_motion(Path(folder) / "cmu_mocap_3d.npz")


def test_zero_velocity_on_the_benchmark_itself() -> None:
    """All 38 joints, the windows of 75 frames: the known figures to the last digit."""
    found = {}
    for name, poses in _files().items():
        if name.startswith(TEST):
            windows = benchmark_windows(poses, CONFIG)
            last = windows[:, [CONFIG.history - 1]]
            future = windows[:, [CONFIG.history - 1 + step for step in STEPS]]
            error = joint_distance(np.repeat(last, 4, axis=1), future).mean(axis=(0, 2))
            found[action_of(name)] = tuple(error.round(1).tolist())
    assert found == STANDING_STILL
