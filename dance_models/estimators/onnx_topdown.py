"""Any top-down pose model in ONNX: a person box, an affine crop, heat maps or SimCC."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.blazepose.detector import PersonDetector
from dance_models.estimators.blazepose.region import MARGIN
from dance_models.estimators.follow import PersonFollower
from dance_models.estimators.onnx_decode import (
    crop_to_image,
    decode_heatmaps,
    decode_simcc,
    warp_crop,
)
from dance_models.estimators.onnx_description import TopDownDescription, read_description
from dance_models.estimators.protocol import PoseEstimate, no_landmarks
from dance_models.estimators.weights import missing_weights
from dance_models.skeletons.by_name import to_skeleton
from dance_models.tables import file_digest


class OnnxTopDown:
    """Runs the model that a JSON describes (see :mod:`onnx_description`) on the CPU.

    The person comes from the BlazePose detector, by rank and then by place, or is the whole
    image. ``version`` names model, description and where the box came from.
    """

    def __init__(
        self,
        description: Path,
        weights: Path,
        *,
        person: int | None = None,
        min_detection: float = 0.5,
        threads: int = 1,
    ) -> None:
        self._description = read_description(description)
        self._session = _session(self._description, threads)
        self._follower = PersonFollower(person)
        self._detector = _detector(self._description, weights, min_detection, threads)
        box = "image" if self._detector is None else "detector"
        self.name = f"onnx:{self._description.name}"
        self.version = f"{self._description.model_sha256[:12]}+{file_digest(description)[:8]}+{box}"

    def start_run(self) -> None:
        """Select the person again."""
        self._follower.reset()

    def estimate(self, image: NDArray[np.uint8], frame: int) -> PoseEstimate | None:
        """Pose in an RGB image (H, W, 3); ``frame`` is not used."""
        del frame
        to_image = self._crop(image)
        if to_image is None:
            return None
        d = self._description
        points, score = self._points(warp_crop(image, to_image, d.width, d.height))
        in_image = points @ to_image[:, :2].T + to_image[:, 2]
        keypoints, confidence = to_skeleton(d.joints, in_image, np.clip(score, 0, 1))
        if not np.isfinite(keypoints).any():
            return None
        return PoseEstimate(keypoints, confidence, no_landmarks())

    def _crop(self, image: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Map from crop to image pixels, or None when no person is detected."""
        d = self._description
        if self._detector is None:
            height, width = image.shape[:2]
            return crop_to_image(np.array([0.0, 0.0, width, height]), d.width, d.height, 1.0)
        regions = [found.region for found in self._detector.detect(image)]
        chosen = self._follower.choose(np.array([r.box for r in regions]).reshape(-1, 4))
        if not chosen:
            self._follower.missed()
            return None
        region = regions[chosen[0]]
        self._follower.seen(region.box)
        # The circle around the body fills the longer side of the crop; its full width would
        # leave a standing person small, and arms spread wide still fit into the padding.
        body = np.array([d.width, d.height]) / max(d.width, d.height)
        half = body * region.size / MARGIN / 2
        centre = np.array([region.x, region.y])
        box = np.concatenate([centre - half, centre + half])
        return crop_to_image(box, d.width, d.height, d.padding)

    def _points(self, crop: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points (J, 2) in pixels of the crop, and their scores (J,)."""
        d = self._description
        colours = crop if d.channel_order == "rgb" else crop[..., ::-1]
        scaled = (colours - np.array(d.mean, np.float32)) / np.array(d.std, np.float32)
        batch = scaled[None] if d.layout == "nhwc" else scaled.transpose(2, 0, 1)[None]
        feed = {self._session.get_inputs()[0].name: np.ascontiguousarray(batch, np.float32)}
        outputs: list[NDArray[np.float32]] = self._session.run(None, feed)
        if d.output == "heatmap":
            self._check(outputs[:1], 4)
            return decode_heatmaps(outputs[0][0], d.width, d.height)
        x, y = self._simcc_vectors(outputs)
        return decode_simcc(x[0], y[0], d.simcc_split_ratio)

    def _simcc_vectors(
        self, outputs: list[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The x and y vectors among the outputs: by length, in the given order if that is equal."""
        d = self._description
        self._check(outputs, 3)
        bins = [round(side * d.simcc_split_ratio) for side in (d.width, d.height)]
        for x, y in ((0, 1), (1, 0)):
            if len(outputs) == 2 and [outputs[x].shape[2], outputs[y].shape[2]] == bins:
                return outputs[x], outputs[y]
        raise InputError(
            f"outputs have shapes {[o.shape for o in outputs]}, SimCC of {bins} bins was expected",
            file=d.file,
            hint="Check input_size and simcc_split_ratio",
        )

    def _check(self, outputs: list[NDArray[np.float32]], dimensions: int) -> None:
        d = self._description
        expected = len(d.joints)
        if any(o.ndim != dimensions or o.shape[:2] != (1, expected) for o in outputs):
            raise InputError(
                f"outputs have shapes {[o.shape for o in outputs]}, {expected} joints are named",
                file=d.file,
                hint="Check joints and output",
            )


def _session(description: TopDownDescription, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(description.model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise InputError(f"not a usable ONNX model ({error})", file=description.model) from error


def _detector(
    description: TopDownDescription, weights: Path, min_score: float, threads: int
) -> PersonDetector | None:
    """The detector, if the description wants one; "auto" wants it when its weights are there."""
    if description.box == "image" or (description.box == "auto" and missing_weights(weights)):
        return None
    return PersonDetector(weights, min_score, threads)
