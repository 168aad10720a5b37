"""Looks at folders outside of the store: in parts, and past mounts that do not answer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from pipelines.automation import far_folders
from pipelines.automation.far_folders import FarFolders, Looks, Watched
from pipelines.automation.folders import Changes, FolderScan, scan_again

NONE: Mapping[str, str] = {}


def is_mp4(path: Path) -> bool:
    return path.suffix == ".mp4"


def filled(root: Path) -> list[Path]:
    names = ("a.mp4", "z.mp4", "b/c.mp4", "b/d/e.mp4", "b-2/f.mp4", ".hidden/g.mp4", "notes.txt")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"1")
    return [root / name for name in names[:5]]


def scanned(looks: Looks, last: FolderScan, raw: Path) -> Changes:
    changes = scan_again(raw, last, elsewhere=looks.states, looked=looks.covers)
    return replace(changes, scan=replace(changes.scan, resume=looks.resume(), away=looks.away()))


def test_a_look_without_time_goes_on_at_the_next_file(tmp_path: Path) -> None:
    root, raw = tmp_path / "far", tmp_path / "raw"
    files, far, scan = filled(root), FarFolders(0.0), FolderScan()
    settled, seen, said = set(), [], []
    for _ in range(12):
        looks = far.look([Watched(root, is_mp4)], scan.resume)
        seen.append([Path(path).name for path in looks.states])
        said += looks.parts()
        changes = scanned(looks, FolderScan.from_cursor(scan.cursor()), raw)
        assert not changes.missing
        settled |= set(changes.settled)
        scan = changes.scan
    # Twelve looks at a file each are two rounds of the five clips and the file that is none.
    names = ["a.mp4"], [], ["z.mp4"], ["c.mp4"], ["e.mp4"], ["f.mp4"]
    assert seen == [*names, *names]
    assert settled == set(files)
    assert f"1 files of {root} were looked at in this tick; the next one goes on at b/c.mp4" in said


def test_a_folder_of_images_is_not_looked_at_in_parts(tmp_path: Path) -> None:
    """Whether it is the clip that was registered is told by all of its images together."""
    for name in ("a.mp4", "dance/1.jpg", "dance/2.jpg", "dance/fps", "z/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    far, seen, resume = FarFolders(0.0), [], NONE
    for _ in range(3):
        looks = far.look([Watched(tmp_path, lambda _: True)], resume)
        seen.append([Path(path).name for path in looks.states])
        resume = looks.resume()
    assert seen == [["a.mp4"], ["1.jpg", "2.jpg", "fps"], ["b.mp4"]]


def test_a_file_that_is_gone_is_missed_by_the_look_that_passes_its_place(tmp_path: Path) -> None:
    root, raw = tmp_path / "far", tmp_path / "raw"
    filled(root)
    whole = FarFolders()
    first = scanned(whole.look([Watched(root, is_mp4)], NONE), FolderScan(), raw).scan
    scan = scanned(whole.look([Watched(root, is_mp4)], NONE), first, raw).scan
    (root / "b" / "d" / "e.mp4").unlink()
    far, missing = FarFolders(0.0), []
    for _ in range(6):
        changes = scanned(far.look([Watched(root, is_mp4)], scan.resume), scan, raw)
        missing.append([path.name for path in changes.missing])
        scan = changes.scan
    assert missing == [[], [], [], ["e.mp4"], [], []]


def test_a_folder_that_does_not_answer_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_folders, "_GRACE_S", 0.01)
    hung, fine, raw = tmp_path / "hung", tmp_path / "fine", tmp_path / "raw"
    filled(hung)
    filled(fine)
    answers = Event()

    def slow(path: Path) -> bool:
        return answers.wait(10) and is_mp4(path)

    watched = [Watched(hung, slow), Watched(fine, is_mp4)]
    answers.set()
    scan = scanned(FarFolders().look(watched, NONE), FolderScan(), raw).scan
    answers.clear()
    far, said = FarFolders(0.05), []
    for _ in range(3):
        looks = far.look(watched, scan.resume)
        said += looks.news(scan.away)
        changes = scanned(looks, scan, raw)
        assert not changes.missing
        assert not any(path.is_relative_to(hung) for path in changes.settled)
        scan = changes.scan
    assert said == [f"{hung} does not answer; it is looked at again when it does"]
    answers.set()
    ((thread, _),) = far._late.values()
    thread.join()
    looks = far.look(watched, scan.resume)
    assert looks.news(scan.away) == [f"{hung} can be looked at again"]
    assert {path.parent.name for path in scanned(looks, scan, raw).settled} >= {"hung"}


def test_a_folder_that_is_gone_is_said_once(tmp_path: Path) -> None:
    root, raw = tmp_path / "far", tmp_path / "raw"
    far, scan, said = FarFolders(), FolderScan(), []
    for there in (False, False, True, True):
        if there:
            filled(root)
        looks = far.look([Watched(root, is_mp4)], scan.resume)
        said.append(looks.news(scan.away))
        scan = scanned(looks, scan, raw).scan
    gone = [f"{root} is not there; its clips are kept"]
    assert said == [gone, [], [f"{root} can be looked at again"], []]
