"""The estimator's weights are fetched once, by whichever stage needs them first."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from dance_models.config import EstimatorConfig
from dance_models.estimators import weights
from pipelines.storage.store import Store
from pipelines.storage.weights import ready_weights

NAME = "pose.tflite"
CONTENT = b"weights"


class Source:
    """In place of the download: counts, and can be made to wait."""

    def __init__(self) -> None:
        self.fetched, self.begun, self.go_on = 0, Event(), Event()
        self.go_on.set()

    def fetch(self, folder: Path, *_: object) -> Path:
        self.begun.set()
        assert self.go_on.wait(60)
        if self.missing(folder):
            self.fetched += 1
            folder.mkdir(parents=True, exist_ok=True)
            (folder / NAME).write_bytes(CONTENT)
        return folder

    def missing(self, folder: Path, *_: object) -> list[str]:
        path = folder / NAME
        return [] if path.is_file() and path.read_bytes() == CONTENT else [NAME]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    made = Source()
    monkeypatch.setattr(weights, "fetch_weights", made.fetch)
    monkeypatch.setattr(weights, "missing_weights", made.missing)
    return made


def test_missing_and_damaged_weights_are_fetched_and_said(tmp_path: Path, source: Source) -> None:
    store, said = Store(root=str(tmp_path)), []
    assert ready_weights(store, EstimatorConfig(), said.append) == store.weights
    ready_weights(store, EstimatorConfig(), said.append)
    (store.weights / NAME).write_bytes(CONTENT[:3])
    ready_weights(store, EstimatorConfig(), said.append)
    assert source.fetched == 2
    assert said == [f"{NAME} is not there yet: fetched", f"{NAME} is damaged: fetched"]


def test_an_estimator_without_weights_fetches_none(tmp_path: Path, source: Source) -> None:
    ready_weights(Store(root=str(tmp_path)), EstimatorConfig(name="precomputed"), pytest.fail)
    assert source.fetched == 0


def test_a_second_process_waits_for_the_first_one_that_fetches(
    tmp_path: Path, source: Source
) -> None:
    store, said = Store(root=str(tmp_path)), []
    source.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ready_weights, store, EstimatorConfig(), lambda line: None)
        assert source.begun.wait(60)
        second = pool.submit(ready_weights, store, EstimatorConfig(), said.append)
        with pytest.raises(TimeoutError):
            second.result(timeout=1)
        source.go_on.set()
        assert first.result(timeout=60) == second.result(timeout=60)
    assert source.fetched == 1
    assert len(said) == 1
    assert said[0].startswith("the folder of estimator weights is in use by process ")
