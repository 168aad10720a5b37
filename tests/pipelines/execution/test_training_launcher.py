"""Training processes get the MLflow settings from their launcher, not from this process."""

import os

import dagster as dg
import pytest

from dance_models.processes import STARTER
from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT
from pipelines.training.launcher import TrainingLauncher


def test_a_training_process_refuses_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    started = {}

    class Completed:
        def get_custom_messages(self) -> list[dict[str, str]]:
            return [{"model_id": "m-1"}]

    def run(self: object, **arguments: object) -> Completed:
        started.update(arguments)
        return Completed()

    monkeypatch.setattr(dg.PipesSubprocessClient, "run", run)
    result = TrainingLauncher().launch(dg.build_asset_context(), {"asset": "stga_net"})
    assert result == {"model_id": "m-1"}
    environment = started["env"]
    assert isinstance(environment, dict)
    assert environment == {**MLFLOW_ENVIRONMENT, STARTER: str(os.getpid())}
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
