"""A training that ended without its parent is found, unless a file of it is damaged."""

from pathlib import Path
from typing import Any

import pytest
from lock_owner import owner

from dance_models.tables import file_digest
from pipelines.storage.store import Store
from pipelines.tracking.tracker import RUN_NOTE
from pipelines.training import child
from pipelines.training.finished import (
    finished_result,
    forget_if_damaged,
    logged_files,
    write_result,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path))


def _folder(store: Store) -> Path:
    folder = store.model("stga_net") / "abc"
    logged = store.mlflow / "artifacts" / "models" / "m-1" / "artifacts"
    pixels = store.mlflow / "artifacts" / "models" / "m-2" / "artifacts"
    program, code = logged / "data" / "model.pt2", pixels / "code" / "a.py"
    for path in (folder / "best.pt", folder / "last.pt", program, code):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {path.name}")
    (logged / "registered_model_meta").write_text("note of the last load")
    (code.parent / "__pycache__").mkdir()
    (code.parent / "__pycache__" / "a.pyc").write_text("compiled when it was loaded")
    (folder / RUN_NOTE).write_text("run")
    return folder


def _result(store: Store, folder: Path) -> dict[str, Any]:
    files = {name: folder / f"{name}.pt" for name in ("best", "last")}
    return {
        "model_id": "m-1",
        "pixel_model_id": "m-2",
        "folds": [],
        **{n: {"path": store.relative(p), "sha256": file_digest(p)} for n, p in files.items()},
    }


def test_an_intact_result_is_found(store: Store) -> None:
    folder = _folder(store)
    assert finished_result(store, folder) is None
    result = _result(store, folder)
    write_result(store, folder, "run", result)
    assert finished_result(store, folder) == result
    assert forget_if_damaged(store, folder)
    assert (folder / RUN_NOTE).exists()
    logged = logged_files(store, {**result, "run_id": "run"})
    assert [path.name for path in logged] == ["model.pt2", "a.py"], "what loading left is no part"


@pytest.mark.parametrize("name", ["best.pt", "last.pt", "model.pt2", "a.py", "result.json"])
def test_a_damaged_file_makes_a_new_run(store: Store, name: str) -> None:
    folder = _folder(store)
    write_result(store, folder, "run", _result(store, folder))
    (path,) = store.path.rglob(name)
    path.write_text("damaged")
    assert finished_result(store, folder) is None
    assert forget_if_damaged(store, folder)
    assert not (folder / RUN_NOTE).exists(), "one run would have two models"
    assert not (folder / "result.json").exists()


def test_an_unfinished_training_keeps_its_run(store: Store) -> None:
    folder = _folder(store)
    assert not forget_if_damaged(store, folder)
    assert (folder / RUN_NOTE).exists()


# --- the training process ---------------------------------------------------------------------


class Pipes:
    """What the training process says and reports."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.reported: list[dict[str, Any]] = []
        self.log = self

    def info(self, line: str) -> None:
        self.said.append(line)

    warning = info

    def report_custom_message(self, message: dict[str, Any]) -> None:
        self.reported.append(message)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trainings that were run; each gives the same result."""
    runs: list[str] = []

    def train(pipes: Pipes, job: dict[str, Any], store: Store, folder: Path) -> dict[str, Any]:
        runs.append(job["run_id"])
        return _result(store, folder)

    monkeypatch.setattr(child, "_train_and_log", train)
    monkeypatch.setattr(child, "discard_damaged", lambda folder: ["last.pt is damaged"])
    return runs


def test_a_result_is_logged_once(store: Store, trained: list[str]) -> None:
    folder, pipes = _folder(store), Pipes()
    job = {"store": str(store.path), "folder": str(folder), "run_id": "run"}
    child.run(pipes, job)  # type: ignore[arg-type]
    child.run(pipes, job)  # type: ignore[arg-type]
    assert trained == ["run"]
    assert pipes.reported == [_result(store, folder)] * 2
    assert pipes.said == ["last.pt is damaged"]


def test_a_second_training_waits_for_the_one_in_its_folder(
    store: Store, trained: list[str]
) -> None:
    """The first one's parent was killed; it is killed itself, which frees the folder."""
    folder, pipes = _folder(store), Pipes()
    job = {"store": str(store.path), "folder": str(folder), "run_id": "run"}
    with owner(store.training_lock(folder)) as (orphan, _):

        def warning(line: str) -> None:
            assert trained == [], "two trainings in one folder"
            pipes.said.append(line)
            orphan.kill()

        pipes.warning = warning  # type: ignore[method-assign]
        child.run(pipes, job)  # type: ignore[arg-type]
    assert trained == ["run"]
    assert pipes.said[0].startswith(
        f"the training folder models/stga_net/abc is in use by process {orphan.pid} on "
    )
