"""Finding a tracked model: by alias of the registry, by MLflow run or by its asset."""

from dataclasses import dataclass
from pathlib import Path

from dance_models.errors import InputError
from dance_models.rows import ROW_OF_ASSET
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker


@dataclass(frozen=True)
class TrackedModel:
    """The checkpoint of an MLflow run."""

    run_id: str
    method: str
    checkpoint: Path


@dataclass(frozen=True)
class Named:
    """What a name leads to: a run and, when it named one, the version of a registered model."""

    run_id: str
    model: str | None = None
    version: str | None = None


def resolve(tracker: Tracker, name: str) -> Named:
    """``NAME@ALIAS`` of the registry, ``NAME/VERSION``, a network's asset, else an MLflow run id.

    Raises InputError when there is none.
    """
    from mlflow.exceptions import MlflowException

    client = tracker.client
    try:
        if "@" in name:
            registered, _, alias = name.partition("@")
            version = client.get_model_version_by_alias(registered, alias)
            return Named(str(version.run_id), registered, str(version.version))
        if "/" in name:
            registered, _, number = name.partition("/")
            version = client.get_model_version(registered, number)
            return Named(str(version.run_id), registered, str(version.version))
        run_id = tracker.store.run_id(name) if name in ROW_OF_ASSET else name
        client.get_run(run_id)
    except MlflowException as error:
        raise _unknown(tracker.store, name) from error
    return Named(run_id)


def find_model(store: Store, name: str) -> TrackedModel:
    """The checkpoint of a model by any name that :func:`resolve` takes.

    Raises InputError when there is none, or its run kept no checkpoint.
    """
    from mlflow.exceptions import MlflowException

    tracker = Tracker(store)
    run_id = resolve(tracker, name).run_id
    try:
        run = tracker.client.get_run(run_id)
        checkpoint = tracker.artifact(run_id, "checkpoints/best.pt")
    except (MlflowException, OSError) as error:
        raise _unknown(store, name) from error
    asset = run.data.tags.get("dagster/asset_key", "")
    if asset not in ROW_OF_ASSET:
        raise InputError(f"run {run_id} trained no network of ours", file=store.mlflow)
    return TrackedModel(run_id, ROW_OF_ASSET[asset].id, checkpoint)


def _unknown(store: Store, name: str) -> InputError:
    return InputError(
        f"there is no tracked model {name!r}",
        file=store.mlflow,
        hint="Use NAME@ALIAS, NAME/VERSION, the id of an MLflow run, or a network's asset",
    )
