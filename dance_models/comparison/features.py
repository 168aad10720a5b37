"""What alignment looks at: the bones as vectors and their velocities, on an even grid of times."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dance_models.comparison.performance import Performance
from dance_models.comparison.smooth import rate_of_change, smoothed
from dance_models.config import ComparisonConfig
from dance_models.data.forecast_windows import resample
from dance_models.skeleton import DANCE_14

Floats = NDArray[np.float64]
LONG: Final = 95.0  # percentile of a bone's length in the picture that counts as its length
# Limbs, and the lines between the shoulders and the hips.
BONES: Final = (
    *((a, b) for a, b in DANCE_14.edges if DANCE_14.names[b] != "head_top"),
    *((DANCE_14.index[f"left_{p}"], DANCE_14.index[f"right_{p}"]) for p in ("shoulder", "hip")),
)


@dataclass(frozen=True, eq=False)
class Features:
    """G times, B bones; NaN = missing. A bone's unit is its own length in the picture."""

    time_s: Floats  # (G,) an even grid
    bones: Floats  # (G, B, 2)
    velocity: Floats  # (G, B, 2) a second

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(G,) whether any bone is known."""
        return np.asarray(np.isfinite(self.bones).any(axis=(1, 2)))


def features(performance: Performance, config: ComparisonConfig) -> Features:
    """The bones of a performance on the grid.

    A bone's unit is the 95th percentile of its length in this video, which is nearly its length
    seen from the side: dancers of other proportions and cameras at other distances compare.
    """
    first, last = performance.time_s[[0, -1]]
    time_s = np.arange(first, last + 1e-9, config.grid_s)
    poses = resample(performance.time_s, performance.poses, time_s).astype(np.float64)
    vectors = np.stack([poses[:, b] - poses[:, a] for a, b in BONES], axis=1)
    lengths = np.linalg.norm(vectors, axis=-1)
    unit = np.array([_percentile(lengths[:, bone]) for bone in range(len(BONES))])
    bones = smoothed(vectors / unit[:, None], config.smoothing_s / config.grid_s)
    return Features(time_s, bones, rate_of_change(bones, config.grid_s))


def _percentile(values: Floats) -> float:
    known = values[np.isfinite(values)]
    found = float(np.percentile(known, LONG)) if len(known) else np.nan
    return found if found > 0 else np.nan
