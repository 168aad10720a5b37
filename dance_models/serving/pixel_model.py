"""A trained network behind a table in pixels: what a model registry loads and calls.

The module itself is MLflow's *loader module*: :func:`_load_pyfunc` gives an object with
``predict``. It knows nothing of MLflow and needs no pickle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from dance_models.checkpoint import experiment_from_plain, load_checkpoint
from dance_models.config import PredictionExperiment
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.nets.build import Refiner
from dance_models.serving.tracks import AHEAD_MS, forecast_given, refine_track, track_of
from dance_models.skeleton import DANCE_14

TIME: Final = "time_s"
AHEAD: Final = "ahead_ms"
AXES: Final = ("x", "y")
SCORE: Final = "score"
JOINTS_PARAMETER: Final = "joints"
JOINTS_DEFAULT: Final = "estimator"
DECIMALS: Final = 3  # of pixels

# The columns with coordinates, in the order of the joints.
POINTS: Final = tuple(f"{joint}_{axis}" for joint in DANCE_14.names for axis in AXES)
SCORES: Final = tuple(f"{joint}_{SCORE}" for joint in DANCE_14.names)


@dataclass(frozen=True, eq=False)
class PixelModel:
    """A recognition or prediction network that takes and gives tables, a row a frame.

    The columns are ``time_s``, and ``JOINT_x``, ``JOINT_y`` in pixels for each of the 14 joints; a
    column ``JOINT_score`` in 0..1 may be there. A joint that is missing is NaN.
    """

    network: nn.Module

    def predict(self, table: Any, params: Mapping[str, Any] | None = None) -> Any:
        """The refined poses of a ``pandas.DataFrame``, or the poses 40 to 400 ms after its end.

        ``params``: ``joints``, "estimator" or "annotation", of refined poses alone. Raises
        InputError for what :func:`~dance_models.serving.tracks.track_of` refuses.
        """
        run = _run_of(table)
        if not isinstance(self.network, Refiner):
            found = forecast_given(self.network, run)
            return _table(AHEAD, np.array(AHEAD_MS, np.float64), found.poses)
        joints = (params or {}).get(JOINTS_PARAMETER, JOINTS_DEFAULT)
        if joints not in {"estimator", "annotation"}:
            raise InputError(f"joints is {joints!r}", hint="It is estimator or annotation")
        return _table(TIME, run.time_s, refine_track(self.network, run, joints))


def _load_pyfunc(path: str) -> PixelModel:
    """The model of a checkpoint; MLflow calls this function by its name."""
    checkpoint = Path(path)
    plain = load_checkpoint(checkpoint)["experiment"]
    if isinstance(experiment_from_plain(plain), PredictionExperiment):
        return PixelModel(load_forecaster(checkpoint))
    return PixelModel(load_refiner(checkpoint))


def example_table(run: PoseRun) -> dict[str, list[float]]:
    """The columns of a request with the estimated poses of a run."""
    points = run.estimate.reshape(len(run), -1)
    columns = {name: points[:, i] for i, name in enumerate(POINTS)}
    columns |= {name: run.score[:, i] for i, name in enumerate(SCORES)}
    rounded = {name: np.round(column, DECIMALS).tolist() for name, column in columns.items()}
    return {TIME: np.round(run.time_s, 6).tolist(), **rounded}


def _run_of(table: Any) -> PoseRun:
    missing = [name for name in (TIME, *POINTS) if name not in table]
    if missing:
        raise InputError(
            f"the column {missing[0]} is missing",
            hint=f"A row a frame with {TIME}, and {POINTS[0]}, {POINTS[1]} and so on in pixels",
        )
    points = np.stack([_column(table, name) for name in POINTS], axis=-1)
    keypoints = points.reshape(len(points), DANCE_14.num_joints, len(AXES))
    known = [name for name in SCORES if name in table]
    score = None
    if len(known) == len(SCORES):
        score = np.stack([_column(table, name) for name in SCORES], axis=-1)
        if np.isnan(score).all():  # columns that a schema filled in
            score = None
    return track_of(keypoints, score=score, time_s=_column(table, TIME))


def _column(table: Any, name: str) -> NDArray[np.float64]:
    return np.asarray(table[name], np.float64)


def _table(first: str, values: NDArray[np.float64], poses: NDArray[np.float32]) -> Any:
    """(T,) and (T, J, 2) as a ``pandas.DataFrame``."""
    import pandas as pd

    points = poses.reshape(len(poses), -1).astype(np.float64)
    return pd.DataFrame({first: values, **{name: points[:, i] for i, name in enumerate(POINTS)}})
