"""Tables that registering makes are made again when they are damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from dance_models.video.scan import ScanResult, scan_clips
from pipelines.storage import clips
from pipelines.storage.annotation_problems import (
    file_problems,
    folder_problems,
    has_folder_problems,
)
from pipelines.storage.annotations import register_annotations
from pipelines.storage.clips import register_clips
from pipelines.storage.store import Store

TABLES = ("clip_folder_problems", "annotation_file_problems")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _rename_a_column(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"message", b"messagd"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(root=str(tmp_path / "store")).initialise()


def _register(store: Store, instance: dg.DagsterInstance, clips: Path, annotations: Path) -> None:
    register_clips(store, instance, [clips])
    register_annotations(store, instance, [annotations])


@pytest.fixture
def named(tmp_path: Path, store: Store, instance: dg.DagsterInstance) -> Path:
    """Folders with problems, named before; other folders are named today."""
    for name in ("early/clips/a/x.mp4", "early/clips/b/x.mp4", "today/clips/solo.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "early/clips/clips.csv").write_text("nonsense\n1\n")
    for name in ("early", "today"):
        (tmp_path / name / "annotations").mkdir()
    (tmp_path / "early/annotations/torn.json").write_text("{")
    _register(store, instance, tmp_path / "early/clips", tmp_path / "early/annotations")
    return tmp_path / "today"


@pytest.mark.parametrize("harm", [_cut, _rename_a_column, Path.unlink])
def test_what_was_said_of_folders_is_found_again(
    store: Store,
    instance: dg.DagsterInstance,
    named: Path,
    harm: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also of folders that are not named now, as what they lack is still not used."""
    said = [table(store).to_dicts() for table in (folder_problems, file_problems)]
    assert [len(rows) for rows in said] == [2, 1], "a name that is taken, clips.csv; a torn file"
    for name in TABLES:
        harm(store.table(name))
    caplog.clear()
    _register(store, instance, named / "clips", named / "annotations")
    assert [table(store).to_dicts() for table in (folder_problems, file_problems)] == said
    damaged = [record.getMessage() for record in caplog.records]
    named_in_words = [name for name in TABLES if any(name in line for line in damaged)]
    assert named_in_words == ([] if harm == Path.unlink else [*TABLES])
    assert all(line.endswith("is damaged; `dance run` makes it again") for line in damaged)


def test_a_sensor_leaves_it_to_a_run(
    store: Store, instance: dg.DagsterInstance, named: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tick has a minute, and a folder elsewhere may be large or not answer."""
    said = folder_problems(store).to_dicts()
    _cut(store.table("clip_folder_problems"))
    looked_at: list[Path] = []

    def scan(folder: Path) -> ScanResult:
        looked_at.append(folder)
        return scan_clips(folder)

    monkeypatch.setattr(clips, "scan_clips", scan)
    register_clips(store, instance, [named / "clips"], ready=lambda path: True)
    assert looked_at == [named / "clips"]
    assert not has_folder_problems(store)
    register_clips(store, instance, [named / "clips"])
    assert folder_problems(store).to_dicts() == said


def test_a_store_is_moved_with_them(
    tmp_path: Path, store: Store, instance: dg.DagsterInstance, named: Path
) -> None:
    for name in TABLES:
        _cut(store.table(name))
    shutil.move(store.path, tmp_path / "moved")
    moved = Store(root=str(tmp_path / "moved")).initialise()
    assert folder_problems(moved).is_empty()
    _register(moved, instance, named / "clips", named / "annotations")
    assert folder_problems(moved).height == 2
