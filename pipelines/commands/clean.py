"""``dance clean``: unreferenced files and replaced runs, listed first and deleted on demand."""

import re
import shutil
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from dance_models.errors import InputError
from dance_models.files import is_part, writer_of
from pipelines.commands import common
from pipelines.shown import saying, shown

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import dagster as dg

    from pipelines.storage.store import Store


T = TypeVar("T", bound=Hashable)

OLD_PART_S: Final = 86400.0  # no process elsewhere still writes a file that is older
RAW: Final = "raw"  # the folder of a store in which people put files
ROOM_MB: Final = 5
BY_HAND: Final = (
    "Free these by hand first: anything else on that disk, or the old logs below logs/ of the "
    "store; then clean"
)
RUN_FILE: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.db.*)?")  # of a run's id
LOCK_WAIT_S: Final = 10.0  # for a process that has just begun with what is to be deleted


def clean(
    store: common.StoreOption = common.DEFAULT_STORE,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    debug: common.DebugOption = False,
) -> None:
    """Delete frames, checkpoints and runs that nothing uses any more; lists them first.

    Nothing that is in progress, or that the next run would continue from, is deleted.
    """
    from pipelines.storage.disk import full_disk_reported

    with common.reported(debug):
        found = common.existing(store)
        refuse_in_progress(found)
        # Only to open a database SQLite needs room, too.
        with full_disk_reported(found.path, ROOM_MB, BY_HAND):
            garbage = find_garbage(found)
        for line in garbage.lines():
            common.console().print(shown(line), highlight=False, soft_wrap=True)
        if not garbage:
            return
        if not yes and not _confirmed():
            raise typer.Exit(0)
        refuse_in_progress(found)
        with full_disk_reported(found.path, ROOM_MB, BY_HAND):
            delete(found, garbage)
        common.console().print(f"Deleted, {garbage.size_mb:.1f} MB freed.")


def _confirmed() -> bool:
    """Whether the user wants it. Raises InputError when nobody is there to be asked."""
    try:
        return typer.confirm("Delete these?")
    except typer.Abort as abort:
        if isinstance(abort.__context__, EOFError):
            raise InputError(
                "nobody answers whether to delete these", hint="Repeat with --yes"
            ) from None
        raise


@dataclass
class Garbage:
    """Files, folders and runs that can be deleted."""

    frames: list[Path] = field(default_factory=list)
    previews: list[Path] = field(default_factory=list)
    copies: list[Path] = field(default_factory=list)
    parts: list[Path] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)
    versions: list[Path] = field(default_factory=list)
    dagster_runs: list[str] = field(default_factory=list)
    run_files: list[Path] = field(default_factory=list)  # logs and events of these and earlier ones
    mlflow_runs: list[str] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)  # folders of these runs and their models
    left: list[Path] = field(default_factory=list)  # of those that another machine deleted
    size_mb: float = 0.0

    def __bool__(self) -> bool:
        files = (self.frames, self.previews, self.copies, self.parts, self.run_files)
        results = (self.checkpoints, self.versions, self.dagster_runs, self.mlflow_runs, self.left)
        return any((*files, *results))

    def folders(self) -> list[Path]:
        """Those that are deleted whole."""
        runs = (p for p in self.run_files if p.is_dir())
        return [*self.checkpoints, *self.artifacts, *self.left, *runs]

    def lines(self) -> list[str]:
        """What would be deleted, as readable text."""
        if not self:
            return ["Nothing to clean."]
        return [
            f"{len(self.frames)} sampled images that no table refers to",
            f"{len(self.previews)} pictures of clips that are not registered any more",
            f"{len(self.copies)} copies of clips in buckets that nothing decodes",
            f"{len(self.parts)} unfinished files of processes that ended",
            *[f"training {path}" for path in self.checkpoints],
            f"{len(self.versions)} earlier tables and annotation files that no model stands on",
            f"{len(self.dagster_runs)} Dagster runs whose results were replaced",
            f"{len(self.run_files)} logs and event databases of these and of earlier deleted runs",
            f"{len(self.mlflow_runs)} MLflow runs of replaced trainings, with their models",
            *([f"{len(self.left)} folders of runs that another machine deleted"] * bool(self.left)),
            f"{self.size_mb:.1f} MB in all",
        ]


def refuse_in_progress(store: "Store") -> None:
    """Raise InputError naming the owner when a process works on the store."""
    from pipelines.storage.locks import held_locks

    for lock, owner in held_locks(store.locks).items():
        raise InputError(
            f"{lock.relative_to(store.locks).with_suffix('')} is in use by {owner}",
            file=store.path,
            hint="Wait for its end, then clean",
        )


def _has_registry(store: "Store") -> bool:
    """Whether it is known which clips there are: a damaged registry is deleted, and made again."""
    return store.table("raw_clips").is_file()


def _unused_frames(store: "Store", of: str | None = None) -> list[Path]:
    """Images (of one clip) that are in no table; while a clip has no table yet they are in use."""
    from dance_models.tables import read_table
    from pipelines.storage.clips import registered_clips

    if not _has_registry(store):
        return []
    folder = store.frames(of) if of is not None else store.path / "frames"
    files = {p for p in folder.rglob("*") if p.is_file() and not is_part(p)}
    clips = registered_clips(store)["clip"]
    for clip in clips if of is None else clips.filter(clips == of):
        table = store.table("sampled_frames", clip)
        if table.is_file():
            images = read_table(table, columns=["image"])["image"]
            files.difference_update(store.path / name for name in images)
        else:
            files.difference_update(store.frames(clip).glob("*"))
    return sorted(files)


def _unused_previews(store: "Store") -> list[Path]:
    """Pictures of clips that are not registered any more; those of checks are of a shard."""
    from pipelines.storage.clips import registered_clips
    from pipelines.storage.shard_keys import shard_names
    from pipelines.storage.shards import shards_of

    if not _has_registry(store):
        return []
    names = {*registered_clips(store)["clip"], *shard_names(shards_of(store))}
    found = (path for path in store.previews.glob("*/*/*") if not is_part(path))
    return sorted(path for path in found if path.stem not in names)


def _dead_parts(store: "Store") -> list[Path]:
    """Files under a temporary name whose process has ended.

    Of a process of another machine, or of a container that is gone, its age tells. Among the files
    that people drop, one that names no process is theirs, and may be on its way.
    """
    from pipelines.processes import has_ended
    from pipelines.storage.store import PREVIEWS
    from pipelines.tracking.kept_versions import FOLDER as VERSIONS

    folders = ("tables", "manifests", "frames", "models", "reports", "exports", "rendered")
    found = []
    for name in (*folders, PREVIEWS, VERSIONS, "weights", RAW):
        for path in sorted((store.path / name).rglob(".*.part*")):
            if not (is_part(path) and path.is_file()):
                continue
            writer = writer_of(path)
            if writer is None and name == RAW:
                continue
            ended = writer is None or has_ended(writer)
            if ended or (ended is None and time.time() - path.stat().st_mtime > OLD_PART_S):
                found.append(path)
    return found


def _unused_trainings(store: "Store") -> list[Path]:
    """Training folders other than the current one, and than those that a training goes on in."""
    from pipelines.assets.training import would_continue
    from pipelines.storage.locks import holder
    from pipelines.storage.store import TRAININGS

    unused: list[Path] = []
    for asset in TRAININGS:
        best = next(store.checkpoints(asset), None)
        if best is None:
            continue
        unused += [
            path
            for path in sorted(store.model(asset).iterdir())
            if path.is_dir()
            and path not in best.parents
            and holder(store.training_lock(path)) is None
            and not would_continue(store, path)
        ]
    return unused


def _registered(store: "Store", tag: str) -> set[str]:
    """Values of a tag of all registered versions: their runs are kept, however old they are."""
    from pipelines.tracking.tracker import Tracker, every

    versions = every(Tracker(store).client.search_model_versions)
    return {version.tags[tag] for version in versions if tag in version.tags}


def _replaced_dagster_runs(store: "Store", instance: "dg.DagsterInstance") -> list[str]:
    """Finished runs none of whose materializations is the newest of its asset and clip.

    Runs that were interrupted and are still to be tried again are not among them.
    """
    import dagster as dg

    from pipelines.partitions import partition_keys
    from pipelines.recovery import going_on

    # Before the newest materializations: a run that ends meanwhile has its own among them.
    finished = [r.dagster_run for r in instance.get_run_records() if r.dagster_run.is_finished]
    used = _registered(store, "dagster/run_id") | going_on(instance)
    partitions: list[str | None] = [None, *partition_keys(store, instance)]
    for key in instance.all_asset_keys():
        for one in partitions:
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=[one] if one else None),
                limit=1,
            ).records
            used.update(record.run_id for record in records)
    return [run.run_id for run in finished if run.run_id not in used]


def _files_of_runs(instance: "dg.DagsterInstance", gone: Sequence[str]) -> list[Path]:
    """Folders of logs, and event databases in SQLite, of runs that are ``gone`` or not known.

    Dagster leaves both when it deletes a run: a quarter of a megabyte for each.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage

    logs, events = Path(instance.storage_directory()), instance.event_log_storage
    files = [*logs.glob("*")]
    if isinstance(events, SqliteEventLogStorage):
        files += Path(events.path_for_shard("")).parent.glob("*.db*")
    # Known after the files: those of a run that begins meanwhile are in use.
    kept = set(instance.get_run_ids()) - set(gone)
    ours = (path for path in files if RUN_FILE.fullmatch(path.name))
    return sorted(path for path in ours if path.name.split(".")[0] not in kept)


def _replaced_mlflow_runs(store: "Store") -> list[str]:
    """Runs of trainings that are gone or unused, also those that are in MLflow's trash already.

    What others logged into the experiment has no run of Dagster, and is theirs. Raises InputError
    when the note of a training's run is damaged: it would be unused.
    """
    from mlflow.entities import ViewType

    from pipelines.storage.place import EXPERIMENT
    from pipelines.tracking.tracker import (
        DAGSTER_RUN_TAG,
        RUN_NOTE,
        RUN_NOTES,
        Tracker,
        every,
        noted_run,
    )

    tracker = Tracker(store)
    experiment = tracker.client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    used = {noted_run(note.parent) for note in store.path.glob(RUN_NOTES)}
    replaced = {noted_run(path) for path in _unused_trainings(store) if (path / RUN_NOTE).is_file()}
    registered = {str(v.run_id) for v in every(tracker.client.search_model_versions)}
    named = [experiment.experiment_id]
    runs = every(tracker.client.search_runs, named, run_view_type=ViewType.ALL)
    ours = {run.info.run_id for run in runs if DAGSTER_RUN_TAG in run.data.tags}
    unused = ours - (used - replaced) - registered
    # Of a store in a bucket other machines have notes too, of trainings that are not finished.
    return sorted(unused if store.remote is None else unused & replaced)


def _left_artifacts(store: "Store") -> list[Path]:
    """Folders of runs and models that another machine deleted, from the bucket and from MLflow.

    MLflow does not name them any more, so nothing else would find them here.
    """
    from pipelines.tracking.tracker import Tracker

    remote, tracker = store.remote, Tracker(store)
    below = f"{store.relative(store.mlflow)}/artifacts/"
    names = remote.deleted_elsewhere() if remote is not None else []
    parts = [n.removeprefix(below).split("/") for n in names if n.startswith(below)]
    if not parts or not tracker.exists():
        return []
    runs = {first for first, *_ in parts if first != "models"}
    models = {others[0] for first, *others in parts if first == "models" and others}
    gone = [run for run in sorted(runs) if tracker.lifecycle(run) is None]
    return tracker.folders_of(gone, [m for m in sorted(models) if not tracker.has_model(m)])


def find_garbage(store: "Store") -> Garbage:
    """Find what can be deleted; deletes nothing."""
    from pipelines.storage.store import open_instance
    from pipelines.tracking.kept_versions import unused_versions
    from pipelines.tracking.tracker import Tracker

    instance = open_instance(store, runs=False)
    trainings = _unused_trainings(store)
    runs = _replaced_dagster_runs(store, instance)
    garbage = Garbage(
        frames=_unused_frames(store),
        previews=_unused_previews(store),
        copies=sorted(path for path in store.clip_copies.glob("[!.]*/*") if path.is_file()),
        parts=_dead_parts(store),
        checkpoints=trainings,
        versions=unused_versions(store, without=trainings),
        dagster_runs=runs,
        run_files=_files_of_runs(instance, runs),
        mlflow_runs=_replaced_mlflow_runs(store),
    )
    tracker = Tracker(store)
    models = tracker.models_of(garbage.mlflow_runs)
    garbage.artifacts = tracker.folders_of(garbage.mlflow_runs, models)
    garbage.left = _left_artifacts(store)
    # A version that is still today's table is a second name of it and frees nothing.
    versions = [path for path in garbage.versions if path.stat().st_nlink == 1]
    files = [
        *garbage.frames,
        *garbage.previews,
        *garbage.copies,
        *garbage.parts,
        *versions,
        *(path for path in garbage.run_files if path.is_file()),
        *(p for f in garbage.folders() for p in f.rglob("*") if p.is_file()),
    ]
    garbage.size_mb = sum(p.stat().st_size for p in files) / 1e6
    return garbage


def delete(store: "Store", garbage: Garbage) -> None:
    """Delete what :func:`find_garbage` found, if nothing has begun to use it.

    The question may have stood there for hours, so it is looked for again. Each clip and network is
    locked meanwhile. Raises InputError naming the owner when another process holds a lock for
    longer than ``LOCK_WAIT_S``.
    """
    from pipelines.storage.pointers import drop_copies
    from pipelines.storage.store import open_instance
    from pipelines.tracking.kept_versions import unused_versions
    from pipelines.tracking.tracker import Tracker

    by_clip: dict[str, set[Path]] = {}
    for path in garbage.frames:
        clip = path.relative_to(store.path / "frames").parts[0]
        by_clip.setdefault(clip, set()).add(path)
    for clip, paths in by_clip.items():
        with _owned(store, "sampled_frames", clip):
            for path in paths.intersection(_unused_frames(store, clip)):
                path.unlink(missing_ok=True)
    drop_copies(store)
    with ExitStack() as locks:
        for asset in sorted({folder.parent.name for folder in garbage.checkpoints}):
            locks.enter_context(_owned(store, asset))
        runs = _still(garbage.mlflow_runs, lambda: _replaced_mlflow_runs(store))
        trainings = _still(garbage.checkpoints, lambda: _unused_trainings(store))
        tracker = Tracker(store)
        if (remote := store.remote) is not None:
            artifacts = tracker.folders_of(runs, tracker.models_of(runs))
            remote.withdraw([*artifacts, *trainings])
        deleted = tracker.delete_runs(runs) if runs else []
        for folder in trainings:
            _delete_training(folder)
    for folder in _still(garbage.left, lambda: _left_artifacts(store)):
        shutil.rmtree(folder)
    # After the trainings, whose versions nothing stands on then.
    versions = _still(garbage.versions, lambda: unused_versions(store))
    previews = _still(garbage.previews, lambda: _unused_previews(store))
    for path in (*previews, *_still(garbage.parts, lambda: _dead_parts(store)), *versions):
        path.unlink(missing_ok=True)
    _delete_runs(open_instance(store, runs=False), store, garbage)
    if remote is not None:
        remote.removed([*garbage.versions, *trainings, *deleted, *garbage.left])


def _delete_training(folder: Path) -> None:
    """Delete the folder of a training, what tells that nothing goes on in it last.

    So the next call finds what one that was killed left.
    """
    from pipelines.assets.training import READ_TABLES
    from pipelines.checks.models import OUTCOME

    telling = [folder / READ_TABLES, folder / OUTCOME]
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path not in telling:
            path.unlink(missing_ok=True)
    for path in telling:
        path.unlink(missing_ok=True)
    folder.rmdir()


def _delete_runs(instance: "dg.DagsterInstance", store: "Store", garbage: Garbage) -> None:
    """Delete runs of Dagster that are still replaced, and what is left of runs that are gone."""
    for run_id in _still(garbage.dagster_runs, lambda: _replaced_dagster_runs(store, instance)):
        instance.delete_run(run_id)
    for path in _still(garbage.run_files, lambda: _files_of_runs(instance, ())):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _still(found: Sequence[T], look: Callable[[], Sequence[T]]) -> list[T]:
    """Those of ``found`` that a look now finds, too."""
    now = set(look()) if found else set()
    return [one for one in found if one in now]


def _owned(store: "Store", asset: str, clip: str | None = None) -> "AbstractContextManager[None]":
    from pipelines.storage.locks import owned

    what = f"{asset} of {clip}" if clip else asset
    return owned(store.lock(asset, clip), what, saying(common.console()), LOCK_WAIT_S)
