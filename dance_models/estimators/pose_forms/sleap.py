"""SLEAP predictions: project files (``.slp``, by sleap-io) and analysis HDF5 (by h5py).

Both are HDF5. The analysis file has ``tracks`` (people, 2, nodes, frames), ``node_names`` and
``point_scores`` (people, nodes, frames). sleap-io also writes other orders of these axes, and names
them in the attribute ``dims``.
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from dance_models.arrays import check_hdf
from dance_models.errors import InputError
from dance_models.estimators.pose_track import Reading, joints_named
from dance_models.hdf_trial import try_hdf
from dance_models.text import brief

AS_CSV: Final = "Export it as analysis CSV (File > Export Analysis CSV, or sleap-convert)"
# The first bytes of every HDF5 file.
HDF5: Final = b"\x89HDF\r\n\x1a\n"
_AXES: Final = ("track", "xy", "node", "frame")  # of ``tracks``, where the file does not name them


def kind_of_hdf5(path: Path) -> str:
    """``sleap-slp``, ``sleap-h5``, ``deeplabcut-h5``, or "" for other HDF5."""
    import h5py

    try_hdf(path)
    try:
        with h5py.File(path, "r") as file:
            check_hdf(file, path)
            keys = set(file.keys())
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"not a readable HDF5 file ({brief(error)})", file=path) from error
    if {"tracks", "node_names"} <= keys:
        return "sleap-h5"
    if {"frames", "instances"} <= keys:
        return "sleap-slp"
    return "deeplabcut-h5" if "df_with_missing" in keys or "tracks" in keys else ""


def read_analysis(path: Path, reading: Reading) -> None:
    """Add all people of an analysis file. Raises InputError."""
    import h5py

    reading.format = "sleap-h5"
    with h5py.File(path, "r") as file:
        try:
            named = [_text(name) for name in file["node_names"][()]]
        except TypeError as error:
            raise InputError("'node_names' is no list", file=path, hint=AS_CSV) from error
        names = joints_named(named)
        tracks = _ordered(np.asarray(file["tracks"][()], dtype=np.float64), file["tracks"], _AXES)
        scores = None
        if "point_scores" in file:
            scores = _ordered(
                np.asarray(file["point_scores"][()]),
                file["point_scores"],
                tuple(axis for axis in _AXES if axis != "xy"),
            )
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(names)):
        raise InputError(f"'tracks' has the shape {tracks.shape}", file=path, hint=AS_CSV)
    if scores is None or scores.shape != (tracks.shape[0], *tracks.shape[2:]):
        scores = np.ones((tracks.shape[0], *tracks.shape[2:]))
    whole = np.concatenate([tracks, scores[:, None]], axis=1)  # (people, 3, nodes, frames)
    reading.frames |= set(range(whole.shape[3]))
    for frame in range(whole.shape[3]):
        for triples in whole[..., frame].transpose(0, 2, 1):
            _add(reading, frame, triples, names)


def _ordered(values: Any, dataset: Any, axes: tuple[str, ...]) -> Any:
    """The values with their axes in the order ``axes``, from that which the data set names.

    An order of two people is as plausible as another: (30, 2, 17, 2) may be 30 frames of two people
    or 30 people in two frames. Where the names are none of these axes, the values as they are.
    """
    try:
        named = json.loads(dataset.attrs["dims"])
        order = [named.index(axis) for axis in axes]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return values
    return values.transpose(order) if len(named) == values.ndim == len(axes) else values


def read_project(path: Path, reading: Reading) -> None:
    """Add all people of a project file. Raises InputError."""
    import sleap_io

    reading.format = "sleap-slp"
    try:
        labels = sleap_io.load_slp(str(path), open_videos=False)
    except Exception as error:  # HDF5, JSON and key errors of many types
        raise InputError(f"not a readable SLEAP project ({brief(error)})", file=path) from error
    if len(labels.videos) > 1:
        raise InputError(
            f"the project has {len(labels.videos)} videos", file=path, hint="Export one a file"
        )
    for labelled in labels:
        frame = int(labelled.frame_idx)
        reading.frames.add(frame)
        for instance in labelled.predicted_instances or labelled.instances:
            names = joints_named([node.name for node in instance.skeleton.nodes])
            points = np.asarray(instance.numpy(), dtype=np.float64)[:, :2]
            _add(reading, frame, np.column_stack([points, _scores(instance, len(points))]), names)


def _scores(instance: Any, count: int) -> Any:
    """Scores of the points of a predicted instance, 1 for one that a person placed."""
    points = getattr(instance, "points", None)
    fields = getattr(getattr(points, "dtype", None), "names", None) or ()
    return points["score"] if points is not None and "score" in fields else np.ones(count)


def _add(reading: Reading, frame: int, triples: Any, names: tuple[str, ...]) -> None:
    if np.isfinite(triples[:, :2]).any():
        known = np.isfinite(triples[:, :2]).all(axis=1, keepdims=True)
        values = np.where(known, np.nan_to_num(triples), np.nan).ravel().tolist()
        with reading.attempt(frame):
            reading.add(frame, values, names)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
