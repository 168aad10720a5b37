"""A registered version behind ``mlflow models serve``, without pickle and without our code."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest
from registry_case import ASSET, Case

from dance_models.training.loop import TrainingResult
from dance_models.training.synthetic import synthetic_runs
from pipelines.training.child import _log_model
from pipelines.training.finished import MODEL_ID


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_a_champion_answers_invocations(case: Case, tmp_path: Path) -> None:
    run_id = case.train("first")
    best = case.tracker.artifact(run_id, "checkpoints/best.pt")
    mlflow.set_tracking_uri(case.store.tracking_uri)
    with mlflow.start_run(run_id=run_id):
        result = TrainingResult(best, best, [])
        runs = synthetic_runs(1, 70)
        model_id = _log_model({"asset": ASSET, "crops": ""}, result, runs)[MODEL_ID]
    case.registry.promote(case.registry.register(run_id, model_id, {}))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "MLFLOW_TRACKING_URI": case.store.tracking_uri,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m",
        "models:/dance-prediction@champion", "--env-manager", "local", "-p", str(port),
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/ping", 240)
        poses = np.tile(np.linspace(-1, 1, 28).reshape(14, 2), (3, 27, 1, 1))
        body = json.dumps({"inputs": poses.tolist()}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            forecast = np.array(json.load(answer)["predictions"])
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert forecast.shape == (3, 10, 14, 2)
    # Fresh weights continue the last velocity, which is zero here.
    np.testing.assert_allclose(forecast, poses[:, :10], atol=1e-3)


def _wait(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise AssertionError(f"no answer from {url} within {seconds} s")
