"""Looks at a folder: what settled, what grows, what went."""

import os
from pathlib import Path

from pipelines.automation.folders import Look, look_again


def test_a_file_counts_once_two_looks_agree(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")
    first = look_again(tmp_path, Look())
    assert not first.settled
    assert first.growing == (tmp_path / "a.mp4",)
    (tmp_path / "a.mp4").write_bytes(b"12")  # still being copied
    second = look_again(tmp_path, first.look)
    assert not second.settled
    third = look_again(tmp_path, second.look)
    assert third.settled == (tmp_path / "a.mp4",)
    fourth = look_again(tmp_path, third.look)
    assert not fourth.settled and not fourth.growing and not fourth.gone


def test_a_growing_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "b.mp4").write_bytes(b"1")
    look = look_again(tmp_path, Look()).look
    (tmp_path / "b.mp4").write_bytes(b"12")
    changes = look_again(tmp_path, look)
    assert changes.settled == (tmp_path / "a.mp4",)
    assert changes.growing == (tmp_path / "b.mp4",)


def test_a_change_of_content_in_place_is_seen_by_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    look = look_again(tmp_path, look_again(tmp_path, Look()).look).look
    path.write_bytes(b"2")
    os.utime(path, ns=(1, 1))
    look = look_again(tmp_path, look).look
    assert look_again(tmp_path, look).settled == (path,)


def test_what_went_is_told_once_and_counts_again_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "style" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"1")
    look = look_again(tmp_path, look_again(tmp_path, Look()).look).look
    path.unlink()
    went = look_again(tmp_path, look)
    assert went.gone == (path,)
    assert not look_again(tmp_path, went.look).gone
    path.write_bytes(b"1")
    back = look_again(tmp_path, look_again(tmp_path, went.look).look)
    assert back.settled == (path,)
    assert not back.look.gone


def test_a_look_survives_being_stored_and_hidden_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".a.part.mp4").write_bytes(b"1")
    (tmp_path / "b.mp4").write_bytes(b"1")
    look = look_again(tmp_path, Look()).look
    assert list(look.seen) == [str(tmp_path / "b.mp4")]
    assert Look.from_cursor(look.cursor()) == look
    assert Look.from_cursor(None) == Look()


def test_a_look_takes_on_no_more_than_can_be_read_in_time(tmp_path: Path) -> None:
    for name, size in (("a", 30), ("b", 10), ("c", 10), ("d", 10)):
        (tmp_path / f"{name}.mp4").write_bytes(b"1" * size)
    look, taken = look_again(tmp_path, Look()).look, []
    for _ in range(4):
        changes = look_again(tmp_path, look, at_most=20)
        assert not changes.growing
        taken.append("".join(path.stem for path in changes.settled))
        look = changes.look
    assert taken == ["a", "bc", "d", ""]


def test_other_files_are_watched_too(tmp_path: Path) -> None:
    folder, other = tmp_path / "raw", tmp_path / "elsewhere.mp4"
    other.write_bytes(b"1")
    look = look_again(folder, Look(), [other, tmp_path / "no.mp4"]).look
    assert look_again(folder, look, [other]).settled == (other,)
