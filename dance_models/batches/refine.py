"""Batches for the recognition network: cut, transformed about the window's centre, packed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.batches.geometry import Geometry, draw_geometry, places_on
from dance_models.config import RefinerConfig, TrainingConfig
from dance_models.data.refine_windows import RefineFrames, reference_frame
from dance_models.evidence import JOINT_LENGTHS, JOINT_VECTORS, joint_sources, shown_landmarks
from dance_models.nets.refiner_input import joint_features, joint_width
from dance_models.skeleton import DANCE_14, Skeleton


class RefineBatch(NamedTuple):
    """A batch of windows, packed for the network, with its target."""

    packed: Tensor  # (B, T, width)
    target: Tensor  # (B, T, J, D)
    visible: Tensor  # (B, T, J)
    style: Tensor  # (B,) class numbers, or (B, 0) without a style head


class RefineDraw(NamedTuple):
    """What is drawn for a batch, on the CPU; the batch is made from it wherever the frames are.

    The draws stay on the CPU, in one order, so that a seed means the same batches on every device.
    They are small: the frames never leave the device.
    """

    windows: Tensor  # (B, T) frame numbers
    matrix: Tensor  # (B, D, D)
    mirrored: Tensor  # (B,) bool
    hidden: Tensor  # (B, T, J) bool
    noise: Tensor  # (B, T, J, F) torso lengths, or (B, 0) without


class _Windows(NamedTuple):
    """What is cut from the frames for a batch, in torso lengths about each window's centre."""

    pose: Tensor  # (B, T, J, D)
    flow: Tensor  # (B, T, J, D)
    velocity: Tensor  # (B, T, J, D)
    acceleration: Tensor  # (B, T, J, D)
    confidence: Tensor  # (B, T, J)
    marks: Tensor  # (B, T, L, D + 1)
    evidence: Tensor  # (B, T, J, F)
    target: Tensor  # (B, T, J, D)
    visible: Tensor  # (B, T, J)

    def packed(self) -> Tensor:
        """(B, T, width), as the networks read it."""
        motion = [self.pose, self.flow, self.velocity, self.acceleration]
        joints = torch.cat([*motion, self.confidence[..., None]], dim=-1)
        parts = [part.flatten(2) for part in (joints, self.marks, self.evidence)]
        return torch.cat(parts, dim=-1)

    def moved(self, geometry: Geometry) -> "_Windows":
        """Turned, scaled and mirrored, left and right swapped where mirrored."""
        axes = self.pose.shape[-1]
        places = geometry.vectors(self.marks[..., :axes])
        marks = torch.cat([places, self.marks[..., axes:]], dim=-1)
        evidence = self.evidence
        if evidence.shape[-1]:
            evidence = evidence.clone()
            for pair in JOINT_VECTORS:
                turning = places_on(tuple(pair), evidence.device)
                turned = geometry.vectors(evidence.index_select(-1, turning))
                evidence.index_copy_(-1, turning, turned)
        return _Windows(
            pose=geometry.poses(self.pose),
            flow=geometry.poses(self.flow),
            velocity=geometry.poses(self.velocity),
            acceleration=geometry.poses(self.acceleration),
            confidence=geometry.swap_joints(self.confidence, 2),
            marks=geometry.swap_landmarks(marks, 2),
            evidence=geometry.swap_joints(evidence, 2),
            target=geometry.poses(self.target),
            visible=geometry.swap_joints(self.visible, 2),
        )


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
        self.evidence = tensor(frames.evidence)
        self.target, self.visible = tensor(frames.target), tensor(frames.visible)
        self.centre, self.scale = tensor(frames.centre), tensor(frames.scale)
        # Which landmarks show a joint (J, L), and which joints are made from those (J, J).
        shown = shown_landmarks(self.skeleton)
        made = shown @ (joint_sources(self.skeleton)[0] != 0).T | np.eye(len(shown), dtype=bool)
        self._shown = tensor(shown.astype(np.float32))
        self._made = tensor(made.astype(np.float32))

    def drawn(self, draw: RefineDraw) -> RefineBatch:
        """The batch of a draw whose tensors are on the device; no copy, nothing that waits."""
        geometry = Geometry(draw.matrix, draw.mirrored, self.skeleton)
        batch = self.batch(draw.windows, geometry, draw.hidden)
        return noisy(batch, draw.noise, self.skeleton) if draw.noise.shape[1] else batch

    def batch(
        self,
        windows: Tensor,
        geometry: Geometry | None = None,
        hidden: Tensor | None = None,
    ) -> RefineBatch:
        """Windows (B, T) of frame numbers as a packed batch.

        ``geometry`` is applied about each window's centre; ``hidden`` (B, T, J) marks joints that
        are masked as missing, and with them those that the estimator derives from them: nothing in
        the packed input follows from their estimate there.
        """
        cut = self._cut(windows.to(self.device))
        if geometry is not None:
            cut = cut.moved(geometry)
        if hidden is not None:
            cut = self._hide(cut, hidden)
        packed = cut.packed()
        return RefineBatch(packed, cut.target, cut.visible, packed.new_zeros(len(windows), 0))

    def draw(
        self, windows: Tensor, training: TrainingConfig, generator: torch.Generator
    ) -> RefineDraw:
        """Draw the augmentation of windows (B, T), on the CPU."""
        count, skeleton = len(windows), self.skeleton
        cpu = torch.device("cpu")
        geometry = draw_geometry(count, training, generator, cpu, skeleton)
        hidden = draw_hidden(count, self.config.window, training, generator, skeleton)
        noise = torch.zeros(count, 0)
        if training.jitter:
            noise = draw_noise(windows.shape, training.jitter, generator, skeleton)
        return RefineDraw(windows, geometry.matrix, geometry.mirrored, hidden, noise)

    def _cut(self, windows: Tensor) -> _Windows:
        reference = windows[:, reference_frame(self.config)]
        # Of a causal network each frame has its own scale: all of a window go by the last one.
        factor = (self.scale[windows] / self.scale[reference][:, None])[..., None, None]
        centre = self.centre[reference][:, None, None]
        marks, axes = self.landmarks[windows], self.skeleton.dimensions
        evidence = self.evidence[windows]
        if evidence.shape[-1]:
            places = places_on(tuple(JOINT_LENGTHS), evidence.device)
            lengths = evidence.index_select(-1, places) * factor
            evidence.index_copy_(-1, places, lengths)
        return _Windows(
            pose=self.pose[windows] * factor - centre,
            flow=self.flow[windows] * factor - centre,
            velocity=self.velocity[windows] * factor,
            acceleration=self.acceleration[windows] * factor,
            confidence=self.confidence[windows],
            marks=torch.cat([marks[..., :axes] * factor - centre, marks[..., axes:]], dim=-1),
            evidence=evidence,
            target=self.target[windows] * factor - centre,
            visible=self.visible[windows],
        )

    def _hide(self, cut: _Windows, hidden: Tensor) -> _Windows:
        """Mask joints as gaps in the estimate would be, wherever their estimate is read."""
        config, ahead = self.config, 0 if self.config.causal else 1
        hidden = (hidden.float() @ self._made) > 0
        held = _held(cut.pose, hidden)
        # Differences and means over frames beside a hidden one hold its estimate too.
        flow_hidden = _near(hidden, 1, ahead)
        step = _near(hidden, 2, ahead) if config.kinematics_of_flow else _near(hidden, 1, 0)
        step[:, 0] |= hidden[:, 1] if hidden.shape[1] > 1 else hidden[:, 0]  # repeats the second's
        turn = _near(step, 1, 0)
        hip_places = places_on(tuple(self.skeleton.hips), held.device)
        hips = held.index_select(2, hip_places).mean(dim=2)  # (B, T, D)
        marks = self._without(cut.marks, hidden, hips)
        hidden_hips = hidden.index_select(2, hip_places).any(dim=2)
        at = reference_frame(config)
        # The window lies about its pelvis, which would tell where a hidden hip is.
        shift = hips[:, at].masked_fill(~hidden_hips[:, at, None], 0)[:, None, None]
        axes = self.skeleton.dimensions
        return _Windows(
            pose=held - shift,
            flow=torch.where(flow_hidden[..., None], held, cut.flow) - shift,
            velocity=cut.velocity.masked_fill(step[..., None], 0),
            acceleration=cut.acceleration.masked_fill(turn[..., None], 0),
            confidence=cut.confidence.masked_fill(hidden, 0),
            marks=torch.cat([marks[..., :axes] - shift, marks[..., axes:]], dim=-1),
            evidence=cut.evidence.masked_fill(hidden[..., None], 0),
            target=cut.target - shift,
            visible=cut.visible,
        )

    def _without(self, marks: Tensor, hidden: Tensor, hips: Tensor) -> Tensor:
        """Landmarks (B, T, L, D + 1) with those that show a hidden joint where missing ones lie."""
        if marks.shape[2] != self._shown.shape[1]:
            return marks
        gone = (hidden.float() @ self._shown) > 0  # (B, T, L)
        absent = torch.cat([hips, torch.zeros_like(hips[..., :1])], dim=-1)[:, :, None]
        return torch.where(gone[..., None], absent, marks)


def _near(hidden: Tensor, before: int, after: int) -> Tensor:
    """(B, T, J) whether any of the frames from ``before`` earlier to ``after`` later is hidden."""
    padded = nn.functional.pad(hidden.float().transpose(1, 2), (before, after))
    width = before + after + 1
    return nn.functional.max_pool1d(padded, width, stride=1).transpose(1, 2) > 0


def _held(values: Tensor, hidden: Tensor) -> Tensor:
    """Hold the last shown value of (B, T, J, D) over hidden frames, as filling a gap would.

    A joint hidden from the first frame on shows the first value that is not.
    """
    shown = ~hidden
    steps = torch.arange(values.shape[1], device=values.device)[None, :, None]
    last = steps.expand_as(hidden).masked_fill(hidden, -1).cummax(dim=1).values
    first = shown.int().argmax(dim=1, keepdim=True)
    source = torch.where(last < 0, first, last)
    return values.gather(1, source[..., None].expand_as(values))


def draw_noise(
    windows: Sequence[int],
    deviation: float,
    generator: torch.Generator,
    skeleton: Skeleton = DANCE_14,
) -> Tensor:
    """(B, T, J, F) Gaussian noise, in torso lengths, on all features but the confidence.

    ``windows`` is (B, T).
    """
    shape = (*windows, skeleton.num_joints, joint_features(skeleton))
    noise = deviation * torch.randn(shape, generator=generator)
    noise[..., -1] = 0  # the confidence
    return noise


def noisy(batch: RefineBatch, noise: Tensor, skeleton: Skeleton = DANCE_14) -> RefineBatch:
    """Add noise (B, T, J, F) to the features of the joints."""
    rest = batch.packed.shape[-1] - joint_width(skeleton)
    padded = nn.functional.pad(noise.flatten(2), (0, rest))
    return batch._replace(packed=batch.packed + padded)


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
