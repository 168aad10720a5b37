"""Every row of the comparison on a GPU without numbers: its steps, its validation, its stack.

Not tried here, for want of a GPU: CUDA's own kernels and what they return, the capture itself,
cuDNN, nccl, and memory.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from crop_cases import painted_crops
from fake_gpu import DEVICE, FakeGpu

from dance_models.config import HrnetExperiment, RecognitionExperiment
from dance_models.data.pose_runs import PoseRun
from dance_models.inference.crops import detect_runs
from dance_models.rows import ROWS
from dance_models.skeleton import DANCE_14
from dance_models.training import detection, devices, loop, stacked, steps
from dance_models.training.averaging import moving_average
from dance_models.training.loop import trainer_of
from dance_models.training.optimiser import make_optimiser
from dance_models.training.prediction import prediction_training
from dance_models.training.recognition import recognition_training
from dance_models.training.stacked import Together, why_apart
from dance_models.training.synthetic import synthetic_runs
from dance_models.training.task import Training


def _shortened(experiment: Any) -> Any:
    """One step; equal for rows that differ in numbers alone."""
    training = replace(
        experiment.training,
        epochs=1,
        steps_per_epoch=1,
        batch_size=4,
        learning_rate=1e-3,
        rate_factors=(),
        seed=0,
        patience=0,
        weight_decay=0.01,
        warmup_steps=1,
    )
    return replace(experiment, training=training, folds=False, seeds=1)


def _cases() -> dict[str, Any]:
    """The different experiments of all rows, by the rows that have each."""
    names: dict[Any, list[str]] = {}
    for row in ROWS:
        names.setdefault(_shortened(row.experiment), []).append(row.id)
    return {", ".join(rows): experiment for experiment, rows in names.items()}


CASES = _cases()
POSES = {name: case for name, case in CASES.items() if not isinstance(case, HrnetExperiment)}


@cache
def _runs() -> tuple[PoseRun, ...]:
    return tuple(synthetic_runs(4, 50))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    """The device that every training chooses; its steps are sent ahead and captured."""
    fake = FakeGpu()
    monkeypatch.setattr(devices, "choose_device", lambda config: DEVICE)
    monkeypatch.setattr(steps, "WARM_UP", 0)
    monkeypatch.setattr(torch, "autocast", lambda *how, **more: nullcontext())  # it knows no meta
    optim: Any = sys.modules["torch.optim.optimizer"]
    known = optim._get_fused_kernels_supported_devices()
    monkeypatch.setattr(optim, "_get_fused_kernels_supported_devices", lambda: [*known, "meta"])

    def make_steps(model: Any, task: Any, optimiser: Any, average: Any) -> Any:
        return steps.AheadSteps(model, task, optimiser, average, fake.capture)

    for module in (loop, stacked):
        monkeypatch.setattr(module, "make_steps", make_steps)
    with fake:
        yield fake


def _training(experiment: Any, folder: Path) -> Training:
    runs = list(_runs())
    if isinstance(experiment, RecognitionExperiment):
        return Training(*recognition_training(runs, experiment.net, experiment.training), folder)
    return Training(*prediction_training(runs, experiment.net, experiment.training), folder)


def _warmed_up(training: Training) -> Training:
    """Its batches have made their constants, as the steps before a capture do."""
    task = training.task
    assert task.assemble is not None
    task.assemble(_on_gpu(next(task.batches(torch.Generator().manual_seed(0)))))
    return training


def _on_gpu(draw: Any) -> Any:
    return type(draw)._make(part.to(DEVICE) for part in draw)


@pytest.mark.filterwarnings("error:the step could not be captured")
@pytest.mark.parametrize("name", POSES)
def test_a_rows_step_is_captured_and_its_validation_runs(
    name: str, gpu: FakeGpu, tmp_path: Path
) -> None:
    trainer = trainer_of(_warmed_up(_training(POSES[name], tmp_path)))
    record = trainer._epoch(1)
    assert record.train_loss == 1  # a value that is read is 1
    assert trainer.steps is not None and trainer.steps.is_captured


STACKED = {type(case.net).__name__: case for case in POSES.values()}


@pytest.mark.filterwarnings("error:the step could not be captured")
@pytest.mark.parametrize("kind", STACKED)
def test_a_stacked_step_of_each_kind_of_network_is_captured(
    kind: str, gpu: FakeGpu, tmp_path: Path
) -> None:
    trainings = [_warmed_up(_training(STACKED[kind], tmp_path / str(i))) for i in range(2)]
    if (reason := why_apart(trainings)) is not None:
        pytest.skip(reason)
    together = Together([trainer_of(training) for training in trainings])
    together.stack.train()
    together.steps.rates_differ = True  # which takes more than the same rate for all does
    assert together.steps.run(islice(together.draws(), 1), together.rates()).shape == (2,)
    assert together.steps.is_captured
    together._give(1, together.trainers[1])


def test_a_network_for_crops_takes_steps_and_is_validated(gpu: FakeGpu, tmp_path: Path) -> None:
    """Its pictures are read for each batch, and its steps are one by one: nothing is captured."""
    (experiment,) = (case for case in CASES.values() if isinstance(case, HrnetExperiment))
    runs = list(_runs())
    crops = painted_crops(runs, tmp_path / "crops.npy")
    build, task = detection._detection_training(runs, crops, experiment, DANCE_14)
    model = build()
    optimiser = make_optimiser(model, experiment.training)
    plain = steps.Steps(model, task, optimiser, moving_average(model, 0.9))
    plain.run(task.batches(torch.Generator().manual_seed(0)), [(1e-3,)])
    assert set(task.validate(model)) > {"score"}
    assert len(detect_runs(model, runs, crops)) == len(runs)
