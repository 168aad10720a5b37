"""Both headline networks train on 17 joints in 2-D and on 25 joints in 3-D."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dance_models.checkpoint import checkpoint_skeleton, load_checkpoint
from dance_models.config import MkffStGcnConfig, StgaNetConfig, TrainingConfig
from dance_models.data.forecast_windows import cut_windows
from dance_models.data.pose_runs import PoseRun, load_pose_runs, save_pose_runs
from dance_models.errors import InputError
from dance_models.export.program import exportable
from dance_models.inference.forecast import forecast, forecast_mirror_gap
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.refine import refine_mirror_gap, refine_runs
from dance_models.metrics.torso import visible_annotation
from dance_models.nets.build import skeleton_of
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.skeletons.cmu_26 import CMU_26
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.loop import TrainingResult
from dance_models.training.prediction import train_prediction
from dance_models.training.recognition import train_recognition
from dance_models.training.synthetic import synthetic_runs

REFINER = MkffStGcnConfig(
    spatial_channels=8, spatial_blocks=1, kinematic_channels=16, attention_blocks=1, dropout=0.0
)
FORECASTER = StgaNetConfig(channels=4, hidden=16, dropout=0.0)
TRAINING = TrainingConfig(
    epochs=3, steps_per_epoch=15, batch_size=8, warmup_steps=2, learning_rate=1e-2
)
SHORT = replace(TRAINING, epochs=1, steps_per_epoch=1)

Train = Callable[..., TrainingResult]

other_skeletons = pytest.mark.parametrize(
    "skeleton", [COCO_17, MOCAP_25, CMU_26], ids=lambda skeleton: skeleton.id
)


@dataclass(frozen=True)
class Task:
    train: Train
    net: MkffStGcnConfig | StgaNetConfig

    def run(
        self,
        runs: list[PoseRun],
        folder: Path,
        skeleton: Skeleton,
        training: TrainingConfig = TRAINING,
        **more: object,
    ) -> TrainingResult:
        return self.train(runs, self.net, training, folder, skeleton=skeleton, **more)


RECOGNITION, PREDICTION = Task(train_recognition, REFINER), Task(train_prediction, FORECASTER)
both_tasks = pytest.mark.parametrize("task", [RECOGNITION, PREDICTION], ids=["mkff", "stga"])


def _runs(skeleton: Skeleton) -> list[PoseRun]:
    return synthetic_runs(4, 50, skeleton=skeleton)


@other_skeletons
@both_tasks
def test_the_loss_is_finite_and_falls(task: Task, skeleton: Skeleton, tmp_path: Path) -> None:
    history = task.run(_runs(skeleton), tmp_path, skeleton).history
    losses = [record.train_loss for record in history]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


@other_skeletons
def test_recognition_of_a_checkpoint(skeleton: Skeleton, tmp_path: Path) -> None:
    runs = _runs(skeleton)
    net = replace(REFINER, landmarks=skeleton.num_landmarks)
    result = Task(train_recognition, net).run(runs, tmp_path, skeleton)
    model = load_refiner(result.best)
    assert model.skeleton == skeleton
    (refined,) = refine_runs(model, runs[-1:])
    assert refined.shape == (50, skeleton.num_joints, skeleton.dimensions)
    before = np.linalg.norm(runs[-1].estimate - runs[-1].annotation, axis=-1).mean()
    assert np.linalg.norm(refined - runs[-1].annotation, axis=-1).mean() < before
    assert refine_mirror_gap(model, runs[-1:])[0].shape == (50, skeleton.num_joints)
    module, example = exportable(result.best)
    assert module(example).shape == (2, 11, skeleton.num_joints, skeleton.dimensions)


@other_skeletons
def test_prediction_of_a_checkpoint(skeleton: Skeleton, tmp_path: Path) -> None:
    runs = _runs(skeleton)
    result = PREDICTION.run(runs, tmp_path, skeleton)
    model = load_forecaster(result.best)
    assert skeleton_of(model) == skeleton
    windows = cut_windows(
        runs[-1:], [visible_annotation(run) for run in runs[-1:]], skeleton=skeleton
    )
    poses = forecast(model, windows.observed)
    assert poses.shape == (len(windows), 10, skeleton.num_joints, skeleton.dimensions)
    assert np.isfinite(poses).all()
    assert forecast_mirror_gap(model, windows.observed).shape == poses.shape[:-1]
    module, example = exportable(result.best)
    assert module(example).shape == (2, *poses.shape[1:])


@both_tasks
def test_only_non_default_skeletons_are_recorded(task: Task, tmp_path: Path) -> None:
    for skeleton in (DANCE_14, COCO_17, MOCAP_25):
        result = task.run(_runs(skeleton), tmp_path / skeleton.id, skeleton, SHORT)
        for path in (result.best, result.last):
            state = load_checkpoint(path)
            assert ("skeleton" in state) == (skeleton != DANCE_14)
            assert checkpoint_skeleton(state) == skeleton


@both_tasks
def test_training_resumes_and_fine_tunes_only_on_its_own_skeleton(
    task: Task, tmp_path: Path
) -> None:
    # As many joints as MOCAP_25 has: the weights would fit.
    other = replace(MOCAP_25, id="other", distal=MOCAP_25.distal[1:])
    runs = _runs(MOCAP_25)
    first = task.run(runs, tmp_path / "a", MOCAP_25, SHORT)
    assert len(task.run(runs, tmp_path / "a", MOCAP_25, SHORT).history) == 1
    with pytest.raises(InputError, match="on another skeleton"):
        task.run(runs, tmp_path / "a", other, SHORT)
    task.run(runs, tmp_path / "b", MOCAP_25, SHORT, initial=first.best)
    with pytest.raises(InputError, match="of another skeleton"):
        task.run(runs, tmp_path / "c", other, SHORT, initial=first.best)


@both_tasks
def test_runs_of_another_skeleton_are_refused(task: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"17 joints in 2-D.*mocap25-v1 has 25 in 3-D"):
        task.run(_runs(COCO_17), tmp_path, MOCAP_25)


@other_skeletons
def test_runs_round_trip_through_their_file(skeleton: Skeleton, tmp_path: Path) -> None:
    runs = _runs(skeleton)
    save_pose_runs(runs, tmp_path / "runs.npz")
    for before, after in zip(runs, load_pose_runs(tmp_path / "runs.npz"), strict=True):
        np.testing.assert_array_equal(before.estimate, after.estimate)
        assert torch.equal(torch.from_numpy(before.landmarks), torch.from_numpy(after.landmarks))
