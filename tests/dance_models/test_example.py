"""The example request of a logged model is of the data, and says what it is of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.testing import assert_allclose

from dance_models.checkpoint import experiment_to_plain, save_checkpoint
from dance_models.config import (
    MkffStGcnConfig,
    PredictionExperiment,
    RecognitionExperiment,
    StgaNetConfig,
    TrainingConfig,
)
from dance_models.data.forecast_windows import OBSERVED
from dance_models.export.example import real_example
from dance_models.export.program import exportable
from dance_models.nets.build import build_forecaster, build_refiner
from dance_models.skeleton import DANCE_14
from dance_models.training.synthetic import synthetic_runs

SMALL = MkffStGcnConfig(
    spatial_channels=4, kinematic_channels=4, spatial_blocks=1, attention_blocks=1
)


def _checkpoint(folder: Path, experiment: RecognitionExperiment | PredictionExperiment) -> Path:
    torch.manual_seed(0)
    network = (
        build_refiner(experiment.net)
        if isinstance(experiment, RecognitionExperiment)
        else build_forecaster(experiment.net)
    )
    state = {
        "model": network.state_dict(),
        "experiment": experiment_to_plain(experiment),
        "labels": (),
    }
    path = folder / "best.pt"
    save_checkpoint(state, path)
    return path


def _runs() -> list:  # type: ignore[type-arg]
    return [
        replace(run, split=split)
        for run, split in zip(synthetic_runs(3, 60), ("train", "val", "test"), strict=True)
    ]


def test_a_forecasters_example_is_of_the_validation_split(tmp_path: Path) -> None:
    """In torso lengths about the pelvis of the last pose, which the network answers."""
    runs = _runs()
    experiment = PredictionExperiment(StgaNetConfig(channels=4, hidden=8), TrainingConfig())
    example = real_example(_checkpoint(tmp_path, experiment), runs, tmp_path)
    assert example is not None
    assert (example.clip, example.split) == (runs[1].clip, "val")
    assert example.inputs.shape == (2, OBSERVED, 14, 2)
    first, last = example.frames
    assert 0 <= first < last < 60
    hips = [DANCE_14.names.index(f"{side}_hip") for side in ("left", "right")]
    assert_allclose(example.inputs[:, -1, hips].mean(dim=1), np.zeros((2, 2)), atol=1e-5)
    # The last pose is that of the clip, but for its place and size.
    truth = runs[1].annotation[list(runs[1].frame).index(last)]
    torso = np.linalg.norm(truth[hips].mean(0) - truth[DANCE_14.names.index("neck")])
    shown = np.array([place for _, place in example.joints])
    assert_allclose(shown * torso, truth - truth[hips].mean(0), rtol=0.2, atol=0.05 * torso)
    facts = example.facts()
    assert (facts["input"], facts["output"]) == ([27, 14, 2], [10, 14, 2])
    assert [row["joint"] for row in facts["joints"]] == list(DANCE_14.names)


def test_a_refiners_example_has_the_inputs_shape_and_real_positions(tmp_path: Path) -> None:
    runs = _runs()
    experiment = RecognitionExperiment(SMALL, TrainingConfig())
    checkpoint = _checkpoint(tmp_path, experiment)
    example = real_example(checkpoint, runs, tmp_path)
    assert example is not None
    _, random = exportable(checkpoint)
    assert example.inputs.shape == random.shape
    assert example.split == "val"
    assert example.frames[1] - example.frames[0] == SMALL.window - 1
    current = example.inputs[0, SMALL.window // 2, : 14 * 9].reshape(14, 9)[:, :2]
    assert_allclose(np.array([place for _, place in example.joints]), current, atol=1e-4)
    assert torch.isfinite(example.inputs).all()
    assert example.facts()["output"] == [SMALL.window, 14, 2]


def test_other_runs_serve_when_validation_is_too_short(tmp_path: Path) -> None:
    """A single window is shown twice, so that the batch stays two; without any there is none."""
    experiment = PredictionExperiment(StgaNetConfig(channels=4, hidden=8), TrainingConfig())
    checkpoint = _checkpoint(tmp_path, experiment)
    short = [replace(run, split="val") for run in synthetic_runs(1, 10)]
    assert real_example(checkpoint, short, tmp_path) is None
    long = [replace(run, split="train", clip="long") for run in synthetic_runs(1, 60)]
    example = real_example(checkpoint, [*short, *long], tmp_path)
    assert example is not None
    assert (example.clip, example.split, len(example.inputs)) == ("long", "train", 2)
