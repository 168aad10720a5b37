"""Scans of a folder: which files have settled, are growing or are missing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.automation.folders import FolderScan, keep_scan, scan_again, scan_of


def test_a_file_is_settled_once_two_scans_agree(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")
    first = scan_again(tmp_path, FolderScan())
    assert not first.settled
    assert first.growing == (tmp_path / "a.mp4",)
    (tmp_path / "a.mp4").write_bytes(b"12")  # still being copied
    second = scan_again(tmp_path, first.scan)
    assert not second.settled
    third = scan_again(tmp_path, second.scan)
    assert third.settled == (tmp_path / "a.mp4",)
    fourth = scan_again(tmp_path, third.scan)
    assert not fourth.settled and not fourth.growing and not fourth.missing


def test_a_growing_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "b.mp4").write_bytes(b"1")
    scan = scan_again(tmp_path, FolderScan()).scan
    (tmp_path / "b.mp4").write_bytes(b"12")
    changes = scan_again(tmp_path, scan)
    assert changes.settled == (tmp_path / "a.mp4",)
    assert changes.growing == (tmp_path / "b.mp4",)


def test_a_change_in_place_is_detected_by_modification_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"1")
    scan = scan_again(tmp_path, scan_again(tmp_path, FolderScan()).scan).scan
    path.write_bytes(b"2")
    os.utime(path, ns=(1, 1))
    scan = scan_again(tmp_path, scan).scan
    assert scan_again(tmp_path, scan).settled == (path,)


def test_a_file_that_may_be_read_now_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``chmod`` changes neither size nor time, and the clip stayed unreadable for the sensor."""
    (tmp_path / "a.mp4").write_bytes(b"1")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        scan = scan_again(tmp_path, FolderScan()).scan
        found = scan_again(tmp_path, scan)
        assert found.settled == (tmp_path / "a.mp4",)  # so that it is said that it is not readable
        scan = found.scan
        assert not scan_again(tmp_path, scan).settled
    scan = scan_again(tmp_path, FolderScan.from_cursor(scan.cursor())).scan
    found = scan_again(tmp_path, scan)
    assert found.settled == (tmp_path / "a.mp4",)
    assert not scan_again(tmp_path, found.scan).settled


def test_a_missing_file_is_reported_once_and_is_new_again_when_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "style" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"1")
    scan = scan_again(tmp_path, scan_again(tmp_path, FolderScan()).scan).scan
    path.unlink()
    went = scan_again(tmp_path, scan)
    assert went.missing == (path,)
    assert not scan_again(tmp_path, went.scan).missing
    path.write_bytes(b"1")
    back = scan_again(tmp_path, scan_again(tmp_path, went.scan).scan)
    assert back.settled == (path,)
    assert not back.scan.missing


def test_a_scan_round_trips_through_its_cursor_and_ignores_hidden_files(tmp_path: Path) -> None:
    (tmp_path / ".a.part.mp4").write_bytes(b"1")
    (tmp_path / "b.mp4").write_bytes(b"1")
    scan = scan_again(tmp_path, FolderScan()).scan
    assert list(scan.seen) == [str(tmp_path / "b.mp4")]
    assert FolderScan.from_cursor(scan.cursor()) == scan
    assert replace(FolderScan.from_cursor(None), number=0) == FolderScan()


def test_a_scan_limits_the_files_handled_per_tick(tmp_path: Path) -> None:
    for name, size in (("a", 30), ("b", 10), ("c", 10), ("d", 10)):
        (tmp_path / f"{name}.mp4").write_bytes(b"1" * size)
    scan, taken = scan_again(tmp_path, FolderScan()).scan, []
    for _ in range(4):
        changes = scan_again(tmp_path, scan, at_most=20)
        assert not changes.growing
        taken.append("".join(path.stem for path in changes.settled))
        scan = changes.scan
    assert taken == ["a", "bc", "d", ""]


def test_a_scan_limits_the_clips_handled_per_tick(tmp_path: Path) -> None:
    """A folder of images is one clip, and is not taken in parts."""
    (tmp_path / "images").mkdir()
    for name in ("a.mp4", "images/1.jpg", "images/2.jpg", "images/3.jpg", "k.mp4", "z.mp4"):
        (tmp_path / name).write_bytes(b"1")
    scan, taken = scan_again(tmp_path, FolderScan()).scan, []
    for _ in range(3):
        changes = scan_again(tmp_path, scan, clips_at_most=2)
        taken.append("".join(path.stem for path in changes.settled))
        scan = changes.scan
    assert taken == ["a123", "kz", ""]


def test_other_files_are_watched_too(tmp_path: Path) -> None:
    folder, other = tmp_path / "raw", tmp_path / "elsewhere.mp4"
    other.write_bytes(b"1")
    scan = scan_again(folder, FolderScan(), [other, tmp_path / "no.mp4"]).scan
    assert scan_again(folder, scan, [other]).settled == (other,)


def test_a_cursor_is_short_and_the_scan_before_it_is_kept(tmp_path: Path) -> None:
    """The record of each tick has the cursor, and a tick that fails leaves the one before."""
    folder = tmp_path / "scans"
    states = {f"/archive/{number}.mp4": [number, number] for number in range(1000)}
    first, second = FolderScan(states, states, number=1), FolderScan(states, {}, number=2)
    assert scan_of(folder, first.cursor()) == first, "of an earlier version"
    last: str | None = None
    for scan in (first, first, second, first, second):
        cursor = keep_scan(folder, last, scan)
        assert len(cursor) < 100
        assert scan_of(folder, cursor) == scan
        assert last is None or scan_of(folder, last).handled
        last = cursor if scan is first else last
        assert len(list(folder.iterdir())) <= 2
    for path in folder.iterdir():
        path.unlink()
    lost = scan_of(folder, last)
    assert replace(lost, number=0) == FolderScan()
    assert lost.number > 1000, "no run key is used again"


@pytest.mark.parametrize("late", ["late", "tested in the web UI", "tested without a cursor"])
def test_a_tick_that_ends_late_leaves_the_scan_of_the_next(tmp_path: Path, late: str) -> None:
    """Dagster waits a minute for a tick and starts the next one; the first goes on."""
    scans = [FolderScan(number=number) for number in range(5)]
    cursor = keep_scan(tmp_path, None, scans[0])
    after = keep_scan(tmp_path, cursor, scans[1])
    if late == "tested without a cursor":
        keep_scan(tmp_path, None, scans[2])
    else:
        keep_scan(tmp_path, cursor, scans[2] if late == "late" else scans[0])
    assert scan_of(tmp_path, after) == scans[1]
    for path in tmp_path.iterdir():  # a file system may know seconds alone
        os.utime(path, (1, 1))
    cursor = keep_scan(tmp_path, after, scans[3])
    keep_scan(tmp_path, cursor, scans[4])
    assert len(list(tmp_path.iterdir())) == 2, "those of ticks before are deleted"


@pytest.mark.parametrize(
    "cursor",
    [
        "{}", '{"number": 1e400}', '{"clips": {"a": null}}', '{"clips": {"a": 5}}', '{"scan": 5}',
        '{"scan": "../../x"}', '{"resume": {"/x": 5}, "number": 1e999}', "[]", "\x00",
    ],
)  # fmt: skip
def test_a_damaged_cursor_is_as_none(tmp_path: Path, cursor: str) -> None:
    scan = scan_of(tmp_path, cursor)
    assert (scan.seen, scan.handled, scan.missing, dict(scan.clips)) == ({}, {}, (), {})
    assert not scan_again(tmp_path, scan).missing
