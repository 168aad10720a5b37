"""Both trainings learn: they overfit one batch and generalise on synthetic dancers."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dance_models.__main__ import main
from dance_models.batches.refine import RefineTensors
from dance_models.checkpoint import Initial, load_checkpoint
from dance_models.config import MkffStGcnConfig, StgaNetConfig, TrainingConfig
from dance_models.data.forecast_windows import cut_windows
from dance_models.data.pose_runs import save_pose_runs
from dance_models.data.refine_windows import annotated_windows, refine_frames
from dance_models.errors import InputError
from dance_models.inference.forecast import forecast, window_scale
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.refine import refine_runs
from dance_models.metrics.torso import visible_annotation
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.stga_net import StgaNet
from dance_models.training.losses import forecast_loss, refinement_loss
from dance_models.training.prediction import (
    ForecastTensors,
    reversed_run,
    train_prediction,
)
from dance_models.training.recognition import train_recognition
from dance_models.training.selection import forecast_scores, refinement_scores
from dance_models.training.synthetic import synthetic_runs

ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")
REFINER = MkffStGcnConfig(
    spatial_channels=16,
    spatial_blocks=1,
    kinematic_channels=16,
    attention_blocks=1,
    landmarks=33,
    dropout=0.0,
)
FORECASTER = StgaNetConfig(channels=8, hidden=32, dropout=0.0)
TRAINING = TrainingConfig(
    epochs=3, steps_per_epoch=25, batch_size=16, warmup_steps=5, learning_rate=5e-3
)


def _losses(model: nn.Module, loss_of: object, steps: int) -> tuple[float, float]:
    assert callable(loss_of)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    values = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss: Tensor = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        values.append(loss.item())
    return values[0], values[-1]


def test_recognition_overfits_one_batch() -> None:
    """Random corrections of eight windows are overfitted."""
    torch.manual_seed(0)
    frames = refine_frames(synthetic_runs(1, 60), REFINER)
    windows = torch.from_numpy(annotated_windows(frames, REFINER)[::6][:8])
    batch = RefineTensors(frames, REFINER, CPU).batch(windows)
    target = batch.target + 0.2 * torch.randn(8, 1, 14, 2)
    model = MkffStGcn(REFINER)

    def loss() -> Tensor:
        return refinement_loss(
            model(batch.packed), target, batch.visible, top_k=7, top_k_weight=1.0
        )

    first, last = _losses(model, loss, 200)
    assert last < 0.15 * first


def test_prediction_overfits_one_batch() -> None:
    torch.manual_seed(0)
    data = ForecastTensors(synthetic_runs(1, 80), CPU)
    observed, future = data.observed[:24:3], data.future[:24:3]
    future = future + 0.05 * torch.randn(8, 10, 14, 2).cumsum(dim=1)
    known = data.known[:24:3]
    model = StgaNet(FORECASTER)

    def loss() -> Tensor:
        return forecast_loss(model(observed), future, observed[:, -1], known, velocity_weight=0.0)

    first, last = _losses(model, loss, 120)
    assert last < 0.35 * first


def test_trained_recognition_beats_the_estimator_on_an_unseen_clip(tmp_path: Path) -> None:
    runs = synthetic_runs(6, 60)
    result = train_recognition(runs, REFINER, TRAINING, tmp_path)
    test = [runs[-1]]
    raw = refinement_scores(test, [test[0].estimate])
    refined = refinement_scores(test, refine_runs(load_refiner(result.best), test))
    assert refined["val_error_torso"] < 0.6 * raw["val_error_torso"]
    assert refined["val_pck_torso_0.05"] > raw["val_pck_torso_0.05"] + 0.2


def test_trained_prediction_beats_zero_velocity_on_an_unseen_clip(tmp_path: Path) -> None:
    runs = synthetic_runs(6, 80)
    result = train_prediction(runs, FORECASTER, TRAINING, tmp_path)
    windows = cut_windows(runs[-1:], [visible_annotation(run) for run in runs[-1:]])
    unit = np.full(len(windows), 60.0)
    still = forecast_scores(windows, np.repeat(windows.observed[:, -1:], 10, axis=1), unit)
    ours = forecast_scores(windows, forecast(load_forecaster(result.best), windows.observed), unit)
    for ms in (80, 160, 320, 400):
        assert ours[f"val_mpjpe_torso_{ms}"] < 0.7 * still[f"val_mpjpe_torso_{ms}"]


@pytest.mark.parametrize("split", ["val", "test"])
def test_test_clips_are_never_read_and_validation_only_selects(split: str, tmp_path: Path) -> None:
    runs = synthetic_runs(5, 40)
    short = replace(TRAINING, epochs=1, steps_per_epoch=4)
    changed = [
        replace(run, estimate=run.estimate + 25, annotation=run.annotation * 1.5)
        if run.split == split
        else run
        for run in runs
    ]
    one = train_recognition(runs, REFINER, short, tmp_path / "one").history[0]
    two = train_recognition(changed, REFINER, short, tmp_path / "two").history[0]
    assert one.train_loss == two.train_loss
    assert (one.score == two.score) == (split == "test")


def test_sparse_annotations_are_enough_for_recognition(tmp_path: Path) -> None:
    """An annotator who labels every seventh frame."""
    runs = []
    for run in synthetic_runs(4, 60):
        visibility = run.visibility.copy()
        visibility[np.arange(60) % 7 != 0] = 0
        annotation = np.where(visibility[..., None] > 0, run.annotation, np.nan)
        runs.append(replace(run, visibility=visibility, annotation=annotation.astype(np.float32)))
    training = replace(TRAINING, epochs=1, steps_per_epoch=5)
    assert np.isfinite(train_recognition(runs, REFINER, training, tmp_path).best_score)
    with pytest.raises(InputError, match="no run of the training split"):
        train_prediction(runs, FORECASTER, training, tmp_path)


def test_runs_without_any_detection_are_refused(tmp_path: Path) -> None:
    runs = [
        replace(run, estimate=np.full_like(run.estimate, np.nan)) for run in synthetic_runs(4, 30)
    ]
    with pytest.raises(InputError, match="no person was detected"):
        train_recognition(runs, REFINER, TRAINING, tmp_path)


def test_the_style_head_is_trained_beside_the_keypoints(tmp_path: Path) -> None:
    runs = synthetic_runs(5, 40)  # three styles among the training clips
    net = replace(REFINER, style_classes=3)
    training = replace(TRAINING, epochs=1, steps_per_epoch=5)
    result = train_recognition(runs, net, training, tmp_path / "style")
    assert load_checkpoint(result.best)["labels"] == ("ballet", "contemporary", "street")
    assert len(refine_runs(load_refiner(result.best), runs)) == 5
    with pytest.raises(InputError, match=r"style_classes is 2.*3 styles: ballet"):
        train_recognition(runs, replace(net, style_classes=2), training, tmp_path / "other")


def test_a_joint_that_the_estimator_misses_is_less_certain(tmp_path: Path) -> None:
    """Trained by likelihood: the pose is refined, and the scale follows the error."""
    runs = synthetic_runs(6, 60)
    rng = np.random.default_rng(5)
    for i, run in enumerate(runs):
        estimate = run.estimate.copy()
        estimate[:, 7] += rng.normal(0, 15, estimate[:, 7].shape).astype(np.float32)
        runs[i] = replace(run, estimate=estimate)
    result = train_recognition(runs, replace(REFINER, uncertainty=True), TRAINING, tmp_path)
    model = load_refiner(result.best)
    assert isinstance(model, MkffStGcn)
    frames = refine_frames(runs[-1:], REFINER)
    windows = torch.from_numpy(annotated_windows(frames, REFINER))
    with torch.no_grad():
        log_scale = model.refine(RefineTensors(frames, REFINER, CPU).batch(windows).packed)[1]
    assert log_scale is not None
    scale = log_scale.exp().mean(dim=(0, 1))
    assert scale.argmax() == 7
    assert scale[7] > 1.5 * scale[[j for j in range(14) if j != 7]].max()
    raw = refinement_scores(runs[-1:], [runs[-1].estimate])
    refined = refinement_scores(runs[-1:], refine_runs(model, runs[-1:]))
    assert refined["val_error_torso"] < 0.6 * raw["val_error_torso"]


def test_windows_from_estimates_have_the_annotation_as_target() -> None:
    runs = synthetic_runs(2, 60)
    data = ForecastTensors(runs, CPU, estimated=True)
    assert len(data.forward) == len(data.estimated) > 0
    raw = cut_windows(runs, [run.estimate for run in runs])
    centre, scale = window_scale(raw.observed)
    shown = data.observed[data.estimated.start : data.estimated.stop]
    asked = data.future[data.estimated.start : data.estimated.stop]
    np.testing.assert_allclose(shown, (raw.observed - centre) / scale, atol=1e-5)
    np.testing.assert_allclose(asked, (raw.future - centre) / scale, atol=1e-5)
    # A batch is drawn from both, with the given share.
    still = replace(
        TRAINING, mirror_probability=0.0, rotation_rad=0.0, axis_scale=(1.0, 1.0),
        reverse_probability=0.0, estimate_probability=0.25,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    chosen = torch.arange(2000) % len(data.forward)
    batch = data.drawn(data.draw(chosen, still, generator))
    annotated = (batch.observed == data.observed[chosen]).all(dim=(1, 2, 3))
    assert 0.2 < 1 - annotated.float().mean() < 0.3
    assert not ForecastTensors(runs, CPU).estimated


def test_training_on_estimated_poses_helps_forecasts_from_them(tmp_path: Path) -> None:
    runs = synthetic_runs(6, 80)
    observed = [runs[-1].estimate]
    windows = cut_windows(runs[-1:], observed)
    unit = np.full(len(windows), 60.0)
    scores = {}
    for share in (0.0, 0.5):
        recipe = replace(TRAINING, steps_per_epoch=40, estimate_probability=share)
        result = train_prediction(runs, FORECASTER, recipe, tmp_path / str(share))
        validation = result.history[0].validation
        assert "val_mpjpe_torso_80" in validation
        assert ("val_raw_mpjpe_torso_80" in validation) == (share > 0)
        poses = forecast(load_forecaster(result.best), windows.observed)
        scores[share] = forecast_scores(windows, poses, unit)["val_mpjpe_torso_80"]
    assert scores[0.5] < 0.9 * scores[0.0]


def test_reversed_time_stamps_still_increase_and_reversing_twice_is_the_identity() -> None:
    run = synthetic_runs(1, 30)[0]
    back = reversed_run(run)
    assert (np.diff(back.time_s) > 0).all()
    np.testing.assert_array_equal(back.annotation[0], run.annotation[-1])
    again = reversed_run(back)
    np.testing.assert_array_equal(again.annotation, run.annotation)
    np.testing.assert_allclose(again.time_s, run.time_s)


# --- the command line -------------------------------------------------------------------------


def test_training_needs_one_file_and_no_heavy_libraries(tmp_path: Path) -> None:
    """As on a bare GPU host: torch and numpy only."""
    save_pose_runs(synthetic_runs(4, 60), tmp_path / "runs.npz")
    block = (
        "import sys\n"
        "for name in ('polars', 'cv2', 'pyarrow', 'albumentations', 'av', 'scipy', 'matplotlib',\n"
        "             'dagster', 'mlflow'):\n"
        "    sys.modules[name] = None\n"
        "from dance_models.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["train", "--runs", str(tmp_path / "runs.npz"), "--profile", "smoke"]
    arguments += ["--task", "prediction", "--out", str(tmp_path / "out")]
    arguments += ["--training", "epochs=1", "steps_per_epoch=2"]
    done = subprocess.run(
        [sys.executable, "-c", block, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 1: loss" in done.stdout
    assert "steps/s" in done.stdout
    assert (tmp_path / "out" / "best.pt").is_file()


@pytest.mark.parametrize("task", ["recognition", "prediction"])
def test_training_may_start_from_other_weights(task: str, tmp_path: Path) -> None:
    """Weights pre-trained on another corpus are fine-tuned on this one."""
    arguments = ["train", "--task", task, "--profile", "smoke"]
    arguments += ["--training", "epochs=1", "steps_per_epoch=1"]
    for name, seed in (("first", 1), ("second", 2)):
        save_pose_runs(synthetic_runs(4, 60, seed=seed), tmp_path / f"{name}.npz")
    first = [*arguments, "--runs", str(tmp_path / "first.npz"), "--out", str(tmp_path / "first")]
    assert main(first) == 0
    second = [*arguments, "--runs", str(tmp_path / "second.npz"), "--out", str(tmp_path / "second")]
    best = tmp_path / "first" / "best.pt"
    assert main([*second, "--initial", str(best)]) == 0
    assert load_checkpoint(tmp_path / "second" / "best.pt")["initial"] == Initial(best).digest()


_TRAIN = ("train", "--task", "recognition", "--runs")


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("epoch=3", "there is no setting epoch"),
        ("device=tpu", "one of auto, cpu, cuda"),
        ("epochs=many", "not a value of"),
    ],
)
def test_invalid_settings_give_a_one_line_error(
    setting: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*_TRAIN, "x.npz", "--out", str(tmp_path), "--training", setting])
    error = capsys.readouterr().err
    assert code == 2
    assert complaint in error
    assert error.count("\n") == 1


def test_a_file_without_runs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_text("no runs")
    for path in (bad, tmp_path / "absent.npz"):
        code = main(["train", "--runs", str(path), "--task", "recognition", "--out", str(tmp_path)])
        assert code == 2
        assert str(path) in capsys.readouterr().err


def test_bench_prints_steps_per_second(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--profile", "smoke", "--steps", "2", "--clips", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["recognition", "prediction"]
    assert all("steps/s" in line for line in lines)
