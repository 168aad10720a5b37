"""Training processes get the MLflow settings from their launcher, not from this process."""

import os
from pathlib import Path

import dagster as dg
import pytest

from dance_models.errors import InputError
from dance_models.processes import STARTER
from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT
from pipelines.training.child_error import write_error
from pipelines.training.launcher import TrainingLauncher


def test_a_training_process_refuses_pickle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started = {}

    class Completed:
        def get_custom_messages(self) -> list[dict[str, str]]:
            return [{"model_id": "m-1"}]

    def run(self: object, **arguments: object) -> Completed:
        started.update(arguments)
        return Completed()

    monkeypatch.setattr(dg.PipesSubprocessClient, "run", run)
    job = {"asset": "stga_net", "folder": str(tmp_path)}
    result = TrainingLauncher().launch(dg.build_asset_context(), job)
    assert result == {"model_id": "m-1"}
    environment = started["env"]
    assert isinstance(environment, dict)
    assert environment == {**MLFLOW_ENVIRONMENT, STARTER: str(os.getpid())}
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


@pytest.mark.parametrize(
    ("code", "left", "said"),
    [
        (1, InputError("no frame", file="a.npz", hint="Make it again"), "a.npz: no frame. Make"),
        (1, OverflowError("too far"), "OverflowError: too far"),
        (-9, None, "killed by signal 9. Probably the memory ran out"),
        (1, None, "ended with code 1 and no message"),
    ],
)
def test_the_error_of_the_training_itself_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, left: Exception | None, said: str
) -> None:
    write_error(tmp_path, ValueError("of an earlier try"))

    def run(self: object, **arguments: object) -> None:
        if left is not None:
            write_error(tmp_path, left)
        raise RuntimeError(f"External execution process failed with code {code}")

    monkeypatch.setattr(dg.PipesSubprocessClient, "run", run)
    with pytest.raises(InputError, match=said):
        TrainingLauncher().launch(dg.build_asset_context(), {"folder": str(tmp_path)})
