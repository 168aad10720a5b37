"""Refining runs of any length in bounded memory: in pieces that overlap and are faded together."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.config import JointDefinition
from dance_models.data.pose_runs import PoseRun
from dance_models.inference.refine import refine_runs, slice_run
from dance_models.nets.build import Refiner

PIECE_S: Final = 60.0  # so that a dancer who comes nearer is measured by a torso of that time
OVERLAP_S: Final = 2.0
# Of every window each third one is refined: a third of the time, and joints move by 0.07 pixels.
STRIDE: Final = 3


Advance = Callable[[int], None]  # told how many more frames are refined


def refine_long(
    model: Refiner,
    run: PoseRun,
    joints: JointDefinition,
    *,
    stride: int = STRIDE,
    advance: Advance | None = None,
) -> NDArray[np.float32]:
    """The refined poses (T, J, D) of a run whose exchanged sides were restored before.

    A run of more than ``PIECE_S`` seconds is refined in pieces. Neighbours overlap, and the weight
    goes over from one to the other within the overlap; a causal network begins each piece in the
    overlap and is used from its end on, so that every frame follows from earlier ones alone.
    ``advance`` is called after each piece.
    """
    refined = np.full_like(run.estimate, np.nan)
    for start, stop, fade in pieces(run.time_s):
        piece = slice_run(run, start, stop)
        (poses,) = refine_runs(model, [piece], stride=stride, joints=joints, restored=True)
        if advance is not None:
            advance(len(piece) - fade)
        if not fade:
            refined[start:stop] = poses
            continue
        weight = np.linspace(0, 1, fade + 2)[1:-1, None, None]
        if model.config.causal:
            weight = np.zeros_like(weight)
        earlier = refined[start : start + fade]
        mixed = (1 - weight) * earlier + weight * poses[:fade]
        refined[start : start + fade] = np.where(np.isfinite(earlier), mixed, poses[:fade])
        refined[start + fade : stop] = poses[fade:]
    return refined


def pieces(time_s: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    """(start, stop, frames shared with the piece before) of the pieces of a run."""
    cut: list[tuple[int, int, int]] = []
    start, fade = 0, 0
    while True:
        end_s = time_s[start] + PIECE_S
        stop = int(np.searchsorted(time_s, end_s))
        if time_s[-1] - end_s < PIECE_S / 2:  # the last piece is not much shorter than the others
            cut.append((start, len(time_s), fade))
            return cut
        cut.append((start, stop, fade))
        start = int(np.searchsorted(time_s, end_s - OVERLAP_S))
        fade = stop - start
