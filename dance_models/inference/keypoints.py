"""Using trained networks: poses in pixels in, poses in pixels out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dance_models.config import PredictionExperiment, RecognitionExperiment
from dance_models.data.forecast_windows import (
    FUTURE,
    GRID_S,
    OBSERVED,
    ForecastWindows,
    fill_missing,
    resample,
)
from dance_models.data.pose_runs import PoseRun
from dance_models.data.refine_windows import (
    RefineFrames,
    reference_frame,
    refine_frames,
    window_indices,
)
from dance_models.errors import InputError
from dance_models.geometry import mirror_keypoints, pelvis, torso_length
from dance_models.nets.build import Refiner, build_forecaster, build_refiner, skeleton_of
from dance_models.nets.mkff_st_gcn import MkffStGcn, outputs
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.training.checkpoint import (
    checkpoint_skeleton,
    experiment_from_plain,
    load_checkpoint,
)
from dance_models.training.refine_batches import RefineTensors

BATCH = 128  # larger ones leave the cache of a CPU


def load_refiner(checkpoint: Path) -> Refiner:
    """A trained recognition network, ready to use. Raises InputError on another's checkpoint."""
    state = load_checkpoint(checkpoint)
    experiment = experiment_from_plain(state["experiment"])
    if not isinstance(experiment, RecognitionExperiment):
        raise InputError("this is not a recognition network", file=checkpoint)
    model = build_refiner(experiment.net, checkpoint_skeleton(state))
    model.load_state_dict(state["model"])
    return model.eval()


def style_labels(checkpoint: Path) -> tuple[str, ...]:
    """Names of the style head's classes, in the order of its logits; empty without that head."""
    return tuple(load_checkpoint(checkpoint)["labels"])


def load_forecaster(checkpoint: Path) -> nn.Module:
    """A trained prediction network, ready to use. Raises InputError on another's checkpoint."""
    state = load_checkpoint(checkpoint)
    experiment = experiment_from_plain(state["experiment"])
    if not isinstance(experiment, PredictionExperiment):
        raise InputError("this is not a prediction network", file=checkpoint)
    model = build_forecaster(experiment.net, checkpoint_skeleton(state))
    model.load_state_dict(state["model"])
    return model.eval()


# --- recognition ------------------------------------------------------------------------------


def mirrored_run(run: PoseRun, skeleton: Skeleton = DANCE_14) -> PoseRun:
    """The run as a mirror would show it: left and right swapped; twice is the identity."""
    marks, axis = run.landmarks.copy(), skeleton.lateral_axis
    marks[..., axis] = run.width - 1 - marks[..., axis]
    if marks.shape[1] == skeleton.num_landmarks:
        marks = marks[:, list(skeleton.landmark_mirror)]
    estimate, annotation = (
        mirror_keypoints(poses, run.width, skeleton=skeleton).astype(np.float32)
        for poses in (run.estimate, run.annotation)
    )
    return replace(
        run,
        estimate=estimate,
        score=run.score[:, skeleton.mirror],
        landmarks=marks,
        annotation=annotation,
        visibility=run.visibility[:, skeleton.mirror],
    )


def refine_runs(
    model: Refiner, runs: Sequence[PoseRun], *, stride: int = 1, overlap: bool = True
) -> list[NDArray[np.float32]]:
    """Refine every run; (T, J, D) in pixels each.

    The windows that cover a frame, every ``stride``-th, are averaged, as is the refinement of the
    mirrored run when the configuration says so. Without ``overlap`` a frame is what the window
    about it says alone. Gaps in the estimate are filled and refined; a run in which nobody was
    ever found stays NaN.
    """
    refined = _refine(model, runs, stride, overlap=overlap)
    if not model.config.test_mirror:
        return refined
    skeleton = model.skeleton
    flipped = [mirrored_run(run, skeleton) for run in runs]
    mirrored = _refine(model, flipped, stride, overlap=overlap)
    return [
        ((pose + mirror_keypoints(other, run.width, skeleton=skeleton)) / 2).astype(np.float32)
        for run, pose, other in zip(runs, refined, mirrored, strict=True)
    ]


def refine_mirror_gap(
    model: Refiner, runs: Sequence[PoseRun], *, stride: int = 1
) -> list[NDArray[np.float32]]:
    """Distance (T, J) in pixels between what the network says of a run and of its mirror image.

    The network alone, without the averaging that makes :func:`refine_runs` symmetric. 0 is a
    network that treats left and right alike; NaN where a run has no estimate.
    """
    straight = _refine(model, runs, stride)
    skeleton = model.skeleton
    mirrored = _refine(model, [mirrored_run(run, skeleton) for run in runs], stride)
    return [
        np.linalg.norm(pose - mirror_keypoints(other, run.width, skeleton=skeleton), axis=-1)
        for run, pose, other in zip(runs, straight, mirrored, strict=True)
    ]


@torch.no_grad()
def _refine(
    model: Refiner, runs: Sequence[PoseRun], stride: int, *, overlap: bool = True
) -> list[NDArray[np.float32]]:
    if not runs:
        return []
    frames = refine_frames(runs, model.config, model.skeleton)
    # A causal network speaks of the last frame of a window: one window for each frame.
    alone = model.config.causal or not overlap
    windows = window_indices(frames, model.config.window, 1 if alone else stride)
    poses = np.concatenate([pose for pose, _ in _network_outputs(model, frames, windows)])
    averaged = _average(frames, windows, poses, reference_frame(model.config), alone=alone)
    found = [np.isfinite(run.estimate).any() for run in runs]
    parts = np.split(averaged * frames.scale[:, None, None], frames.start[1:-1])
    return [
        part.astype(np.float32) if any_found else np.full_like(run.estimate, np.nan)
        for run, part, any_found in zip(runs, parts, found, strict=True)
    ]


def _network_outputs(
    model: Refiner, frames: RefineFrames, windows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
    """Refined poses (B, T, J, D) and style logits (B, classes) of batches of windows."""
    model.eval()
    data = RefineTensors(frames, model.config, next(model.parameters()).device)
    for chosen in torch.split(torch.from_numpy(windows), BATCH):
        pose, logits = outputs(model(data.batch(chosen).packed))
        yield pose.cpu().numpy(), None if logits is None else logits.cpu().numpy()


@torch.no_grad()
def classify_styles(model: Refiner, runs: Sequence[PoseRun]) -> NDArray[np.int64]:
    """Style number of every run (R,), from the mean logits of its windows; ``style_labels`` names.

    Raises InputError when the network has no style head.
    """
    if not isinstance(model, MkffStGcn) or model.style is None:
        raise InputError("the network was trained without a style head (style_classes is 0)")
    styles = []
    for run in runs:
        frames = refine_frames([run], model.config, model.skeleton)
        windows = window_indices(frames, model.config.window)
        parts = [x for _, x in _network_outputs(model, frames, windows) if x is not None]
        styles.append(int(np.concatenate(parts).mean(axis=0).argmax()))
    return np.array(styles, dtype=np.int64)


def _average(
    frames: RefineFrames,
    windows: NDArray[np.int64],
    outputs: NDArray[np.float32],
    reference: int,
    *,
    alone: bool,
) -> NDArray[np.float64]:
    """Mean over the windows that hold a frame; ``alone``, the window whose reference it is."""
    poses = outputs + frames.centre[windows[:, reference]][:, None, None]
    weight = np.ones(windows.shape)
    if alone:
        weight[:] = np.arange(windows.shape[1]) == reference
        # Frames near the ends of a run are the reference of no window.
        weight[np.isin(windows[:, 0], frames.start), :reference] = 1
        weight[np.isin(windows[:, -1], frames.start[1:] - 1), reference + 1 :] = 1
    total = np.zeros((len(frames), *poses.shape[2:]))
    count = np.zeros(len(frames))
    np.add.at(total, windows, poses * weight[..., None, None])
    np.add.at(count, windows, weight)
    return np.asarray(total / count[:, None, None])


def refine_observed(
    model: Refiner, runs: Sequence[PoseRun], windows: ForecastWindows, *, stride: int = 3
) -> NDArray[np.float32]:
    """The observed part of each forecast window, refined; (N, 27, J, D) in pixels.

    Each window is refined from the real frames between its first and its last observed time and
    from nothing after them, so a forecast from refined poses does not peek. NaN where nobody was
    found in those frames. ``stride`` as in :func:`refine_runs`: 3 forecasts as well as 1 does, at
    a third of the time.
    """
    pieces, grids = [], []
    for index, anchor in zip(windows.run, windows.anchor, strict=True):
        run = runs[index]
        grid = run.time_s[anchor] + GRID_S[:OBSERVED]
        first = max(int(np.searchsorted(run.time_s, grid[0] + 1e-6, side="right")) - 1, 0)
        pieces.append(slice_run(run, first, int(anchor) + 1))
        grids.append(grid)
    refined = refine_runs(model, pieces, stride=stride)
    observed = [
        fill_missing(resample(piece.time_s, pose, grid))
        for piece, pose, grid in zip(pieces, refined, grids, strict=True)
    ]
    return np.stack(observed) if observed else windows.observed


def slice_run(run: PoseRun, start: int, stop: int) -> PoseRun:
    """Frames ``start`` to ``stop - 1`` of a run."""
    names = ("frame", "time_s", "estimate", "score", "landmarks", "annotation", "visibility")
    return replace(run, **{name: getattr(run, name)[start:stop] for name in names})


# --- prediction -------------------------------------------------------------------------------


def window_scale(
    observed: NDArray[np.floating], *, skeleton: Skeleton = DANCE_14
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centre (N, 1, 1, D): last observed pelvis; scale (N, 1, 1, 1): median observed torso."""
    centre = pelvis(observed[:, -1], skeleton=skeleton)[:, None, None]
    torso = np.maximum(np.median(torso_length(observed, skeleton=skeleton), axis=1), 1.0)
    return centre.astype(np.float32), torso[:, None, None, None].astype(np.float32)


@torch.no_grad()
def forecast(model: nn.Module, observed: NDArray[np.floating]) -> NDArray[np.float32]:
    """Observed poses (N, 27, J, D) in pixels -> forecast (N, 10, J, D) in pixels."""
    if not len(observed):
        return np.zeros((0, FUTURE, *observed.shape[2:]), np.float32)
    model.eval()
    device = next(model.parameters()).device
    centre, scale = window_scale(observed, skeleton=skeleton_of(model))
    inputs = torch.from_numpy(((observed - centre) / scale).astype(np.float32))
    parts = [model(chunk.to(device)).float().cpu().numpy() for chunk in torch.split(inputs, BATCH)]
    return np.asarray(np.concatenate(parts) * scale + centre)


def forecast_mirror_gap(model: nn.Module, observed: NDArray[np.floating]) -> NDArray[np.float32]:
    """Distance (N, 10, J) in pixels between forecasts of windows and of their mirror images."""
    width = 1  # any: the network sees poses about the pelvis
    skeleton = skeleton_of(model)
    other = forecast(model, mirror_keypoints(observed, width, skeleton=skeleton))
    gap = forecast(model, observed) - mirror_keypoints(other, width, skeleton=skeleton)
    return np.asarray(np.linalg.norm(gap, axis=-1))
