"""Two rendered dancers in one picture who change places, with their exact keypoints."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body, Posed
from dance_models.demo.choreography import motion
from dance_models.demo.costume import dress
from dance_models.demo.decimate import BODIES
from dance_models.demo.renderer import Renderer
from dance_models.demo.stage import Camera, draw_stage

FPS = 30
_APART = 1.1  # metres from the middle at the beginning and at the end
_DEPTH = 0.45  # metres by which the second one passes in front


def duet(
    frames: int, *, seed: int = 0, size: tuple[int, int] = (480, 360), crossings: int = 1
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """RGB (H, W, 3) and keypoints (2, 14, 2); the first dancer begins on the left."""
    rng = np.random.default_rng(seed)
    camera = Camera(size, 0.95 * size[1], np.array([0.0, -4.2, 1.3]), np.array([0.0, 0.0, 0.95]))
    stage = draw_stage(camera, rng)
    light = np.array([0.3, -0.8, 0.6])
    bodies = [Body(str(name)) for name in rng.permutation(BODIES)[:2]]
    colours = [dress(body, "street", rng) for body in bodies]
    dances = [list(motion(body, "street", rng, frames, FPS)) for body in bodies]
    for frame in range(frames):
        aside = -_APART * np.cos(crossings * np.pi * frame / max(frames - 1, 1))
        places = [np.array([aside, _DEPTH, 0.0]), np.array([-aside, -_DEPTH, 0.0])]
        image, points = stage, []
        for body, colour, dance, place in zip(bodies, colours, dances, places, strict=True):
            posed = _moved(dance[frame], place)
            renderer = Renderer(body, colour, camera, image, light)
            image = renderer.render(posed)
            points.append(renderer.keypoints(posed)[0])
        yield image, np.stack(points)


def _moved(posed: Posed, place: NDArray[np.float64]) -> Posed:
    """The same pose about ``place`` on the floor."""
    middle = posed.joints.mean(axis=0) * (1, 1, 0)
    shift = place - middle
    return Posed(posed.vertices + shift, posed.joints + shift, posed.frames)
