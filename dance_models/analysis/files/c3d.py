"""C3D, the format of motion capture systems; written with ezc3d (MIT), which the extra installs."""

import importlib.util
from pathlib import Path
from typing import Final

import numpy as np

from dance_models.analysis.files.measured import Measured
from dance_models.analysis.files.trc import positions
from dance_models.errors import InputError
from dance_models.files import replacing
from dance_models.skeleton import DANCE_14

_MM: Final = 1000.0
_UNSEEN: Final = -1.0  # the residual of a point that is missing


def check_c3d() -> None:
    """Raise InputError when ezc3d is not installed."""
    if importlib.util.find_spec("ezc3d") is None:
        raise InputError(
            "C3D is written with ezc3d, which is not installed",
            hint='Install the extra: pip install "dance-pose-pipeline[c3d]"',
        )


def write_c3d(measured: Measured, path: Path) -> None:
    """Points in pixels (y down) or, with a scale, in millimetres (y up); z is 0.

    C3D has one rate and no times: frames are as far apart as in the mean. Raises InputError when
    ezc3d is not installed.
    """
    check_c3d()
    import ezc3d

    points, unit = positions(measured)
    if unit == "m":
        points, unit = points * _MM, "mm"
    file = ezc3d.c3d()
    parameters = file["parameters"]["POINT"]
    parameters["LABELS"]["value"] = tuple(DANCE_14.names)
    parameters["UNITS"]["value"] = (unit,)
    parameters["RATE"]["value"] = (_rate(measured),)
    homogeneous = np.ones((4, *points.shape[1::-1]))
    homogeneous[:3] = points.transpose(2, 1, 0)
    file["data"]["points"] = homogeneous
    residuals = np.where(measured.known.T, 0.0, _UNSEEN)
    file["data"]["meta_points"]["residuals"] = residuals[None]
    with replacing(path) as part:
        # ezc3d adds the suffix where there is none. In place of another: the name may be full.
        named = part.with_suffix(".c3d")
        try:
            file.write(str(named))
            named.replace(part)
        finally:
            named.unlink(missing_ok=True)


def _rate(measured: Measured) -> float:
    """Frames a second in the mean."""
    if len(measured) < 2:
        return float(measured.fps)
    return float((len(measured) - 1) / (measured.time_s[-1] - measured.time_s[0]))
