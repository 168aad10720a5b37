"""Batches for the recognition network: cut, transformed about the window's centre, packed."""

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.batches.geometry import Geometry
from dance_models.config import RefinerConfig, TrainingConfig
from dance_models.data.refine_windows import RefineFrames, reference_frame
from dance_models.nets.refiner_input import joint_features, joint_width
from dance_models.skeleton import DANCE_14, Skeleton


class RefineBatch(NamedTuple):
    """A batch of windows, packed for the network, with its target."""

    packed: Tensor  # (B, T, width)
    target: Tensor  # (B, T, J, D)
    visible: Tensor  # (B, T, J)
    frames: Tensor  # (B, T) frame numbers, on the CPU


class RefineTensors:
    """All frames as tensors on the device; cuts, augments and packs batches."""

    def __init__(self, frames: RefineFrames, config: RefinerConfig, device: torch.device) -> None:
        def tensor(values: NDArray[Any]) -> Tensor:
            return torch.from_numpy(values).to(device)

        self.config, self.device, self.skeleton = config, device, frames.skeleton
        self.pose, self.flow = tensor(frames.pose), tensor(frames.flow)
        self.velocity = tensor(frames.velocity)
        self.acceleration = tensor(frames.acceleration)
        self.confidence, self.landmarks = tensor(frames.confidence), tensor(frames.landmarks)
        self.target, self.visible = tensor(frames.target), tensor(frames.visible)
        self.centre = tensor(frames.centre)

    def batch(
        self,
        windows: Tensor,
        geometry: Geometry | None = None,
        hidden: Tensor | None = None,
    ) -> RefineBatch:
        """Windows (B, T) of frame numbers as a packed batch.

        ``geometry`` is applied about each window's centre; ``hidden`` (B, T, J) marks joints that
        are masked as missing.
        """
        frames = windows
        windows = windows.to(self.device)
        centre = self.centre[windows[:, reference_frame(self.config)]][:, None, None]
        pose, flow = self.pose[windows] - centre, self.flow[windows] - centre
        target, visible = self.target[windows] - centre, self.visible[windows]
        velocity, acceleration = self.velocity[windows], self.acceleration[windows]
        confidence, marks = self.confidence[windows], self.landmarks[windows]
        axes = self.skeleton.dimensions
        marks = torch.cat([marks[..., :axes] - centre, marks[..., axes:]], dim=-1)
        if geometry is not None:
            pose, flow, target = (geometry.poses(x) for x in (pose, flow, target))
            velocity, acceleration = geometry.poses(velocity), geometry.poses(acceleration)
            confidence = geometry.swap_joints(confidence, 2)
            visible = geometry.swap_joints(visible, 2)
            marks = torch.cat([geometry.vectors(marks[..., :axes]), marks[..., axes:]], dim=-1)
            marks = geometry.swap_landmarks(marks, 2)
        if hidden is not None:
            pose, flow = _held(pose, hidden), _held(flow, hidden)
            velocity = velocity.masked_fill(hidden[..., None], 0)
            acceleration = acceleration.masked_fill(hidden[..., None], 0)
            confidence = confidence.masked_fill(hidden, 0)
        joints = torch.cat([pose, flow, velocity, acceleration, confidence[..., None]], dim=-1)
        packed = torch.cat([joints.flatten(2), marks.flatten(2)], dim=-1)
        return RefineBatch(packed, target, visible, frames)


def _held(values: Tensor, hidden: Tensor) -> Tensor:
    """Hold the last shown value of (B, T, J, D) over hidden frames, as filling a gap would.

    A joint hidden from the first frame on shows the first value that is not.
    """
    shown = ~hidden
    steps = torch.arange(values.shape[1], device=values.device)[None, :, None]
    last = torch.where(shown, steps, -1).cummax(dim=1).values
    first = shown.int().argmax(dim=1, keepdim=True)
    source = torch.where(last < 0, first, last)
    return values.gather(1, source[..., None].expand_as(values))


def jittered(
    batch: RefineBatch,
    deviation: float,
    generator: torch.Generator,
    skeleton: Skeleton = DANCE_14,
) -> RefineBatch:
    """Add Gaussian noise, in torso lengths, to all features of the joints but the confidence."""
    count, frames, width = batch.packed.shape
    shape = (count, frames, skeleton.num_joints, joint_features(skeleton))
    noise = deviation * torch.randn(shape, generator=generator)
    noise[..., -1] = 0  # the confidence
    padded = nn.functional.pad(noise.flatten(2), (0, width - joint_width(skeleton)))
    return batch._replace(packed=batch.packed + padded.to(batch.packed.device))


def draw_hidden(
    batch: int,
    window: int,
    config: TrainingConfig,
    generator: torch.Generator,
    skeleton: Skeleton = DANCE_14,
) -> Tensor:
    """(B, T, J) joints hidden for a span of frames, drawn independently for each joint."""
    shape = (batch, 1, skeleton.num_joints)
    chosen = torch.rand(shape, generator=generator) < config.joint_mask_probability
    start = torch.randint(0, window, shape, generator=generator)
    length = torch.randint(1, window, shape, generator=generator)
    frame = torch.arange(window)[None, :, None]
    return chosen & (frame >= start) & (frame < start + length)
