"""A store that remembers: what is read again, and what is not."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.storage import memory
from pipelines.storage.memory import NOTE, remembering
from pipelines.storage.store import Store

SETTLED_S = 0.05


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(memory, "SETTLED_NS", SETTLED_S * 1e9)
    store = Store(root=str(tmp_path / "store"))
    store.table("probe").parent.mkdir(parents=True)
    _settled(store.table("probe"), b"as it was")
    return store


def _settled(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    time.sleep(1.1 * SETTLED_S)


class Reader:
    """Counts how often a file is read."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> list[int]:
        self.times += 1
        return list(self.path.read_bytes())


def _ask(store: Store, reader: Reader, given: Callable[[], str] = str) -> None:
    """Ask twice in one walk, and look whether the answer is right."""
    with remembering(store) as remembers:
        for _ in range(2):
            said = remembers.fact(reader.path, "bytes", reader, given)
            assert said == list(reader.path.read_bytes())


def test_a_file_that_is_as_it_was_is_read_once(store: Store) -> None:
    reader = Reader(store.table("probe"))
    for _ in range(2):
        _ask(store, reader)
    assert reader.times == 1


def test_a_store_that_does_not_remember_reads_every_time(store: Store) -> None:
    reader = Reader(store.table("probe"))
    for times in (1, 2):
        store.fact(reader.path, "bytes", reader)
        assert reader.times == times


def _rewritten(path: Path) -> None:
    path.write_bytes(b"as it IS!")


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    _rewritten(other)
    other.replace(path)


@pytest.mark.parametrize("change", [_rewritten, _replaced])
def test_a_file_of_the_same_size_and_time_is_read_again(
    store: Store, change: Callable[[Path], None]
) -> None:
    path = store.table("probe")
    reader, times = Reader(path), path.stat()
    _ask(store, reader)
    change(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    _ask(store, reader)
    assert reader.times > 1


def test_a_file_that_was_written_just_now_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SETTLED_NS", 1e15)
    reader = Reader(store.table("probe"))
    _ask(store, reader)
    assert reader.times == 2


def test_what_an_answer_depends_on_counts(store: Store) -> None:
    reader = Reader(store.table("probe"))
    for given in "abba":
        _ask(store, reader, lambda given=given: given)  # type: ignore[misc]
    assert reader.times == 3, "the last answer is kept, no older ones"


def test_a_note_that_is_damaged_of_an_earlier_start_or_of_other_code_is_not_used(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, note = Reader(store.table("probe")), store.dagster_home / NOTE
    _ask(store, reader)
    assert "97,115" in note.read_text()
    note.write_text(note.read_text().replace("97,115", "98,115"))
    _ask(store, reader)
    assert reader.times == 2
    monkeypatch.setattr(memory, "started_machine", lambda: "started again")
    _ask(store, reader)
    assert reader.times == 3
    monkeypatch.setattr(memory, "own_code", lambda: "another version")
    _ask(store, reader)
    assert reader.times == 4, "what it read may have another form there"


def test_files_that_have_gone_are_forgotten(store: Store) -> None:
    gone, stays = Reader(store.table("gone")), Reader(store.table("probe"))
    _settled(gone.path, b"still there")
    _ask(store, gone)
    assert "gone" in (store.dagster_home / NOTE).read_text()
    gone.path.unlink()
    with remembering(store) as remembers, pytest.raises(FileNotFoundError):
        remembers.fact(gone.path, "bytes", gone)
    _ask(store, stays)
    assert "gone" not in (store.dagster_home / NOTE).read_text()


def test_a_store_that_cannot_be_written_to_is_read(store: Store) -> None:
    store.dagster_home.write_text("no folder")
    reader = Reader(store.table("probe"))
    for _ in range(2):
        _ask(store, reader)
    assert reader.times == 2


def test_one_walk_within_another_shares_its_memory(store: Store) -> None:
    with remembering(store) as outer, remembering(outer) as inner:
        assert inner is outer
        assert outer.sha256(store.table("probe")) == store.sha256(store.table("probe"))
        assert outer.path == store.path
