"""Files appear whole or not at all, and a change while reading is noticed."""

import errno
import fcntl
import os
import re
import socket
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from dance_models import files
from dance_models.checkpoint import save_checkpoint
from dance_models.errors import ChangedError, VideoError
from dance_models.files import (
    LONGEST_NAME,
    archive_damage,
    is_part,
    is_part_of,
    move_to,
    part_of,
    replacing,
    replacing_together,
    steady,
    this_machine,
    writer_of,
)
from dance_models.tables import file_digest, write_table, write_text


def test_the_temporary_name_carries_the_process_and_its_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path("models/best.pt")
    assert part_of(path) == Path(f"models/.best.pt.{os.getpid()}-{this_machine()}.part")
    assert writer_of(part_of(path)) == (os.getpid(), this_machine())
    assert is_part(part_of(path))
    mine = part_of(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 7)
        assert part_of(path) != mine, "two processes would write one file"
        assert is_part_of(part_of(path), path)
        assert not is_part_of(part_of(path), Path("models/last.pt"))
    monkeypatch.setattr(files, "this_machine", lambda: "0123abcd")
    assert part_of(path) != mine, "so would two containers, whose ids are equal"


def test_a_container_is_a_machine_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    here = this_machine()
    assert re.fullmatch("[0-9a-f]{8}", here)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert files.this_machine.__wrapped__() != here


@pytest.mark.parametrize("length", [230, 251, 255])
def test_the_temporary_name_of_a_long_name_can_be_written(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("é" * 60 + "x" * (length - 120))
    with replacing(path) as part:
        assert len(os.fsencode(part.name)) <= LONGEST_NAME
        assert writer_of(part) == (os.getpid(), this_machine())
        assert is_part_of(part, path)
        part.write_text("all")
    assert path.read_text() == "all"


@pytest.mark.parametrize("name", [".a.png.part", ".solo.part.mp4", ".runs.part.npz", ".x.7.part"])
def test_parts_of_earlier_versions_are_known(name: str) -> None:
    assert is_part(Path(name))


@pytest.mark.parametrize("name", ["x.part", ".part", ".hidden", "best.pt", ".gitignore"])
def test_other_files_are_no_parts(name: str) -> None:
    assert not is_part(Path(name))


def test_an_error_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("ne")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_nothing_can_make_again_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its name is there when the writing ends; not every file system can be told."""
    path, done = tmp_path / "tables" / "a.parquet", []

    def flushed(handle: int) -> None:
        done.append((Path(f"/proc/self/fd/{handle}").readlink(), path.is_file()))
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(os, "fsync", flushed)
    table = pl.DataFrame({"a": [1]})
    version = write_table(table, path, {}, durable=True)
    assert done == [(part_of(path), False), (path.parent, True)]
    assert version == write_table(table, path, {})
    write_text(path, "text")
    assert len(done) == 2
    monkeypatch.setattr(os, "fsync", lambda _: (tmp_path / "nowhere").stat())
    with pytest.raises(FileNotFoundError):
        write_text(path, "other", durable=True)
    assert path.read_text() == "text"
    assert list(path.parent.iterdir()) == [path]


def test_the_bytes_of_a_checkpoint_do_not_depend_on_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch writes the name of the file that it is given into the archive."""
    state = {"model": torch.arange(5), "epoch": 3}
    save_checkpoint(state, tmp_path / "best.pt")
    first = file_digest(tmp_path / "best.pt")
    monkeypatch.setattr(os, "getpid", lambda: 7)
    save_checkpoint(state, tmp_path / "best.pt")
    assert file_digest(tmp_path / "best.pt") == first


def test_an_error_of_a_full_disk_names_the_file_that_has_no_room(tmp_path: Path) -> None:
    """That of a copy names what is read first, that of a written text no file at all."""
    for names in ((), ("/source", None, "/part")):
        with pytest.raises(OSError, match="No space") as told, replacing(tmp_path / "a"):
            raise OSError(errno.ENOSPC, "No space left on device", *names)
        assert (told.value.filename, told.value.filename2) == (str(tmp_path / "a"), None)


# --- damage -----------------------------------------------------------------------------------


def test_a_cut_or_altered_archive_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "runs.npz"
    np.savez(path, x=np.zeros(1000))
    assert archive_damage(path) is None
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in str(archive_damage(path))
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    assert "x.npy" in str(archive_damage(path))
    path.write_bytes(b"")
    assert archive_damage(path) is not None


def test_any_wrong_bit_of_an_archive_is_told_or_does_no_harm(tmp_path: Path) -> None:
    """Those that name a password, another compression or another place raised errors."""
    path = tmp_path / "runs.npz"
    np.savez(path, x=np.zeros(2))
    whole = path.read_bytes()
    told = set()
    for place in range(whole.index(b"PK\1\2"), len(whole)):
        for bit in range(8):
            wrong = bytes([whole[place] ^ 1 << bit])
            path.write_bytes(whole[:place] + wrong + whole[place + 1 :])
            told.add(archive_damage(path) is not None)
    assert told == {False, True}


# --- files that change ------------------------------------------------------------------------


def _replace_and_put_back(path: Path) -> None:
    path.rename(path.with_suffix(".kept"))
    path.write_text("another")
    path.with_suffix(".kept").replace(path)


def test_a_file_that_is_replaced_and_put_back_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "solo.mp4"
    path.write_text("film")
    with pytest.raises(ChangedError, match="while it was read") as raised, steady(lambda: [path]):
        _replace_and_put_back(path)
    assert raised.value.file == str(path)
    assert path.read_text() == "film"
    with steady(lambda: [path]):
        assert path.read_text() == "film"


def test_an_error_from_a_file_that_changed_is_the_change(tmp_path: Path) -> None:
    """Else the clip would be quarantined for what another file held."""
    path = tmp_path / "solo.mp4"
    path.write_text("film")
    with pytest.raises(ChangedError), steady(lambda: [path]):
        path.unlink()
        raise VideoError("the stream is damaged", file=path)
    path.write_text("film")
    with pytest.raises(VideoError), steady(lambda: [path]):
        raise VideoError("the stream is damaged", file=path)


def test_a_link_that_points_elsewhere_has_changed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "clip.mp4"
    link.symlink_to("a")
    with pytest.raises(ChangedError), steady(lambda: [link]):
        for target in ("b", "a"):
            link.unlink()
            link.symlink_to(target)


def test_a_file_more_in_a_folder_is_a_change(tmp_path: Path) -> None:
    with pytest.raises(ChangedError), steady(lambda: sorted(tmp_path.iterdir())):
        (tmp_path / "0001.jpg").write_text("frame")


def test_a_folder_takes_the_place_of_one_that_another_process_has_just_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, place, aside = (tmp_path / name for name in ("new", "place", "aside"))
    for folder, name in ((new, "new"), (place, "old"), (aside, "")):
        folder.mkdir()
        if name:
            (folder / name).touch()
    whole, raced = Path.replace, []

    def meanwhile(self: Path, target: Path) -> Path:
        if self == new and not raced:
            raced.append(target)
            place.mkdir()
            (place / "of the other process").touch()
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    move_to(place, new, aside)
    assert raced
    assert [path.name for path in place.iterdir()] == ["new"]
    assert not new.exists()


def test_a_folder_of_somebody_is_not_taken_for_an_older_file(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "photo").touch()
    with pytest.raises(IsADirectoryError), replacing_together(tmp_path, "a", "index") as part:
        (part / "page").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["page", "photo"]


def test_what_two_processes_write_into_one_folder_is_not_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had moved some of its files when the page of one came beside those of the other."""
    moves: list[str] = []

    def watched(place: Path, new: Path, aside: Path) -> None:
        descriptor = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):  # what the other process would wait for
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
        move_to(place, new, aside)
        moves.append(place.name)

    monkeypatch.setattr(files, "move_to", watched)
    for _ in range(2):  # the first leaves no lock
        with replacing_together(tmp_path, "a", "a.html") as part:
            (part / "a.html").touch()
            (part / "a.json").touch()
    assert moves == 2 * ["a.json", "a.html"]
