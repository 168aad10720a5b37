"""Anchor centres of the detector's SSD head."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIDE: Final = 224  # pixels, the detector's square input
# (stride in pixels, anchors a cell): two for each of the layers 8, 16 and three times 32.
_LAYERS: Final = ((8, 2), (16, 2), (32, 6))


def anchor_centres() -> NDArray[np.float32]:
    """(2254, 2) centres x, y in 0..1, in the order of the model's output."""
    centres = []
    for stride, per_cell in _LAYERS:
        cells = SIDE // stride
        y, x = np.mgrid[0:cells, 0:cells]
        grid = np.stack([x, y], axis=-1).reshape(-1, 2)
        centres.append(np.repeat((grid + 0.5) / cells, per_cell, axis=0))
    return np.concatenate(centres).astype(np.float32)
