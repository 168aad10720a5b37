"""A real input of a trained network, from the data, with what it means in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dance_models.batches.crops import pictures_of
from dance_models.batches.refine import RefineTensors
from dance_models.data.crops import CROP, Crops
from dance_models.data.forecast_windows import GRID_S, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import reference_frame, refine_frames, window_indices
from dance_models.data.refiner_runs import prepared_runs
from dance_models.export.program import EXAMPLE_BATCH, exportable
from dance_models.inference.forecast import window_scale
from dance_models.nets.build import Refiner, skeleton_of
from dance_models.nets.hrnet import Hrnet
from dance_models.nets.refiner_input import joint_features


@dataclass(frozen=True, eq=False)
class Example:
    """A network in evaluation mode, an input of two windows, and where it is from."""

    network: nn.Module
    inputs: Tensor  # as :func:`dance_models.export.program.exportable` says
    clip: str
    split: str
    frames: tuple[int, int]  # first and last frame of the first window
    joints: tuple[tuple[str, tuple[float, ...]], ...]  # of the first window's current pose

    def facts(self) -> dict[str, Any]:
        """Plain values: shapes of input and output, where it is from, one pose by joint."""
        with torch.no_grad():
            output = self.network(self.inputs)
        return {
            "clip": self.clip,
            "split": self.split,
            "frames": list(self.frames),
            "input": list(self.inputs.shape[1:]),
            "output": list(output.shape[1:]),
            "joints": [{"joint": name, "position": list(place)} for name, place in self.joints],
        }


def real_example(checkpoint: Path, runs: Sequence[PoseRun], crops: Path) -> Example | None:
    """An input from the runs of the validation split, else from other ones; None without any.

    ``crops``: the pixels of the person crops, for a network that reads them. Raises InputError when
    a file cannot be read.
    """
    network, _ = exportable(checkpoint)
    order = sorted(
        (run for run in runs if run.variant == 0), key=lambda run: (run.split != "val", run.clip)
    )
    for run in order:
        if isinstance(network, Refiner):
            found = _of_refiner(network, run)
        elif isinstance(network, Hrnet):
            found = _of_detector(network, run, crops)
        else:
            found = _of_forecaster(network, run)
        if found is not None:
            return found
    return None


def _of_refiner(network: Refiner, run: PoseRun) -> Example | None:
    """Two windows of frames in which a person was found, from the middle of the run."""
    config, skeleton = network.config, network.skeleton
    part = prepared_runs(run, config, skeleton)[0]
    frames = refine_frames([part], config, skeleton)
    windows = window_indices(frames, config.window, causal=config.causal)
    windows = windows[frames.observed[windows].all(axis=-1)]
    if not len(windows):
        return None
    chosen = _two(windows)
    data = RefineTensors(frames, config, torch.device("cpu"))
    inputs = data.batch(torch.from_numpy(chosen)).packed
    width, axes = joint_features(skeleton), skeleton.dimensions
    current = inputs[0, reference_frame(config)]
    places = [current[width * j : width * j + axes].tolist() for j in range(skeleton.num_joints)]
    span = part.frame[chosen[0]]
    return Example(
        network, inputs, run.clip, run.split, (int(span[0]), int(span[-1])),
        _named(skeleton.names, places),
    )  # fmt: skip


def _of_forecaster(network: nn.Module, run: PoseRun) -> Example | None:
    """Two windows of annotated poses, as they are trained on."""
    skeleton = skeleton_of(network)
    annotated = np.where(run.visibility[..., None] > 0, run.annotation, np.nan)
    windows = cut_windows([run], [annotated], skeleton=skeleton)
    if not len(windows):
        return None
    chosen = _two(np.arange(len(windows)))
    observed = windows.observed[chosen]
    centre, scale = window_scale(observed, skeleton=skeleton)
    inputs = torch.from_numpy(((observed - centre) / scale).astype(np.float32))
    last = int(windows.anchor[chosen[0]])
    first = int(np.searchsorted(run.time_s, run.time_s[last] + GRID_S[0] - 1e-6))
    return Example(
        network, inputs, run.clip, run.split, (int(run.frame[first]), int(run.frame[last])),
        _named(skeleton.names, inputs[0, -1].tolist()),
    )  # fmt: skip


def _of_detector(network: Hrnet, run: PoseRun, crops: Path) -> Example | None:
    """Two crops; there are no positions in the input."""
    if not len(run):
        return None
    chosen = _two(np.arange(len(run)))
    opened = Crops.open(crops)
    rows = opened.rows_of([run.clip] * len(chosen), run.frame[chosen].tolist())
    inputs = pictures_of(opened.pixels(rows), torch.device("cpu"))
    assert inputs.shape[-2:] == CROP
    at = int(run.frame[chosen[0]])
    return Example(network, inputs, run.clip, run.split, (at, at), ())


def _two(windows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Two of (N, ...) from the middle on; the only one twice."""
    middle = len(windows) // 2
    return windows[[middle, min(middle + 1, len(windows) - 1)]][:EXAMPLE_BATCH]


def _named(
    names: Sequence[str], places: Sequence[Sequence[float]]
) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return tuple(
        (name, tuple(round(value, 4) for value in place))
        for name, place in zip(names, places, strict=True)
    )
