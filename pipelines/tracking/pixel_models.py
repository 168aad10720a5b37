"""Logging a network a second time: as a model that takes tracks in pixels, for serving."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dance_models

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

    from dance_models.data.pose_runs import PoseRun

PIXEL_MODEL_TAG: Final = "dance/pixel_model"  # of a run: the id of that model
LOADER: Final = "dance_models.serving.pixel_model"
SUFFIX: Final = "_pixels"
EXAMPLE_FRAMES: Final = 60
# What the loader imports beside the standard library.
NEEDED: Final = ("torch", "numpy", "pandas", "polars", "av", "opencv-python-headless", "pillow")


def log_pixel_model(asset: str, checkpoint: Path, runs: "Sequence[PoseRun]", task: str) -> str:
    """Log to the active run a model that MLflow serves in pixels; its id.

    It holds the checkpoint and the code of ``dance_models``, and no pickle. The example request is
    the beginning of the longest of ``runs``.
    """
    import mlflow
    import pandas as pd

    from dance_models.data.pose_runs import frames_of
    from dance_models.serving.pixel_model import example_table

    longest = max(runs, key=len)
    info = mlflow.pyfunc.log_model(
        name=f"{asset}{SUFFIX}",
        loader_module=LOADER,
        data_path=str(checkpoint),
        code_paths=[str(Path(dance_models.__file__).parent)],
        input_example=pd.DataFrame(example_table(frames_of(longest, slice(0, EXAMPLE_FRAMES)))),
        signature=pixel_signature(task),
        pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
    )
    mlflow.set_tag(PIXEL_MODEL_TAG, info.model_id)
    return str(info.model_id)


def pixel_signature(task: str) -> "ModelSignature":
    """Columns in and out, all numbers; scores may be left out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    from dance_models.serving.pixel_model import (
        AHEAD,
        JOINTS_DEFAULT,
        JOINTS_PARAMETER,
        POINTS,
        SCORES,
        TIME,
    )

    def columns(names: Sequence[str], *, required: bool = True) -> list[ColSpec]:
        return [ColSpec(DataType.double, name, required=required) for name in names]

    recognition = task == "recognition"
    parameters = [ParamSpec(JOINTS_PARAMETER, DataType.string, JOINTS_DEFAULT)]
    return ModelSignature(
        inputs=Schema([*columns((TIME, *POINTS)), *columns(SCORES, required=False)]),
        outputs=Schema(columns((TIME if recognition else AHEAD, *POINTS))),
        params=ParamSchema(parameters) if recognition else None,
    )
