import errno
import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import dagster as dg
import pytest
from command_line import dance

from dance_models.errors import InputError
from pipelines.storage import backup
from pipelines.storage.disk import RESERVE_MB, full_disk_reported, require_space
from pipelines.storage.store import Store, open_instance
from pipelines.tracking import manual_promotion

Usage = namedtuple("Usage", "total used free")


def set_free(monkeypatch: pytest.MonkeyPatch, megabytes: float) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, int(megabytes * 1e6)))


def test_nothing_begins_without_room_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "not" / "there" / "yet"
    set_free(monkeypatch, RESERVE_MB)
    require_space(store)
    set_free(monkeypatch, RESERVE_MB - 1)
    with pytest.raises(InputError, match=rf"{store}.*63 MB are free, 64 MB are needed.*Free space"):
        require_space(store)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_errors_of_a_full_disk_name_the_path(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(InputError, match=rf"{tmp_path}.*the disk is full"),
        full_disk_reported(tmp_path),
    ):
        try:
            raise error
        except Exception as inner:
            raise RuntimeError("while writing a table") from inner


def test_a_disk_error_without_room_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(sqlite3.OperationalError), full_disk_reported(tmp_path):
        raise sqlite3.OperationalError("disk I/O error")
    set_free(monkeypatch, 0.5)
    with pytest.raises(InputError, match="the disk is full"), full_disk_reported(tmp_path):
        raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("status", "64 MB are needed. Free space on that disk"),
        ("verify", "64 MB are needed. Free space on that disk"),
        ("serve code", "64 MB are needed. Free space on that disk"),
        ("promote prediction", "64 MB are needed. Free space on that disk"),
        ("rollback prediction", "64 MB are needed. Free space on that disk"),
        ("backup {}/copy", "1 MB are needed. Free space on that disk"),
        ("clean --yes", "5 MB are needed. Free these by hand first"),
    ],
)
def test_commands_say_that_the_disk_is_full_and_what_helps(
    command: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only to open a database SQLite needs room, which cleaning cannot free before it has it."""

    def no_room(*place: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    store, copies = tmp_path / "store", tmp_path / "copies"
    with open_instance(Store(root=str(store))):
        pass
    set_free(monkeypatch, 0.2)
    for owner, name in (
        (dg.DagsterInstance, "from_config"),
        (manual_promotion, "promote"),
        (manual_promotion, "rollback"),
        (backup, "_copy_database"),
    ):
        monkeypatch.setattr(owner, name, no_room)
    code, output = dance(store, *command.format(copies).split())
    assert code == 2
    assert f"the disk is full: 0 MB are free, {remedy}" in output
