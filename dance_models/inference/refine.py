"""Running a trained recognition network: estimated poses in, refined poses out, in pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from dance_models.batches.refine import RefineTensors
from dance_models.config import JointDefinition, RefinerConfig
from dance_models.data.exchanged_sides import undo_exchanges
from dance_models.data.forecast_windows import (
    GRID_S,
    OBSERVED,
    ForecastWindows,
    fill_missing,
    resample,
)
from dance_models.data.pose_runs import PoseRun, frames_of
from dance_models.data.refine_windows import (
    RefineFrames,
    reference_frame,
    refine_frames,
    window_indices,
)
from dance_models.data.refiner_runs import joined, prepared_runs
from dance_models.evidence import MIRRORED_XY, turned
from dance_models.geometry import mirror_keypoints
from dance_models.inference.definitions import repaired
from dance_models.nets.build import Refiner
from dance_models.nets.mkff_st_gcn import outputs
from dance_models.nets.threads import torch_threads
from dance_models.skeleton import DANCE_14, Skeleton

BATCH = 128  # larger ones leave the cache of a CPU


def mirrored_run(run: PoseRun, skeleton: Skeleton = DANCE_14) -> PoseRun:
    """The run as a mirror would show it: left and right swapped; twice is the identity."""
    marks, axis = run.landmarks.copy(), skeleton.lateral_axis
    marks[..., axis] = run.width - 1 - marks[..., axis]
    evidence = turned(run.evidence, np.diag([-1.0, 1.0]))
    evidence[..., MIRRORED_XY[0]] = run.width - 1 - evidence[..., MIRRORED_XY[0]]
    marks, evidence = (
        values[:, list(skeleton.landmark_mirror)]
        if values.shape[1] == skeleton.num_landmarks
        else values
        for values in (marks, evidence)
    )
    estimate, annotation, consensus = (
        mirror_keypoints(poses, run.width, skeleton=skeleton).astype(np.float32)
        for poses in (run.estimate, run.annotation, run.consensus)
    )
    return replace(
        run,
        estimate=estimate,
        score=run.score[:, skeleton.mirror],
        landmarks=marks,
        evidence=evidence,
        annotation=annotation,
        visibility=run.visibility[:, skeleton.mirror],
        consensus=consensus,
        derived=run.derived[:, skeleton.mirror],
    )


def refine_runs(
    model: Refiner,
    runs: Sequence[PoseRun],
    *,
    stride: int = 1,
    overlap: bool = True,
    joints: JointDefinition = "annotation",
    restored: bool = False,
) -> list[NDArray[np.float32]]:
    """Refine every run; (T, J, D) in pixels each.

    ``restored``: exchanged sides were restored before, and are not looked for.

    ``joints``: as the annotators of the training clips define them, or as the estimator does.

    Every ``stride``-th window is refined, and the windows that cover a frame are averaged. When
    the configuration asks for it, so is the refinement of the mirrored run. Without ``overlap``
    each frame is taken from the window centred on it. Gaps in the estimate are filled and refined;
    a run in which no person was ever found stays NaN. A causal network gives each frame from that
    frame and those before it alone, and NaN until a person is found.
    """
    config = replace(model.config, undo_exchanges=False) if restored else model.config
    parts = [prepared_runs(run, config, model.skeleton) for run in runs]
    prepared = [part for of_run in parts for part in of_run]
    refined = iter(_refine_mirrored(model, prepared, stride, overlap=overlap))
    poses = [joined([next(refined) for _ in of_run]) for of_run in parts]
    if joints == "annotation":
        return poses
    seen = [joined([part.estimate for part in of_run]) for of_run in parts]
    causal, skeleton = model.config.causal, model.skeleton
    return [
        repaired(estimate, pose, causal=causal, skeleton=skeleton)
        for pose, estimate in zip(poses, seen, strict=True)
    ]


def _refine_mirrored(
    model: Refiner, runs: Sequence[PoseRun], stride: int, *, overlap: bool
) -> list[NDArray[np.float32]]:
    """The mean of the refinements of prepared runs and of their mirror images, where asked."""
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
    """Distance (T, J) in pixels between the refinements of a run and of its mirror image.

    This is of the network alone, without the averaging that makes :func:`refine_runs` symmetric.
    It is 0 for a network that treats left and right alike, and NaN where a run has no estimate.
    """
    skeleton = model.skeleton
    parts = [prepared_runs(run, model.config, skeleton) for run in runs]
    prepared = [part for of_run in parts for part in of_run]
    straight = _refine(model, prepared, stride)
    mirrored = _refine(model, [mirrored_run(run, skeleton) for run in prepared], stride)
    gaps = iter(
        np.linalg.norm(pose - mirror_keypoints(other, run.width, skeleton=skeleton), axis=-1)
        for run, pose, other in zip(prepared, straight, mirrored, strict=True)
    )
    return [joined([next(gaps) for _ in of_run]) for of_run in parts]


@torch.no_grad()
@torch_threads()
def _refine(
    model: Refiner, runs: Sequence[PoseRun], stride: int, *, overlap: bool = True
) -> list[NDArray[np.float32]]:
    if not runs:
        return []
    config = model.config
    frames = refine_frames(runs, config, model.skeleton)
    # A causal network refines the last frame of a window: it needs one window for each frame.
    alone = config.causal or not overlap
    windows = window_indices(frames, config.window, 1 if alone else stride, causal=config.causal)
    poses = np.concatenate(list(_refined_windows(model, frames, windows)))
    pixels = _average(frames, windows, poses, config, alone=alone)
    parts = np.split(pixels.astype(np.float32), frames.start[1:-1])
    observed = np.split(frames.observed > 0, frames.start[1:-1])
    for part, seen in zip(parts, observed, strict=True):
        if config.causal:
            part[~np.logical_or.accumulate(seen)] = np.nan  # nothing is known yet
        elif not seen.any():
            part[:] = np.nan
    return parts


@torch.no_grad()
@torch_threads()
def refine_last(model: Refiner, runs: Sequence[PoseRun]) -> NDArray[np.float32]:
    """The last frame of each prepared run by a causal network alone, (R, J, D) pixels.

    One window a run, in one batch: what :func:`refine_runs` gives for that frame before the
    joints' definition is taken out of it, without refining the frames before it. ``runs`` are those
    of :func:`prepared_runs`. NaN when nobody was seen up to that frame. Raises ValueError for a
    network that is not causal.
    """
    config, skeleton = model.config, model.skeleton
    if not config.causal:
        raise ValueError("only a causal network refines a frame without those after it")
    flipped = [mirrored_run(run, skeleton) for run in runs] if config.test_mirror else []
    frames = refine_frames([*runs, *flipped], config, skeleton)
    every = window_indices(frames, config.window, causal=True)
    windows = every[frames.start[1:] - 1]
    last, at = reference_frame(config), windows[:, -1]
    poses = np.concatenate(list(_refined_windows(model, frames, windows)))[:, last]
    pixels = (poses + frames.centre[at][:, None]) * frames.scale[at][:, None, None]
    straight = pixels[: len(runs)]
    if flipped:
        mirrored = [
            mirror_keypoints(pose, run.width, skeleton=skeleton)
            for run, pose in zip(runs, pixels[len(runs) :], strict=True)
        ]
        straight = (straight + np.stack(mirrored)) / 2
    pieces = zip(frames.start[: len(runs)], frames.start[1:], strict=False)
    nobody = [not (frames.observed[first:stop] > 0).any() for first, stop in pieces]
    straight[nobody] = np.nan
    return straight.astype(np.float32)


def _refined_windows(
    model: Refiner, frames: RefineFrames, windows: NDArray[np.int64]
) -> Iterator[NDArray[np.float32]]:
    """Refined poses (B, T, J, D) of batches of windows."""
    if model.training:  # eval() visits every module, for each frame of a live one
        model.eval()
    data = RefineTensors(frames, model.config, next(model.parameters()).device)
    for chosen in torch.split(torch.from_numpy(windows), BATCH):
        pose, _ = outputs(model(data.batch(chosen).packed))
        yield pose.cpu().numpy()


def _average(
    frames: RefineFrames,
    windows: NDArray[np.int64],
    outputs: NDArray[np.float32],
    config: RefinerConfig,
    *,
    alone: bool,
) -> NDArray[np.float64]:
    """Pixels, the mean over the windows that hold a frame.

    With ``alone`` it is of the window whose reference the frame is.
    """
    reference = reference_frame(config)
    at = windows[:, reference]
    poses = (outputs + frames.centre[at][:, None, None]) * frames.scale[at][:, None, None, None]
    weight = np.ones(windows.shape)
    if alone:
        weight[:] = np.arange(windows.shape[1]) == reference
    if alone and not config.causal:
        # Frames near the ends of a run are the reference of no window.
        weight[np.isin(windows[:, 0], frames.start), :reference] = 1
        weight[np.isin(windows[:, -1], frames.start[1:] - 1), reference + 1 :] = 1
    total = np.zeros((len(frames), *poses.shape[2:]))
    count = np.zeros(len(frames))
    np.add.at(total, windows, poses * weight[..., None, None])
    np.add.at(count, windows, weight)
    return np.asarray(total / count[:, None, None])


def refine_observed(
    model: Refiner,
    runs: Sequence[PoseRun],
    windows: ForecastWindows,
    *,
    stride: int = 3,
    joints: JointDefinition = "annotation",
) -> NDArray[np.float32]:
    """The observed part of each forecast window, refined; (N, 27, J, D) in pixels.

    Each window is refined from the real frames between its first and its last observed time and
    from nothing after them, so a forecast from refined poses does not see the future. NaN where no
    person was found in those frames. ``stride`` and ``joints`` are those of :func:`refine_runs`: a
    stride of 3 gives forecasts as good as 1 does in a third of the time.
    """
    if model.config.undo_exchanges:
        # On whole runs: a window that is exchanged for the most part would be taken for the right
        # way round. Each frame by those before it, so that no window sees what comes after it.
        runs = [undo_exchanges(run, causal=True, skeleton=model.skeleton)[0] for run in runs]
    pieces, grids = [], []
    for index, anchor in zip(windows.run, windows.anchor, strict=True):
        run = runs[index]
        grid = run.time_s[anchor] + GRID_S[:OBSERVED]
        first = max(int(np.searchsorted(run.time_s, grid[0] + 1e-6, side="right")) - 1, 0)
        pieces.append(slice_run(run, first, int(anchor) + 1))
        grids.append(grid)
    refined = refine_runs(model, pieces, stride=stride, joints=joints, restored=True)
    observed = [
        fill_missing(resample(piece.time_s, pose, grid))
        for piece, pose, grid in zip(pieces, refined, grids, strict=True)
    ]
    return np.stack(observed) if observed else windows.observed


def slice_run(run: PoseRun, start: int, stop: int) -> PoseRun:
    """Frames ``start`` to ``stop - 1`` of a run."""
    return frames_of(run, slice(start, stop))
