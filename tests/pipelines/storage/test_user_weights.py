"""The estimator's weights without a store: in the user's cache."""

from pathlib import Path

import pytest

from dance_models.config import EstimatorConfig
from dance_models.estimators import weights
from pipelines.storage.weights import user_weights


def test_they_are_fetched_once_into_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Path] = []

    def fetch(folder: Path, _: object) -> Path:
        folder.mkdir(parents=True)
        fetched.append(folder)
        return folder

    monkeypatch.setattr(weights, "fetch_weights", fetch)
    monkeypatch.setattr(
        weights, "missing_weights", lambda f, _: [] if f.is_dir() else ["pose.tflite"]
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.platform", "linux")
    usual = tmp_path / "cache" / "dance-pose" / "weights"
    said: list[str] = []
    assert [user_weights().ready(EstimatorConfig(), said.append) for _ in range(2)] == [usual] * 2
    assert fetched == [usual]
    assert said == ["pose.tflite is not there yet: fetched"]
    other = tmp_path / "named"
    assert user_weights(other).ready(EstimatorConfig(), said.append) == other / "weights"
    user_weights(tmp_path / "no").ready(EstimatorConfig(name="precomputed"), pytest.fail)
    assert not (tmp_path / "no").exists()
