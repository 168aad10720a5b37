"""Nothing that is in progress, or that the next run would continue from, is unused."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partialmethod
from pathlib import Path
from urllib.parse import urlparse

import bucket
import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG
from lock_owner import owner
from mlflow import MlflowClient

from dance_models.errors import InputError
from dance_models.files import part_of, this_machine
from dance_models.tables import write_table
from pipelines.assets.training import READ_TABLES
from pipelines.checks.models import OUTCOME
from pipelines.commands.clean import (
    OLD_PART_S,
    _dead_parts,
    _delete_training,
    _replaced_dagster_runs,
    _unused_frames,
    _unused_previews,
    _unused_trainings,
    delete,
    find_garbage,
    refuse_in_progress,
)
from pipelines.storage.bucket import Bucket
from pipelines.storage.clips import register_clips, set_shards
from pipelines.storage.store import Store, open_instance
from pipelines.tracking.tracker import DAGSTER_RUN_TAG, RUN_NOTE, Tracker, every
from pipelines.training.finished import RESULT

DEAD = 2**22 + 1  # more than any process id


@pytest.fixture
def store(tmp_path: Path, instance: dg.DagsterInstance) -> Store:
    store = Store(root=str(tmp_path / "store"))
    for clip in ("solo", "duo"):
        path = tmp_path / "clips" / f"{clip}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_text(clip)
        _write(store.frames(clip) / "000001.jpg")
    register_clips(store, instance, [tmp_path / "clips"])
    return store


def _write(path: Path, text: str = "content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_frames_whose_table_is_not_written_yet_are_in_use(store: Store) -> None:
    table = pl.DataFrame({"image": ["frames/duo/000001.jpg"]})
    write_table(table, store.table("sampled_frames", "duo"), {})
    strays = [
        _write(store.frames("duo") / "000002.jpg"),
        _write(store.frames("gone") / "000001.jpg"),
    ]
    assert _unused_frames(store) == strays
    assert [_unused_frames(store, clip) for clip in ("duo", "gone", "solo")] == [
        *([stray] for stray in strays),
        [],
    ]


def test_pictures_of_clips_that_are_gone_are_unused(store: Store) -> None:
    sheets = store.previews / "pose_tracks" / "contact_sheet"
    _write(sheets / "duo.jpg")
    _write(store.previews / "person_crops" / "contact_sheet.jpg")
    gone = _write(sheets / "duo.2.jpg")
    assert _unused_previews(store) == [gone]


def test_pictures_of_what_checks_found_in_a_shard_are_in_use(store: Store) -> None:
    """No run draws them again while the clips are fresh."""
    set_shards(store, 2)
    pictures = store.previews / "pose_tracks" / "limb_length"
    _write(pictures / "shard-0001.jpg")
    gone = _write(pictures / "shard-0002.jpg")
    assert _unused_previews(store) == [gone]


def test_nothing_of_clips_is_unused_while_the_registry_is_lost(store: Store) -> None:
    """Its damage is mended by deleting it, and the next run registers the clips again."""
    _write(store.frames("duo") / "000001.jpg")
    _write(store.previews / "pose_tracks" / "contact_sheet" / "duo.jpg")
    store.table("raw_clips").unlink()
    assert (_unused_frames(store), _unused_previews(store)) == ([], [])


def _training(store: Store, name: str, tables: dict[str, str] | None) -> Path:
    folder = store.model("stga_net") / name
    _write(folder / "last.pt")
    if tables is not None:
        _write(folder / READ_TABLES, json.dumps(tables))
    return folder


def test_an_unfinished_training_of_todays_data_is_in_use(store: Store) -> None:
    write_table(pl.DataFrame({"x": [1]}), store.table("train_split"), {})
    today = {"train_split": store.digest("train_split")}
    current = _training(store, "current", today)
    file = {"path": store.relative(current / "last.pt"), "sha256": ""}
    _write(store.output("stga_net"), json.dumps({"best": file, "last": file}))
    _training(store, "unfinished", today)
    _training(store, "unfinished_before_0.3", None)
    _write(_training(store, "nobody took its result", today) / RESULT)
    outdated = _training(store, "outdated", {"train_split": "old"})
    replaced = _training(store, "replaced", today)
    _write(replaced / RESULT)
    _write(replaced / OUTCOME)
    assert _unused_trainings(store) == [outdated, replaced]
    with owner(store.training_lock(outdated)):
        assert _unused_trainings(store) == [replaced], "somebody trains in it"


@pytest.mark.parametrize("reading", [True, False])
def test_what_is_left_of_a_training_whose_deletion_was_killed_is_still_unused(
    store: Store, monkeypatch: pytest.MonkeyPatch, reading: bool
) -> None:
    """Without what tells that it is replaced it would be kept for ever, for a training to go on."""
    write_table(pl.DataFrame({"x": [1]}), store.table("train_split"), {})
    today = {"train_split": store.digest("train_split")}
    current = _training(store, "current", today)
    file = {"path": store.relative(current / "last.pt"), "sha256": ""}
    _write(store.output("stga_net"), json.dumps({"best": file, "last": file}))
    old = _training(store, "old", {"train_split": "old"} if reading else today)
    _write(old / "fold_0" / "last.pt")
    if not reading:
        _write(old / OUTCOME)
    files = sum(path.is_file() for path in old.rglob("*"))
    unlink = os.unlink
    for left in range(1, files):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(os, "unlink", _killed_after(1, unlink))
            _delete_training(old)
        assert _unused_trainings(store) == [old], f"after {left} files"
    _delete_training(old)
    assert not old.exists()


def _killed_after(count: int, unlink: Callable[..., None]) -> Callable[..., None]:
    deleted = []

    def counted(*path: object, **options: object) -> None:
        if len(deleted) == count:
            raise KeyboardInterrupt
        deleted.append(unlink(*path, **options))

    return counted


def test_parts_of_dead_processes_are_unused(store: Store) -> None:
    folder = store.path / "models" / "stga_net" / "abc"
    dead = _write(folder / f".best.pt.{DEAD}.part")
    older = _write(folder / ".last.pt.part")
    _write(folder / f".runs.npz.{os.getpid()}.part")
    mine = _write(part_of(folder / "mine.npz"))
    gone = _write(Path(str(mine).replace(f".{os.getpid()}-", f".{DEAD}-")))
    _write(store.raw_clips / ".upload.mp4.part")  # of a program that copies a clip there
    pointer = _write(store.raw_buckets / "b" / f".a.mp4.{DEAD}.part")
    assert _dead_parts(store) == [*sorted([dead, older, gone]), pointer]


def test_parts_of_another_container_are_unused_when_they_are_old(store: Store) -> None:
    """Its processes are not seen here, whatever their ids."""
    other = "0" * 8 if this_machine() != "0" * 8 else "1" * 8
    parts = [
        _write(store.model("pose_recognizer") / f".best.pt.{process}-{other}.part")
        for process in (os.getpid(), DEAD)
    ]
    assert _dead_parts(store) == []
    for part in parts:
        os.utime(part, (time.time() - 2 * OLD_PART_S,) * 2)
    assert _dead_parts(store) == sorted(parts)


def test_clean_refuses_while_a_process_works_on_the_store(store: Store) -> None:
    refuse_in_progress(store)
    with owner(store.lock("sampled_frames", "duo")) as (process, _):
        message = rf"sampled_frames/duo is in use by process {process.pid} on .* since"
        with pytest.raises(InputError, match=message):
            refuse_in_progress(store)
    refuse_in_progress(store)


@dg.job
def nothing() -> None: ...


def _ended(instance: dg.DagsterInstance, asset: str) -> str:
    """The id of a run that made an asset."""

    @dg.asset(name=asset)
    def made() -> None: ...

    return dg.materialize([made], instance=instance).run_id


def test_a_run_that_ends_while_clean_looks_keeps_what_it_made(
    store: Store, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced = _ended(instance, "dataset")
    look = instance.get_run_records

    def look_later() -> Sequence[dg.RunRecord]:
        _ended(instance, "dataset")
        return look()

    monkeypatch.setattr(instance, "get_run_records", look_later)
    assert _replaced_dagster_runs(store, instance) == [replaced]


def test_logs_and_events_of_deleted_runs_go_with_them(store: Store) -> None:
    """Dagster's own deletion leaves both files, so that nothing was freed."""
    with open_instance(store) as instance:
        old, new = _ended(instance, "dataset"), _ended(instance, "dataset")
        gone = _ended(instance, "dataset")
        instance.delete_run(gone)  # as earlier versions did

    def left() -> set[str]:
        folders = (store.dagster_home / "history" / "runs", store.dagster_home / "storage")
        return {path.name.split(".")[0] for folder in folders for path in folder.iterdir()}

    assert {old, new, gone} <= left()
    garbage = find_garbage(store)
    assert garbage.dagster_runs == [old]
    assert {path.name.split(".")[0] for path in garbage.run_files} == {old, gone}
    assert garbage.size_mb > 0.2
    delete(store, garbage)
    assert new in left() and not {old, gone} & left()
    assert not find_garbage(store)
    with open_instance(store) as instance:
        assert instance.get_run_ids() == [new]
        assert instance.all_logs(new)


def test_interrupted_runs_that_are_still_to_be_tried_again_are_in_use(
    store: Store, instance: dg.DagsterInstance
) -> None:
    """As `dance ui` leaves them: its daemon goes on with them when it is started again."""
    failed, started = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
    interrupted = {WILL_RETRY_TAG: "true"}

    def run(status: dg.DagsterRunStatus, tags: dict[str, str], of: str | None = None) -> str:
        made = instance.create_run_for_job(
            nothing, status=status, tags=tags, parent_run_id=of, root_run_id=of
        )
        return made.run_id

    run(failed, interrupted)
    run(started, {}, of=run(failed, {**interrupted, AUTO_RETRY_RUN_ID_TAG: "the next"}))
    over = run(failed, {WILL_RETRY_TAG: "false"})
    assert _replaced_dagster_runs(store, instance) == [over]


@pytest.mark.slow
def test_runs_of_replaced_trainings_go_with_their_files_and_models(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are in MLflow's trash already; what others logged there is theirs."""
    one_a_page = partialmethod(MlflowClient.search_runs, max_results=1)  # of 1,000
    monkeypatch.setattr(MlflowClient, "search_runs", one_a_page)
    tracker = Tracker(store)
    experiment = tracker.initialise()
    tags = {"replaced": {DAGSTER_RUN_TAG: "1"}, "trash": {DAGSTER_RUN_TAG: "2"}, "theirs": {}}
    runs, files = {}, {}
    for name, of in tags.items():
        run = tracker.client.create_run(experiment, tags=of)
        model = tracker.client.create_logged_model(experiment, name, run.info.run_id)
        runs[name] = run.info.run_id
        files[name] = [
            _write(Path(urlparse(run.info.artifact_uri).path) / "loss.png", "x" * 1000),
            _write(Path(urlparse(str(model.artifact_location)).path) / "model.pt2", "x" * 9000),
        ]
    tracker.client.delete_run(runs["trash"])

    garbage = find_garbage(store)
    assert garbage.mlflow_runs == sorted((runs["replaced"], runs["trash"]))
    assert "2 MLflow runs of replaced trainings, with their models" in garbage.lines()
    assert garbage.size_mb == pytest.approx(0.02, abs=1e-3)
    delete(store, garbage)
    left = [path for paths in files.values() for path in paths if path.parent.exists()]
    assert left == files["theirs"]
    kept = every(tracker.client.search_runs, [experiment])
    assert [run.info.run_id for run in kept] == [runs["theirs"]]
    assert not find_garbage(store)


def _replaced_in_bucket(store: Store) -> tuple[str, Path]:
    """A replaced training and its MLflow run, with their files in the bucket; the run."""
    tracker = Tracker(store)
    run = tracker.client.create_run(tracker.initialise(), tags={DAGSTER_RUN_TAG: "1"})
    artifact = _write(Path(urlparse(run.info.artifact_uri).path) / "loss.png")
    write_table(pl.DataFrame({"x": [1]}), store.table("train_split"), {})
    today = {"train_split": store.digest("train_split")}
    replaced = _training(store, "a" * 12, today)
    _write(replaced / OUTCOME)
    _write(replaced / RUN_NOTE, run.info.run_id)
    for current in (replaced, _training(store, "b" * 12, today)):
        file = {"path": store.relative(current / "last.pt"), "sha256": ""}
        _write(store.output("stga_net"), json.dumps({"best": file, "last": file}))
        store.send()
    return run.info.run_id, artifact


@pytest.mark.slow
@pytest.mark.parametrize("deletes", [0, 4])
def test_a_cleaning_that_was_killed_leaves_nothing_in_the_bucket(
    store: Store, s3: str, monkeypatch: pytest.MonkeyPatch, deletes: int
) -> None:
    """It is found again, and what is left of a training is not one that goes on."""
    url = bucket.connect(store.path)
    run, artifact = _replaced_in_bucket(store)
    left, request = iter(range(deletes)), Bucket.delete

    def killed(self: Bucket, names: Iterable[str]) -> None:
        for name in names:
            if next(left, None) is None:
                raise KeyboardInterrupt
            request(self, [name])

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            delete(store, find_garbage(store))
    assert store.remote is not None
    store.remote.fetch()  # as the next command does
    delete(store, find_garbage(store))
    store.remote.fetch()
    gone = (store.relative(artifact.parent.parent), f"models/stga_net/{'a' * 12}")
    assert [name for name in Bucket.of(url).listed() if name.startswith(gone)] == []
    assert not any((store.path / name).exists() for name in gone)
    assert Tracker(store).lifecycle(run) is None
    assert not find_garbage(store)


@pytest.mark.slow
def test_what_another_machine_cleaned_is_deleted_here_too(
    store: Store, s3: str, tmp_path: Path
) -> None:
    """MLflow's database, which both use, does not name the folders of a deleted run any more."""
    bucket.connect(store.path)
    _, artifact = _replaced_in_bucket(store)
    other = Store(root=str(shutil.copytree(store.path, tmp_path / "other")))
    delete(store, find_garbage(store))
    shutil.copy(store.mlflow_database, other.mlflow_database)
    assert other.remote is not None
    other.remote.fetch()
    garbage = find_garbage(other)
    assert garbage.left == [other.path / store.relative(artifact.parent.parent)]
    assert "1 folders of runs that another machine deleted" in garbage.lines()
    delete(other, garbage)
    assert not garbage.left[0].exists()
    assert not list(other.model("stga_net").glob("a*"))
    assert not find_garbage(other)


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"0123"])
def test_a_damaged_note_of_a_training_is_named(store: Store, note: bytes) -> None:
    """Its MLflow run, that of the training in use perhaps, would be taken for unused."""
    Tracker(store).initialise()
    folder = store.path / "models" / "stga_net" / ("b" * 12)
    folder.mkdir(parents=True)
    (folder / RUN_NOTE).write_bytes(note)
    with pytest.raises(InputError, match="damaged") as raised:
        find_garbage(store)
    assert raised.value.file == str(folder / RUN_NOTE)
