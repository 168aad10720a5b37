"""Which files a training consists of: when one of them is damaged, it is made again."""

import json
from pathlib import Path

import pytest

from dance_models.rows import row_of
from pipelines.assets.training import network_stage
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=str(tmp_path))
    folder = store.model("stga_net") / "0123"
    folder.mkdir(parents=True)
    for name in ("best.pt", "last.pt", "runs.npz", "outcome.json"):
        (folder / name).write_text(name)
    files = {
        name: {"path": store.relative(folder / f"{name}.pt"), "sha256": ""}
        for name in ("best", "last")
    }
    (folder.parent / "current.json").write_text(json.dumps(files))
    ids = {"run_id": "r", "model_id": "m", "pixel_model_id": "p"}
    (folder.parent / "mlflow.json").write_text(json.dumps(ids))
    for model in ("m", "p"):
        logged = store.mlflow / "artifacts" / "models" / model / "artifacts" / "MLmodel"
        logged.parent.mkdir(parents=True)
        logged.write_text("flavors:")
    return store


def test_everything_that_was_read_and_written_counts(store: Store) -> None:
    stage = network_stage(row_of("stga_net"))
    names = [path.name for path in stage.files(store, None)]
    assert names == [
        *("current.json", "mlflow.json", "best.pt", "last.pt", "runs.npz", "outcome.json"),
        *("MLmodel", "MLmodel"),  # of the program, and of the model that takes pixels
    ]
    (store.model("stga_net") / "mlflow.json").write_text('{"run_id": "r", "model_id": "m"}')
    names = [path.name for path in stage.files(store, None)]
    assert names.count("MLmodel") == 1, "of an earlier version"


@pytest.mark.parametrize("content", ["", '{"run', "[]", "{}"])
def test_a_damaged_note_stops_nobody(store: Store, content: str) -> None:
    (store.model("stga_net") / "mlflow.json").write_text(content)
    stage = network_stage(row_of("stga_net"))
    names = [path.name for path in stage.files(store, None)]
    assert "mlflow.json" in names and "MLmodel" not in names
