"""A trained network and an example batch, ready for ``torch.export``."""

from pathlib import Path

import torch
from torch import Tensor, nn

from dance_models.checkpoint import checkpoint_skeleton, experiment_from_plain, load_checkpoint
from dance_models.config import HrnetExperiment, RecognitionExperiment
from dance_models.data.crops import CROP
from dance_models.data.forecast_windows import OBSERVED
from dance_models.inference.loading import load_detector, load_forecaster, load_refiner
from dance_models.nets.refiner_input import packed_width

# A batch of one would freeze the batch size of the exported program.
EXAMPLE_BATCH = 2


def exportable(checkpoint: Path) -> tuple[nn.Module, Tensor]:
    """The network of a checkpoint in evaluation mode, and an input of two windows.

    Recognition takes (B, T, packed width), or crops (B, 3, 128, 96) in -1..1; prediction
    (B, 27, J, D). Raises InputError when the checkpoint cannot be read.
    """
    state = load_checkpoint(checkpoint)
    experiment, skeleton = experiment_from_plain(state["experiment"]), checkpoint_skeleton(state)
    generator = torch.Generator().manual_seed(0)
    if isinstance(experiment, RecognitionExperiment):
        width = packed_width(experiment.net.landmarks, skeleton, experiment.net.evidence)
        shape = (EXAMPLE_BATCH, experiment.net.window, width)
        return load_refiner(checkpoint), torch.randn(shape, generator=generator)
    if isinstance(experiment, HrnetExperiment):
        crops = 2 * torch.rand((EXAMPLE_BATCH, 3, *CROP), generator=generator) - 1
        return load_detector(checkpoint), crops
    shape4 = (EXAMPLE_BATCH, OBSERVED, skeleton.num_joints, skeleton.dimensions)
    return load_forecaster(checkpoint), torch.randn(shape4, generator=generator)
