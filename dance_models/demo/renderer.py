"""Drawing a posed body: flat-shaded faces from back to front, and a shadow on the floor."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body, Posed, unit
from dance_models.demo.stage import Camera
from dance_models.skeleton import DANCE_14

Array = NDArray[Any]
SUPERSAMPLING: Final = 2  # only around the body
_SHIFT: Final = 4  # fractional bits of OpenCV's coordinates
# A joint lies inside the body: it counts as occluded when a surface is this much nearer.
DEPTH_MARGIN_M: Final = 0.13


class Renderer:
    """Renders one dancer in one studio."""

    def __init__(
        self, body: Body, colours: Array, camera: Camera, stage: NDArray[np.uint8], light: Array
    ) -> None:
        self.body, self.colours, self.camera, self.stage = body, colours, camera, stage
        self.light = unit(np.asarray(light, float))

    def render(self, posed: Posed) -> NDArray[np.uint8]:
        """RGB (H, W, 3)."""
        image = self.stage.copy()
        self._shadow(image, posed.vertices)
        pixels, depth = self.camera.project(posed.vertices)
        box = self._box(pixels)
        if box is None:
            return image
        left, top, right, bottom = box
        crop = cv2.resize(
            image[top:bottom, left:right], None, fx=SUPERSAMPLING, fy=SUPERSAMPLING,
            interpolation=cv2.INTER_NEAREST,
        )  # fmt: skip
        enlarged = (pixels + 0.5 - (left, top)) * SUPERSAMPLING - 0.5
        self._faces(crop, posed.vertices, enlarged, depth)
        image[top:bottom, left:right] = cv2.resize(
            crop, (right - left, bottom - top), interpolation=cv2.INTER_AREA
        )
        return image

    def keypoints(self, posed: Posed) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Projected joints (J, 2) in pixels, and visibility: 2 seen, 1 occluded, 0 outside."""
        pixels, depth = self.camera.project(posed.joints)
        surface, surface_depth = self.camera.project(posed.vertices)
        width, height = self.camera.size
        visibility = np.full(DANCE_14.num_joints, 2, np.uint8)
        reach = 0.035 * self.camera.focal / depth  # 3.5 cm about the joint
        near = np.linalg.norm(surface[None] - pixels[:, None], axis=2) < reach[:, None]
        nearest = np.where(near, surface_depth[None], np.inf).min(axis=1)
        visibility[nearest < depth - DEPTH_MARGIN_M] = 1
        visibility[DANCE_14.index["head_top"]] = max(visibility[DANCE_14.index["head_top"]], 1)
        inside = ((pixels >= 0) & (pixels <= (width - 1, height - 1))).all(axis=1)
        visibility[~inside] = 0
        return pixels.astype(np.float32), visibility

    def _box(self, pixels: Array) -> tuple[int, int, int, int] | None:
        width, height = self.camera.size
        low = np.floor(pixels.min(axis=0)).astype(int) - 2
        high = np.ceil(pixels.max(axis=0)).astype(int) + 3
        left, top = max(low[0], 0), max(low[1], 0)
        right, bottom = min(high[0], width), min(high[1], height)
        return (left, top, right, bottom) if right > left and bottom > top else None

    def _shadow(self, image: NDArray[np.uint8], vertices: Array) -> None:
        """Darken the floor where the light from above does not reach it."""
        steep = unit(np.array([self.light[0] * 0.4, self.light[1] * 0.3, 1.0]))
        ground = vertices - steep * (vertices[:, 2:3] / steep[2])
        pixels, _ = self.camera.project(ground)
        box = self._box(pixels)
        if box is None:
            return
        left, top, right, bottom = box
        mask = np.zeros((bottom - top, right - left), np.uint8)
        hull = np.round(pixels[self.body.faces[::5]] - (left, top)).astype(np.int32)
        cv2.fillPoly(mask, list(hull), 115)
        mask = cv2.GaussianBlur(mask, (0, 0), 2.0)
        region = image[top:bottom, left:right]
        region[:] = (region * (1 - mask[..., None] / 255)).astype(np.uint8)

    def _faces(
        self, image: NDArray[np.uint8], vertices: Array, pixels: Array, depth: Array
    ) -> None:
        corners = vertices[self.body.faces]  # (F, 3, 3)
        normal = unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
        facing = (normal * (self.camera.eye - corners[:, 0])).sum(axis=1) > 0
        order = np.argsort(-depth[self.body.faces].mean(axis=1))
        order = order[facing[order]]
        bright = (
            0.40
            + 0.52 * np.clip(normal @ self.light, 0, 1)
            + 0.16 * np.clip(normal @ unit(np.array([0.8, -0.3, 0.2])), 0, 1)
            + 0.10 * np.clip(normal[:, 2], 0, 1)
        )
        shaded = np.clip(self.colours * bright[:, None], 0, 255)[order].tolist()
        triangles = np.round(pixels[self.body.faces[order]] * (1 << _SHIFT)).astype(np.int32)
        fill = cv2.fillConvexPoly
        for triangle, colour in zip(triangles, shaded, strict=True):
            fill(image, triangle, colour, cv2.LINE_8, _SHIFT)
