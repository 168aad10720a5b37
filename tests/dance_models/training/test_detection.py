"""HRNet on person crops: learning, the mirrored test pass, and exact resumption."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from crop_cases import painted_crops
from torch import Tensor, nn

from dance_models.__main__ import main
from dance_models.batches.crops import CropTensors
from dance_models.checkpoint import (
    experiment_from_plain,
    experiment_to_plain,
    load_checkpoint,
)
from dance_models.config import HrnetConfig, HrnetExperiment, TrainingConfig
from dance_models.data.crops import CROP, Crops
from dance_models.data.pose_runs import PoseRun, save_pose_runs
from dance_models.errors import InputError
from dance_models.export.program import exportable
from dance_models.inference.crops import detect_runs, heatmaps_of
from dance_models.inference.loading import load_detector, load_refiner
from dance_models.inference.recognise import recognised_runs
from dance_models.nets.hrnet import Hrnet
from dance_models.skeleton import DANCE_14
from dance_models.training.detection import train_detection
from dance_models.training.loop import EpochRecord
from dance_models.training.losses import heatmap_loss

NET = HrnetConfig(width=8, stem=8)
SHORT = HrnetExperiment(
    NET,
    TrainingConfig(epochs=3, steps_per_epoch=2, batch_size=4, warmup_steps=1, ema_decay=0.9),
)


@pytest.fixture(scope="module")
def runs() -> list[PoseRun]:
    from dance_models.training.synthetic import synthetic_runs

    return synthetic_runs(4, 12)


@pytest.fixture(scope="module")
def crops(runs: list[PoseRun], tmp_path_factory: pytest.TempPathFactory) -> Crops:
    return painted_crops(runs, tmp_path_factory.mktemp("crops") / "crops.npy")


def test_it_overfits_a_few_crops(runs: list[PoseRun], crops: Crops) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    few = replace(
        runs[0],
        **{
            name: getattr(runs[0], name)[:8:2]
            for name in (
                "frame", "time_s", "estimate", "score", "landmarks", "annotation", "visibility",
            )
        },
    )  # fmt: skip
    batch = CropTensors(crops, [few], torch.device("cpu")).batch(torch.arange(len(few)))
    model = Hrnet(NET).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(80):
        optimiser.zero_grad()
        loss = heatmap_loss(model(batch.pictures), batch.heatmaps, batch.seen)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    poses = detect_runs(model, [few], crops, mirror=False)
    error = np.linalg.norm(poses[0] - few.annotation, axis=-1)
    assert np.median(error) < 4.0  # frame pixels; a heatmap pixel is about 8
    assert (error < 12).mean() > 0.85


def test_the_loss_counts_only_visible_joints() -> None:
    target = torch.zeros(2, 3, 4, 4)
    heatmaps = target.clone()
    heatmaps[0, 0, 1, 1] = 2  # squared: 4
    heatmaps[1, 2] = 9
    seen = torch.tensor([[True, True, False], [True, False, False]])
    assert heatmap_loss(heatmaps, target, seen).item() == pytest.approx(4 / 3)
    assert heatmap_loss(heatmaps, target, torch.zeros(2, 3)).item() == 0


class _Spots(nn.Module):
    """Returns the brightness of the image for every joint: left and right are alike."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pictures: Tensor) -> Tensor:
        grey = nn.functional.avg_pool2d(pictures.mean(dim=1, keepdim=True), 4)
        return grey.expand(-1, 14, -1, -1)


def test_the_mirrored_picture_gives_exactly_mirrored_heatmaps() -> None:
    torch.manual_seed(0)
    picture = torch.rand(2, 3, *CROP)
    model = _Spots()
    plain, averaged = (heatmaps_of(model, picture, mirror=m) for m in (False, True))
    torch.testing.assert_close(averaged, plain, atol=1e-6, rtol=0)
    # With any network, the average for a mirrored image is the mirrored average.
    net = Hrnet(NET).eval()
    with torch.no_grad():
        one = heatmaps_of(net, picture, mirror=True)
        other = heatmaps_of(net, picture.flip(-1), mirror=True)
    torch.testing.assert_close(other, one[:, list(DANCE_14.mirror)].flip(-1), atol=1e-6, rtol=0)


def test_every_frame_of_every_run_has_a_pose(runs: list[PoseRun], crops: Crops) -> None:
    """Also frames without a detected person; the batches do not matter."""
    blind = [replace(run, estimate=np.full_like(run.estimate, np.nan)) for run in runs]
    model = Hrnet(NET).eval()
    assert detect_runs(model, [], crops) == []
    poses = detect_runs(model, blind, crops)
    assert [pose.shape for pose in poses] == [(12, 14, 2)] * 4
    assert all(np.isfinite(pose).all() for pose in poses)
    alone = detect_runs(model, blind[2:3], crops)
    np.testing.assert_allclose(alone[0], poses[2], atol=1e-3)


def _timeless(history: list[EpochRecord]) -> list[EpochRecord]:
    return [replace(record, steps_per_second=0) for record in history]


class InterruptionError(Exception):
    pass


def test_resumed_equals_uninterrupted(runs: list[PoseRun], crops: Crops, tmp_path: Path) -> None:
    whole = train_detection(runs, crops, SHORT, tmp_path / "whole")

    def stop_at(epoch: int) -> Callable[[EpochRecord], None]:
        def on_epoch(record: EpochRecord) -> None:
            torch.rand(7)  # other random draws must not matter
            if record.epoch == epoch:
                raise InterruptionError

        return on_epoch

    with pytest.raises(InterruptionError):
        train_detection(runs, crops, SHORT, tmp_path / "parts", stop_at(1))
    resumed = train_detection(runs, crops, SHORT, tmp_path / "parts")
    assert _timeless(resumed.history) == _timeless(whole.history)
    for which in ("last", "best"):
        a, b = (load_checkpoint(getattr(r, which))["model"] for r in (resumed, whole))
        assert all(torch.equal(a[name], b[name]) for name in a)
    _check_use(whole.best, runs, crops)


def _check_use(best: Path, runs: list[PoseRun], crops: Crops) -> None:
    """A checkpoint can be read only as its own kind."""
    detected = detect_runs(load_detector(best), runs, crops)
    recognised = recognised_runs(best, runs, crops)
    for a, b in zip(detected, recognised, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match=r"reads person crops.*`dance run` makes them"):
        recognised_runs(best, runs, None)
    with pytest.raises(InputError, match="not a recognition network"):
        load_refiner(best)
    module, example = exportable(best)
    assert example.shape == (2, 3, *CROP)
    assert module(example).shape == (2, 14, 32, 24)


def test_the_experiment_round_trips_through_a_checkpoint() -> None:
    experiment = replace(SHORT, folds=True)
    assert experiment_from_plain(experiment_to_plain(experiment)) == experiment


@pytest.mark.parametrize("split", ["val", "test"])
def test_test_clips_are_never_read_and_validation_only_selects(
    split: str, runs: list[PoseRun], crops: Crops, tmp_path: Path
) -> None:
    short = replace(SHORT, training=replace(SHORT.training, epochs=1))
    changed = [
        replace(run, annotation=run.annotation + 15) if run.split == split else run for run in runs
    ]
    one = train_detection(runs, crops, short, tmp_path / "one").history[0]
    two = train_detection(changed, crops, short, tmp_path / "two").history[0]
    assert one.train_loss == two.train_loss
    same = one.validation == two.validation
    assert same == (split == "test")


def test_augmented_copies_have_no_pictures_and_are_left_out(
    runs: list[PoseRun], crops: Crops, tmp_path: Path
) -> None:
    copies = [replace(runs[0], variant=1, annotation=runs[0].annotation + 99)]
    short = replace(SHORT, training=replace(SHORT.training, epochs=1))
    plain = train_detection(runs, crops, short, tmp_path / "plain").history[0]
    more = train_detection([*runs, *copies], crops, short, tmp_path / "more").history[0]
    assert plain.train_loss == more.train_loss


def test_the_command_line_trains_with_noise_and_blur(
    runs: list[PoseRun], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_pose_runs(runs, tmp_path / "runs.npz")
    painted_crops(runs, tmp_path / "crops.npy")
    arguments = ["train", "--runs", str(tmp_path / "runs.npz"), "--profile", "smoke"]
    arguments += ["--out", str(tmp_path / "out"), "--jitter", "noise=6", "blur=1.0"]
    detection = [
        *arguments, "--task", "detection", "--crops", str(tmp_path / "crops.npy"), "--net",
        "width=8", "stem=8", "--training", "epochs=1", "steps_per_epoch=1", "batch_size=2",
    ]  # fmt: skip
    assert main(detection) == 0
    plain = load_checkpoint(tmp_path / "out" / "best.pt")["experiment"]
    assert plain["jitter"]["noise"] == 6
    assert plain["jitter"]["blur"] == 1
    assert main([*arguments, "--task", "recognition"]) == 2
    assert "--jitter is for --task detection" in capsys.readouterr().err
