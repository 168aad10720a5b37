"""``dance clean``: unreferenced files and replaced runs, listed first and deleted on demand."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dance_models.tables import read_note, read_table
from pipelines.commands import common

if TYPE_CHECKING:
    import dagster as dg

    from pipelines.storage.store import Store


def clean(
    store: common.StoreOption = common.DEFAULT_STORE,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    debug: common.DebugOption = False,
) -> None:
    """Delete frames, checkpoints and runs that nothing uses any more; lists them first."""
    with common.reported(debug):
        garbage = find_garbage(common.opened(store))
        for line in garbage.lines():
            common.console().print(line)
        if not garbage:
            return
        if not yes and not typer.confirm("Delete these?"):
            raise typer.Exit(0)
        delete(common.opened(store), garbage)
        common.console().print(f"Deleted, {garbage.size_mb:.1f} MB freed.")


@dataclass
class Garbage:
    """Files, folders and runs that can be deleted."""

    frames: list[Path] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)
    dagster_runs: list[str] = field(default_factory=list)
    mlflow_runs: list[str] = field(default_factory=list)
    size_mb: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.frames or self.checkpoints or self.dagster_runs or self.mlflow_runs)

    def lines(self) -> list[str]:
        """What would be deleted, as readable text."""
        if not self:
            return ["Nothing to clean."]
        return [
            f"{len(self.frames)} sampled images that no table refers to",
            *[f"training {path}" for path in self.checkpoints],
            f"{len(self.dagster_runs)} Dagster runs whose results were replaced",
            f"{len(self.mlflow_runs)} MLflow runs of replaced trainings",
            f"{self.size_mb:.1f} MB in all",
        ]


def _unused_frames(store: "Store") -> list[Path]:

    from pipelines.storage.clips import registered_clips

    used: set[Path] = set()
    for clip in registered_clips(store)["clip"]:
        table = store.table("sampled_frames", clip)
        if table.is_file():
            images = read_table(table, columns=["image"])["image"]
            used.update(store.path / name for name in images)
    folder = store.path / "frames"
    return sorted(p for p in folder.rglob("*") if p.is_file() and p not in used)


def _unused_trainings(store: "Store") -> list[Path]:
    """Training folders other than the current one; unfinished ones would be resumed and stay."""
    from pipelines.storage.store import TRAININGS

    unused: list[Path] = []
    for asset in TRAININGS:
        current = store.output(asset)
        if not current.is_file():
            continue
        best = store.path / read_note(current)["best"]["path"]
        unused += [
            path
            for path in sorted(store.model(asset).iterdir())
            if path.is_dir() and path not in best.parents
        ]
    return unused


def _registered(store: "Store", tag: str) -> set[str]:
    """Values of a tag of all registered versions: their runs are kept, however old they are."""
    from pipelines.tracking.tracker import Tracker

    versions = Tracker(store).client.search_model_versions()
    return {version.tags[tag] for version in versions if tag in version.tags}


def _replaced_dagster_runs(store: "Store", instance: "dg.DagsterInstance") -> list[str]:
    """Finished runs none of whose materializations is the newest of its asset and clip."""
    import dagster as dg

    from pipelines.partitions import clip_keys

    used = _registered(store, "dagster/run_id")
    clips = clip_keys(instance)
    for key in instance.all_asset_keys():
        partitions: list[str | None] = [None, *clips]
        for clip in partitions:
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=[clip] if clip else None),
                limit=1,
            ).records
            used.update(record.run_id for record in records)
    finished = [r.dagster_run for r in instance.get_run_records() if r.dagster_run.is_finished]
    return [run.run_id for run in finished if run.run_id not in used]


def _replaced_mlflow_runs(store: "Store") -> list[str]:
    from pipelines.tracking.tracker import EXPERIMENT, Tracker

    tracker = Tracker(store)
    experiment = tracker.client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    used = {p.read_text("utf-8").strip() for p in store.path.glob("models/*/*/mlflow_run_id")}
    replaced = {
        (path / "mlflow_run_id").read_text("utf-8").strip()
        for path in _unused_trainings(store)
        if (path / "mlflow_run_id").is_file()
    }
    registered = {str(v.run_id) for v in tracker.client.search_model_versions()}
    runs = tracker.client.search_runs([experiment.experiment_id])
    return [r.info.run_id for r in runs if r.info.run_id not in (used - replaced) | registered]


def find_garbage(store: "Store") -> Garbage:
    """Find what can be deleted; deletes nothing."""
    from pipelines.storage.store import open_instance

    instance = open_instance(store)
    garbage = Garbage(
        frames=_unused_frames(store),
        checkpoints=_unused_trainings(store),
        dagster_runs=_replaced_dagster_runs(store, instance),
        mlflow_runs=_replaced_mlflow_runs(store),
    )
    files = [
        *garbage.frames,
        *(p for folder in garbage.checkpoints for p in folder.rglob("*") if p.is_file()),
    ]
    garbage.size_mb = sum(p.stat().st_size for p in files) / 1e6
    return garbage


def delete(store: "Store", garbage: Garbage) -> None:
    """Delete what :func:`find_garbage` found."""
    from pipelines.storage.store import open_instance
    from pipelines.tracking.tracker import Tracker

    instance = open_instance(store)
    tracker = Tracker(store)
    for path in garbage.frames:
        path.unlink(missing_ok=True)
    for run_id in garbage.mlflow_runs:
        tracker.client.delete_run(run_id)
    for folder in garbage.checkpoints:
        shutil.rmtree(folder)
    for run_id in garbage.dagster_runs:
        instance.delete_run(run_id)
