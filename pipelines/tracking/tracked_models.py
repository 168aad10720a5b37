"""Finding a tracked model by name: a registered version, an MLflow run or a network's asset."""

from dataclasses import dataclass
from pathlib import Path

from dance_models.errors import InputError
from dance_models.rows import ROW_OF_ASSET
from pipelines.storage.store import Store
from pipelines.tracking.tracker import Tracker, is_absent


@dataclass(frozen=True)
class TrackedModel:
    """The checkpoint of an MLflow run, with the registered version if that was named."""

    run_id: str
    method: str
    checkpoint: Path
    model: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class ResolvedName:
    """The run that a name refers to, with the registered version if it names one."""

    run_id: str
    model: str | None = None
    version: str | None = None


def resolve(tracker: Tracker, name: str) -> ResolvedName:
    """Look up ``NAME@ALIAS``, ``NAME/VERSION``, a network's asset or an MLflow run id.

    Raises InputError when there is no such model.
    """
    from mlflow.exceptions import MlflowException

    client = tracker.client
    try:
        if "@" in name:
            registered, _, alias = name.partition("@")
            version = client.get_model_version_by_alias(registered, alias)
            return ResolvedName(str(version.run_id), registered, str(version.version))
        if "/" in name:
            registered, _, number = name.partition("/")
            version = client.get_model_version(registered, number)
            return ResolvedName(str(version.run_id), registered, str(version.version))
        run_id = tracker.store.run_id(name) if name in ROW_OF_ASSET else name
        client.get_run(run_id)
    except MlflowException as error:
        if not is_absent(error):
            raise
        raise _unknown(tracker.store, name) from error
    return ResolvedName(run_id)


def find_model(store: Store, name: str) -> TrackedModel:
    """The checkpoint of a model, by any name that :func:`resolve` accepts.

    Raises InputError when there is no such model, or when its run has no checkpoint.
    """
    from mlflow.exceptions import MlflowException

    tracker = Tracker(store)
    found = resolve(tracker, name)  # once: an alias may be moved at any time
    run_id = found.run_id
    try:
        run = tracker.client.get_run(run_id)
        checkpoint = tracker.artifact(run_id, "checkpoints/best.pt")
    except (MlflowException, OSError) as error:
        if isinstance(error, MlflowException) and not is_absent(error):
            raise
        raise _unknown(store, name) from error
    asset = run.data.tags.get("dagster/asset_key", "")
    if asset not in ROW_OF_ASSET:
        raise InputError(f"run {run_id} trained no network of this pipeline", file=store.mlflow)
    return TrackedModel(run_id, ROW_OF_ASSET[asset].id, checkpoint, found.model, found.version)


def _unknown(store: Store, name: str) -> InputError:
    return InputError(
        f"there is no tracked model {name!r}",
        file=store.mlflow,
        hint="Use NAME@ALIAS, NAME/VERSION, the id of an MLflow run, or a network's asset",
    )
