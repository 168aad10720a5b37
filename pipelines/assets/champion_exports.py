"""The champions outside of MLflow: an exported program and a description of each."""

import json
import shutil
from typing import Final

import dagster as dg

from dance_models.files import replacing
from dance_models.tables import file_digest, write_text
from pipelines.stage import Metadata, Stage, StageContext
from pipelines.storage.store import Store
from pipelines.tracking.registry import CHAMPION, CHAMPION_ASSETS, MODELS, Registry
from pipelines.tracking.tracker import Tracker

PROGRAM: Final = "data/model.pt2"  # in the folder of a logged model


def champions(store: Store) -> dict[str, str]:
    """Version of each task's champion; tasks without one are left out."""
    tracker = Tracker(store)
    if not tracker.exists():
        return {}
    found = {task: Registry(tracker, task).aliases().get(CHAMPION) for task in MODELS}
    return {task: version for task, version in found.items() if version is not None}


@Stage(
    deps=[*CHAMPION_ASSETS.values()],
    inputs=lambda context: champions(context.store),
    outputs=lambda store, clip: [
        store.exports / f"{task}{suffix}"
        for task in champions(store)
        for suffix in (".pt2", ".json", ".md")
    ],
    reuse=False,  # cheap, and a copy that was altered by hand is replaced
    group="registry",
    version="1",
    kinds={"pytorch"},
)
def champion_exports(context: StageContext[None]) -> Metadata:
    """`exports/recognition.pt2` and `exports/prediction.pt2`, with a JSON and a model card each.

    Loaded with `torch.export.load`, without this repository. Made when an alias `champion` moves.
    """
    store = context.store
    exported = {task: _export(store, task, version) for task, version in champions(store).items()}
    path = store.output("champion_exports")
    write_text(path, json.dumps(exported, indent=2, sort_keys=True) + "\n")
    if not exported:
        context.log.warning("There is no champion yet.")
    return {
        "path": dg.MetadataValue.path(path.parent),
        **{task: f"version {record['version']}" for task, record in exported.items()},
    }


def _export(store: Store, task: str, version: str) -> dict[str, str]:
    registry = Registry(Tracker(store), task)
    source = registry.tracker.model_folder(registry.model_id(version)) / PROGRAM
    target = store.exports / f"{task}.pt2"
    with replacing(target) as part:
        shutil.copyfile(source, part)
    write_text(store.exports / f"{task}.md", registry.description(version))
    record = {
        "model": registry.name,
        "version": version,
        "mlflow_run_id": registry.run_id(version),
        "program": target.name,
        "sha256": file_digest(target),
        "signature": registry.signature(version),
    }
    write_text(store.exports / f"{task}.json", json.dumps(record, indent=2, sort_keys=True) + "\n")
    return record
