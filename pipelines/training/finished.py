"""The result of a finished training, kept in its folder.

When the process that started a training was killed, the training may end without anybody who takes
its result. The next start finds it here and trains and logs nothing a second time.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dance_models.tables import file_digest, write_text
from pipelines.storage.store import Store
from pipelines.tracking.tracker import RUN_NOTE

RESULT: Final = "result.json"
MODEL_ID: Final = "model_id"  # of the program
PIXEL_MODEL_ID: Final = "pixel_model_id"  # of the same network as a model that takes pixels
MODEL_IDS: Final = (MODEL_ID, PIXEL_MODEL_ID)
# MLflow writes a note whenever it loads a model, and Python compiles the code of one beside it.
_LEFT_BY_LOADING: Final = frozenset({"registered_model_meta", "__pycache__"})


def logged_files(store: Store, ids: Mapping[str, Any]) -> list[Path]:
    """What MLflow keeps of a training: the run's checkpoints, and the files of its models.

    ``ids``: of the run and of the models, by ``run_id`` and ``MODEL_IDS``. Trainings of earlier
    versions do not name the model that takes pixels.
    """
    artifacts = store.mlflow / "artifacts"
    models = [str(ids[name]) for name in MODEL_IDS if name in ids]
    folders = (
        artifacts / str(ids["run_id"]) / "artifacts" / "checkpoints",
        *(artifacts / "models" / model / "artifacts" for model in models),
    )
    return [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _LEFT_BY_LOADING & {*path.relative_to(folder).parts}
    ]


def write_result(store: Store, folder: Path, run_id: str, result: Mapping[str, Any]) -> None:
    """Keep the result of the training in ``folder``, with digests of all its files."""
    logged = logged_files(store, {**result, "run_id": run_id})
    kept = {
        "run_id": run_id,
        "result": result,
        "logged": {store.relative(path): file_digest(path) for path in logged},
    }
    write_text(folder / RESULT, json.dumps(kept, indent=2) + "\n")


def finished_result(store: Store, folder: Path) -> dict[str, Any] | None:
    """The result of a finished training if all of its files are intact, else None."""
    try:
        kept = json.loads((folder / RESULT).read_text("utf-8"))
        if kept["run_id"] != (folder / RUN_NOTE).read_text("utf-8").strip():
            return None
        result: dict[str, Any] = kept["result"]
        seeds = [file for seed in result["folds"] for file in seed]
        files = [(f["path"], f["sha256"]) for f in (result["best"], result["last"], *seeds)]
        expected: Iterable[tuple[str, str]] = [*files, *kept["logged"].items()]
        intact = all(file_digest(store.path / path) == sha256 for path, sha256 in expected)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if intact else None


def forget_if_damaged(store: Store, folder: Path, *ended: str) -> bool:
    """Make a training that had ended, and is not intact, start a new MLflow run.

    ``ended`` are files that earlier versions wrote at the end of a training. Returns whether the
    training had ended. Its checkpoints stay as they are.
    """
    notes = [folder / name for name in (RESULT, *ended)]
    had_ended = any(note.is_file() for note in notes)
    if had_ended and finished_result(store, folder) is None:
        for note in (*notes, folder / RUN_NOTE):
            note.unlink(missing_ok=True)
    return had_ended
