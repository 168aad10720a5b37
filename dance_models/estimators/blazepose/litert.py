"""Running a TFLite model with LiteRT."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from dance_models.errors import InputError
from dance_models.estimators.blazepose.needed import needed_part
from dance_models.native_output import without_native_noise


class LiteRtModel:
    """A model with one input; its outputs are distinguished by their number of values.

    ``size`` (height, width) is for a model that takes pictures of any size. Of ``outputs``, numbers
    of values, those alone are computed; None: all.
    """

    def __init__(
        self,
        path: Path,
        threads: int,
        size: tuple[int, int] | None = None,
        outputs: Collection[int] | None = None,
    ) -> None:
        if not path.is_file():
            raise InputError(
                "estimator weights are missing",
                file=path,
                hint="`dance run` fetches them",
            )
        try:
            content = path.read_bytes()
            if outputs is not None:
                content = needed_part(content, frozenset(outputs))
            with without_native_noise():
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._input = self._interpreter.get_input_details()[0]["index"]
                if size is not None:
                    self._interpreter.resize_tensor_input(self._input, [1, *size, 3])
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"not a readable TFLite model ({error})",
                file=path,
                hint="Delete the file and fetch the weights again",
            ) from error
        details = self._interpreter.get_output_details()
        self._output = {int(np.prod(d["shape"])): d["index"] for d in details}

    def run(self, image: NDArray[np.float32] | NDArray[np.uint8]) -> None:
        """Run on one image (H, W, 3) of the model's input size."""
        self._interpreter.set_tensor(self._input, image[None])
        self._interpreter.invoke()

    def output(self, size: int) -> NDArray[np.float32]:
        """Return the output tensor with ``size`` values, in its own shape."""
        tensor: NDArray[np.float32] = self._interpreter.get_tensor(self._output[size])
        return tensor


def sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits to probabilities, without overflow."""
    probability: NDArray[np.float32] = np.reciprocal(1 + np.exp(-np.clip(x, -60, 60)))
    return probability
