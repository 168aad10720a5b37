"""Performances of one synthetic dance: late, turned, mirrored, noisy, filmed from elsewhere."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.performance import Performance
from dance_models.demo.body import Body
from dance_models.demo.choreography import Choreography, perform
from dance_models.demo.stage import Camera
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]
SIZE = (640, 480)
NOISE = 0.02  # of the torso, standard deviation of the slow error of every coordinate
TORSO = 62.0  # pixels, about


def dance(seconds: float, seed: int = 0, style: str = "street", fps: float = 30.0) -> Floats:
    """(T, 14, 3) joints in metres of the demo corpus's choreography."""
    body, phrase = Body("woman_a"), Choreography(style, np.random.default_rng(seed), tempo_bpm=90.0)
    return np.stack([perform(body, phrase.at(i / fps)).joints for i in range(int(seconds * fps))])


def filmed(joints: Floats, yaw: float = 0.0) -> NDArray[np.float32]:
    """(T, 14, 2) pixels of a camera that was walked round the dancer by ``yaw`` degrees."""
    angle = np.radians(yaw)
    eye = np.array([3.5 * np.sin(angle), -3.5 * np.cos(angle), 1.2])
    camera = Camera(SIZE, 600.0, eye, np.array([0.0, 0.0, 1.0]))
    seen = [camera.project(frame)[0] for frame in joints]
    return np.asarray(seen, np.float32)


def at_times(poses: NDArray[np.floating], source_s: Floats, fps: float = 30.0) -> Floats:
    """Poses (T, ...) of ``fps`` at fractional times, held at the ends."""
    place = np.clip(source_s * fps, 0, len(poses) - 1)
    left = np.minimum(place.astype(int), len(poses) - 2)
    share = (place - left).reshape(-1, *[1] * (poses.ndim - 1))
    return np.asarray(poses[left] * (1 - share) + poses[left + 1] * share)


def noise(shape: tuple[int, ...], rng: np.random.Generator, size: float = NOISE * TORSO) -> Floats:
    """Errors as estimators make them: slow ones of the given size, and jitter of a third of it."""
    slow = np.zeros(shape)
    keep = 0.9
    for i in range(shape[0]):
        before = slow[i - 1] if i else rng.normal(0, size, shape[1:])
        slow[i] = keep * before + rng.normal(0, size * np.sqrt(1 - keep**2), shape[1:])
    return slow + rng.normal(0, size / 3, shape)


def late_by(
    poses: NDArray[np.floating], late: Callable[[Floats], Floats], fps: float = 30.0
) -> tuple[Floats, Floats]:
    """Times and poses of a dancer who is ``late(t)`` seconds behind poses of 30 frames/s."""
    reference_s = np.arange(0, len(poses) / 30.0, 0.002)
    practice_s = reference_s + late(reference_s)
    time_s = np.arange(0, practice_s[-1], 1 / fps)
    return time_s, at_times(poses, np.interp(time_s, practice_s, reference_s))


def performance(
    poses: NDArray[np.floating],
    time_s: Floats | None = None,
    rng: np.random.Generator | None = None,
    name: str = "video",
) -> Performance:
    """Poses (T, 14, 2) as a performance, with noise when there is a generator."""
    times = np.arange(len(poses)) / 30.0 if time_s is None else time_s
    errors = noise(poses.shape, rng) if rng is not None else 0.0
    return Performance(name, times, np.asarray(poses + errors, np.float32))


def bent(poses: NDArray[np.floating], joint: str, degrees: float, limb: tuple[str, ...]) -> Floats:
    """The joints of ``limb`` turned about ``joint`` in the picture, away from the parent's line."""
    turned = np.array(poses, np.float64)
    pivot = turned[:, [DANCE_14.index[joint]]]
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    members = [DANCE_14.index[name] for name in limb]
    turned[:, members] = (turned[:, members] - pivot) @ rotation.T + pivot
    return turned
