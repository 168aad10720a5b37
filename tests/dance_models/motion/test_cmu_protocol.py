"""The CMU benchmark: its files, its windows and our training runs, on made-up motion."""

import json
from pathlib import Path

import numpy as np
import pytest
from cmu_cases import NOT_SCORED, PARENTS, motion, write_skeleton

from dance_models.config import CmuProtocolConfig
from dance_models.data.forecast_windows import cut_windows
from dance_models.errors import InputError
from dance_models.metrics.torso import visible_annotation
from dance_models.motion.cmu_protocol import (
    benchmark_windows,
    held_out_files,
    missing_files,
    read_motion,
    read_skeleton,
    scored_weights,
    scored_windows,
    training_runs,
    window_starts,
)
from dance_models.skeletons.cmu_26 import CMU_26, SOURCE_JOINTS

CONFIG = CmuProtocolConfig()


def test_the_joints_are_the_scored_ones_and_the_root() -> None:
    assert set(SOURCE_JOINTS) == set(range(38)) - set(NOT_SCORED) | {0}
    parents = {child: parent for parent, child in CMU_26.edges}
    for joint, source in enumerate(SOURCE_JOINTS[1:], 1):
        above = PARENTS[source]  # up to the next joint that the skeleton has
        while above not in SOURCE_JOINTS:
            above = PARENTS[above]
        assert SOURCE_JOINTS[parents[joint]] == above, CMU_26.names[joint]


def test_a_copy_counts_for_its_joint_and_the_root_for_nothing(tmp_path: Path) -> None:
    weights = 38 * read_skeleton(write_skeleton(tmp_path)).weights()
    expected = dict.fromkeys(CMU_26.names, 1.0)
    expected |= {"root": 0.0, "chest": 4.0, "left_wrist": 3.0, "right_wrist": 3.0}
    assert dict(zip(CMU_26.names, weights, strict=True)) == pytest.approx(expected)
    assert scored_weights().sum() == pytest.approx(1)
    assert scored_weights()[0] == 0


def test_starts_are_drawn_anew_for_each_action() -> None:
    """numpy's legacy generator is stable: the starts are those of the benchmark."""
    assert window_starts(299, CONFIG) == [130, 102, 47, 140, 51, 33, 171, 105]
    assert window_starts(289, CONFIG) == window_starts(299, CONFIG)
    assert window_starts(82, CONFIG) == [2, 6, 4, 3, 1, 3, 1, 4]
    with pytest.raises(InputError, match="75 frames are too few"):
        window_starts(75, CONFIG)


def test_the_last_27_of_50_frames_are_observed() -> None:
    poses = motion(140)
    windows = scored_windows({"test/soccer_1": poses, "train/soccer_1": poses}, CONFIG)
    assert list(windows) == ["soccer"]
    start = np.random.RandomState(1234567890).randint(0, 140 - 75)
    found = windows["soccer"]
    assert (found.observed.shape, found.future.shape) == ((8, 27, 26, 3), (8, 10, 26, 3))
    chosen = poses[:, list(SOURCE_JOINTS)]
    np.testing.assert_array_equal(found.observed[0], chosen[start + 23 : start + 50])
    np.testing.assert_array_equal(found.future[0], chosen[start + 50 : start + 60])
    assert found.anchor[0] == start + 49
    assert benchmark_windows(poses, CONFIG).shape == (8, 75, 38, 3)


def test_training_runs() -> None:
    files = {
        "train/walk_1": motion(101, 1),
        "train/walk_2": motion(61, 2),
        "train/walk_10": motion(81, 3),
        "train/sign_1": motion(301, 4),
        "test/walk_1": motion(90, 5),
    }
    assert held_out_files(files) == {"train/walk_10"}
    config = CmuProtocolConfig(frames_per_action=200)
    runs = training_runs(files, config, every_file=False)
    found = [(r.clip, r.split, r.variant, len(r)) for r in runs]
    assert found == [
        ("train/walk_10", "val", 0, 80),
        ("train/sign_1", "train", 0, 200),
        ("train/walk_1", "train", 0, 100),
        ("train/walk_2", "train", 0, 60),
    ]
    # The T-pose is left out, and windows fall on the frames themselves.
    chosen = files["train/walk_1"][1:, list(SOURCE_JOINTS)]
    np.testing.assert_array_equal(runs[2].annotation, chosen)
    windows = cut_windows(runs[2:3], [visible_annotation(runs[2])], skeleton=CMU_26)
    assert len(windows) == 100 - 36
    np.testing.assert_allclose(windows.future[0], chosen[27:37], atol=1e-4)


def test_short_actions_are_repeated_and_every_file_can_be_trained_on() -> None:
    files = {"train/run_1": motion(51), "train/run_2": motion(51)}
    config = CmuProtocolConfig(frames_per_action=310)
    runs = training_runs(files, config, every_file=True)
    assert [(r.clip[-1], r.split, r.variant) for r in runs] == [
        ("2", "val", 0),
        *((number, "train", variant) for variant in range(3) for number in "12"),
    ]


def test_files_of_the_benchmark_that_are_not_there() -> None:
    files = {"train/run_2": motion(51), "test/run_1": motion(90)}
    assert missing_files(files, {"run": 3}) == ["train/run_1", "train/run_3"]


def test_unusable_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "motion.npz"
    with pytest.raises(InputError, match="cannot be read"):
        read_motion(path)
    np.savez(path, **{"train/run_1": motion(40)[:, :25]})
    with pytest.raises(InputError, match=r"has shape \(40, 25, 3\)"):
        read_motion(path)
    np.savez(path, **{"extra/run_1": motion(40)})
    with pytest.raises(InputError, match="Expected: train/ACTION_NUMBER"):
        read_motion(path)
    np.savez(path, **{"test/run_1": motion(40)})
    with pytest.raises(InputError, match="no training sequence"):
        read_motion(path)
    np.savez(path, **{"train/run_1": motion(40)})
    assert list(read_motion(path)) == ["train/run_1"]


def test_another_skeleton_is_refused(tmp_path: Path) -> None:
    path = write_skeleton(tmp_path)
    plain = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(plain | {"not_scored": [0, 1]}), encoding="utf-8")
    with pytest.raises(InputError, match="38 joints, 36 of them scored"):
        read_skeleton(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no skeleton of the benchmark"):
        read_skeleton(path)
