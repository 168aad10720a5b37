"""Backups of a store in use, and stores made from them."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dance_models.errors import InputError
from dance_models.files import part_of, this_machine
from dance_models.tables import file_digest, write_table, write_text
from pipelines.commands.common import opened
from pipelines.storage import backup
from pipelines.storage.backup import CONTENTS, back_up, outside, restore
from pipelines.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with a database that is being written, a table and a picture."""
    made = Store(root=str(tmp_path / "store")).initialise()
    clip = str(tmp_path / "elsewhere.mp4")
    write_table(pl.DataFrame({"path": [clip]}), made.table("raw_clips"))
    write_text(made.frames("a") / "000001.jpg", "picture")
    (made.frames("a") / ".000002.jpg.1.part").write_text("half")
    with closing(sqlite3.connect(made.mlflow / "mlflow.db")) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE runs (id)")
        live.execute("INSERT INTO runs VALUES ('done')")
        live.commit()
        live.execute("INSERT INTO runs VALUES ('in a transaction')")
        yield made


def test_a_restored_store_is_the_same_though_it_was_in_use(store: Store, tmp_path: Path) -> None:
    backup, again = tmp_path / "backup", Store(root=str(tmp_path / "again"))
    assert back_up(store, backup) > 0
    restore(backup, again)
    with closing(sqlite3.connect(again.mlflow / "mlflow.db")) as copy:
        assert copy.execute("SELECT id FROM runs").fetchall() == [("done",)]
    assert again.digest("raw_clips") == store.digest("raw_clips")
    assert (again.frames("a") / "000001.jpg").read_text() == "picture"
    names = {path.name for path in again.path.rglob("*") if path.is_file()}
    assert names == {
        *("mlflow.db", "raw_clips.parquet", "000001.jpg", "dagster.yaml"),
        ".place.json",  # from where it came: the next command mends its addresses
    }
    assert again.path.stat().st_mode & 0o777 == 0o700
    assert outside(again) == [str(tmp_path / "elsewhere.mp4")]


def test_a_backup_is_restored_into_an_empty_folder(store: Store, tmp_path: Path) -> None:
    back_up(store, tmp_path / "backup")
    (tmp_path / "again").mkdir()
    again = opened(str(tmp_path / "again"))
    restore(tmp_path / "backup", again)
    assert again.digest("raw_clips") == store.digest("raw_clips")


def test_links_of_a_store_are_not_copied_and_named(store: Store, tmp_path: Path) -> None:
    """A clip that was linked into the store is registered by its name there."""
    (tmp_path / "elsewhere.mp4").write_text("clip")
    clip, folder = store.raw_clips / "tango" / "linked.mp4", store.raw_annotations / "more"
    clip.parent.mkdir()
    clip.symlink_to(tmp_path / "elsewhere.mp4")
    folder.symlink_to(tmp_path)
    itself = store.raw_clips / "loop.mp4"
    itself.symlink_to("loop.mp4")
    write_table(pl.DataFrame({"path": [str(clip)]}), store.table("raw_clips"))
    back_up(store, tmp_path / "backup")
    assert not (tmp_path / "backup" / store.relative(clip)).exists()
    assert sorted(outside(store)) == sorted(map(str, [clip, folder, itself]))


def test_nothing_is_overwritten(store: Store, tmp_path: Path) -> None:
    back_up(store, tmp_path / "backup")
    with pytest.raises(InputError, match="exists already"):
        back_up(store, tmp_path / "backup")
    with pytest.raises(InputError, match="exists already"):
        restore(tmp_path / "backup", store)
    with pytest.raises(InputError, match="in the store itself"):
        back_up(store, store.path / "backup")


def test_a_damaged_backup_makes_no_store(store: Store, tmp_path: Path) -> None:
    backup, again = tmp_path / "backup", Store(root=str(tmp_path / "again"))
    back_up(store, backup)
    (backup / "frames" / "a" / "000001.jpg").write_text("other")
    with pytest.raises(InputError, match="damaged"):
        restore(backup, again)
    (backup / "frames" / "a" / "000001.jpg").unlink()
    with pytest.raises(InputError, match="missing"):
        restore(backup, again)
    (backup / CONTENTS).unlink()
    with pytest.raises(InputError, match="no backup"):
        restore(backup, again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "store"]


def test_a_broken_database_is_named_and_no_backup_is_left(store: Store, tmp_path: Path) -> None:
    (store.dagster_home / "broken.db").write_text("this is no database, whatever its name says")
    with pytest.raises(InputError, match=r"broken\.db.*cannot be copied"):
        back_up(store, tmp_path / "backup")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("part", ["a file", "a database"])
def test_a_full_disk_is_that_of_the_copy(
    part: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the store was named that was copied just then, or its database as damaged."""

    def no_room(source: Path, target: Path) -> None:
        if part == "a file":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))
        with closing(sqlite3.connect(":memory:")) as full:
            full.execute("PRAGMA max_page_count = 1")
            full.execute("CREATE TABLE x (y)")

    names = {"a file": (shutil, "copy2"), "a database": (backup, "_copy_database")}
    monkeypatch.setattr(*names[part], no_room)
    with pytest.raises(InputError, match=r"the disk is full\. Free space") as told:
        back_up(store, tmp_path / "other" / "backup")
    assert told.value.file == str(tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_what_is_deleted_while_its_folder_is_copied_stops_no_backup(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that samples a clip again deletes images; a folder of them takes a while to copy."""
    write_text(gone := store.frames("a") / "000002.jpg", "picture")
    copy = shutil.copy2

    def meanwhile(source: Path, target: Path) -> object:
        if Path(source).name == "000001.jpg":
            gone.unlink(missing_ok=True)
        return copy(source, target)

    monkeypatch.setattr("pipelines.storage.backup.shutil.copy2", meanwhile)
    back_up(store, tmp_path / "backup")
    restore(tmp_path / "backup", again := Store(root=str(tmp_path / "again")))
    assert [path.name for path in again.frames("a").iterdir()] == ["000001.jpg"]


def test_a_backup_has_no_dumps_of_an_earlier_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that a restored store was made with are not its databases of today."""
    write_text(store.path / "databases/mlflow.dump", "as it was when the store was restored")
    addresses = {name: f"postgresql://me@db/{name}" for name in ("dagster", "mlflow")}
    write_text(store.path / "databases.json", json.dumps(addresses))
    monkeypatch.setattr("pipelines.storage.dumps.shutil.which", lambda tool: None)
    back_up(store, tmp_path / "backup")
    left = [path.name for path in (tmp_path / "backup" / "databases").iterdir()]
    assert left == ["README.txt"]
    assert "NOT in this backup" in (tmp_path / "backup/databases/README.txt").read_text()


def test_what_is_called_a_database_among_clips_is_copied_as_it_is(
    store: Store, tmp_path: Path
) -> None:
    """Windows leaves a Thumbs.db in a folder of videos, and it is no database."""
    corpus = Store(root=str(store.path / "evaluations" / "aist")).initialise()
    for own in (store, corpus):
        (own.raw_clips / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    with closing(sqlite3.connect(corpus.mlflow / "mlflow.db")) as live:
        live.execute("PRAGMA journal_mode=WAL")
        live.execute("CREATE TABLE runs (id)")
        live.commit()
        back_up(store, tmp_path / "backup")
    again = Store(root=str(tmp_path / "again"))
    restore(tmp_path / "backup", again)
    assert (again.raw_clips / "Thumbs.db").read_bytes()[:4] == b"\xd0\xcf\x11\xe0"
    with closing(sqlite3.connect(again.path / "evaluations/aist/mlflow/mlflow.db")) as copy:
        assert copy.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ('{"tables/raw_clips.parquet": "ab', "list of the backup's files is damaged"),
        ("[1, 2]", "list of the backup's files is damaged"),
        ('{"../beside": "DIGEST"}', "names ../beside, which is not in a backup"),
        ('{"BESIDE": "DIGEST"}', "which is not in a backup"),
    ],
)
def test_a_list_that_was_cut_or_that_leaves_the_backup_restores_nothing(
    store: Store, tmp_path: Path, listed: str, message: str
) -> None:
    backup, home = tmp_path / "sent" / "backup", tmp_path / "home"
    back_up(store, backup)
    for folder, text in ((backup.parent, "theirs"), (home, "mine")):
        folder.mkdir(exist_ok=True)
        (folder / "beside").write_text(text)
    beside = backup.parent / "beside"
    text = listed.replace("DIGEST", file_digest(beside)).replace("BESIDE", str(beside))
    (backup / CONTENTS).write_text(text)
    with pytest.raises(InputError, match=message):
        restore(backup, Store(root=str(home / "store")))
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("beside", "mine")]


def test_a_folder_that_cannot_take_its_place_is_named_and_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(store, tmp_path / "backup")
    again = Store(root=str(tmp_path / "again"))
    copy2 = shutil.copy2

    def copied(source: Path, target: Path) -> None:
        (again.path / "tables").mkdir(parents=True, exist_ok=True)  # another restore was faster
        copy2(source, target)

    monkeypatch.setattr(shutil, "copy2", copied)
    with pytest.raises(InputError, match=r"again: what was copied.*Directory not empty"):
        restore(tmp_path / "backup", again)
    shutil.rmtree(again.path)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == again.path)
    with pytest.raises(InputError, match="another disk is mounted here"):
        restore(tmp_path / "backup", again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "store"]


def test_a_backup_is_on_the_disk_before_it_appears(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is what is restored: a power cut leaves no part of it under its name."""
    for make, target in (
        (lambda path: back_up(store, path), tmp_path / "kept"),
        (lambda path: restore(tmp_path / "kept", Store(root=str(path))), tmp_path / "again"),
    ):
        flushed: dict[Path, bool] = {}

        def noted(handle: int, target: Path = target, flushed: Any = flushed) -> None:
            flushed[Path(f"/proc/self/fd/{handle}").readlink()] = target.exists()

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", noted)
            make(target)
        copied = {part_of(target) / path.relative_to(target) for path in target.rglob("*")}
        copied = {path for path in copied if path.suffix not in (".lock", ".db-wal", ".db-shm")}
        assert {path for path, there in flushed.items() if not there} >= copied
        assert flushed[tmp_path], "the name of the folder comes last"


def test_what_a_killed_backup_left_is_removed_by_the_next(store: Store, tmp_path: Path) -> None:
    part, dead = part_of(tmp_path / "kept"), 2**22 + 1
    left = Path(str(part).replace(f".{os.getpid()}-", f".{dead}-"))
    living = Path(str(part).replace(f".{os.getpid()}-", f".{os.getppid()}-"))
    other = tmp_path / f".other.{dead}.part"
    elsewhere = Path(str(part).replace(this_machine(), "0" * 8))
    for folder in (left, living, other, elsewhere, part):
        (folder / "tables").mkdir(parents=True)
    back_up(store, tmp_path / "kept")
    assert not left.exists()
    assert living.exists()
    assert other.exists()
    assert elsewhere.exists(), "another container's, whose process has the same id"
    assert not part.exists()
