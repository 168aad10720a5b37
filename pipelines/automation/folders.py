"""Changes in a folder since the last scan, without reading the files or the clock.

A file counts when two scans in a row find the same size and modification time. A file that is
still being copied waits for the next scan.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from dance_models.files import files_below, state_of
from dance_models.tables import write_text
from dance_models.video.images import is_image

SCAN: Final = "scan"  # in a cursor: the file with the scan
FILE: Final = re.compile(r"[0-9a-f]{32}\.json")
State = dict[str, list[int]]  # path -> what watched_state says of it


@dataclass(frozen=True)
class FolderScan:
    """What a sensor's cursor names: files of the last scan, those handled, and those missing."""

    seen: State = field(default_factory=dict)
    handled: State = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    # Scans that found something: a file that returns to an earlier state is another change.
    number: int = 0
    # Of folders elsewhere: the file at which the next look begins, and why one cannot be looked at.
    resume: Mapping[str, str] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)
    # Of handled annotation files: the clips that each mentioned, whatever was registered since.
    clips: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "FolderScan":
        """The scan that :meth:`cursor` stored; an empty one before the first or a damaged one.

        After an empty one every file is looked at again, and what is fresh is not made again. Its
        number is the time: a cursor may have been reset in the web UI, and Dagster starts no run
        under a key that an earlier scan gave.
        """
        if not cursor:
            return cls(number=int(time.time()))
        try:
            plain = json.loads(cursor)
            if not plain:  # as somebody may have reset it
                return cls(number=int(time.time()))
            seen, handled, gone = (plain.get(key, {}) for key in ("seen", "handled", "gone"))
            resume, away, clips = (dict(plain.get(key, {})) for key in ("resume", "away", "clips"))
            number = int(plain.get("number", 0))
            clips = {str(path): [str(name) for name in names] for path, names in clips.items()}
            resume, away = ({str(k): str(v) for k, v in of.items()} for of in (resume, away))
            seen = {**dict(handled), **dict(seen)}
            return cls(seen, dict(handled), tuple(map(str, gone)), number, resume, away, clips)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls(number=int(time.time()))

    def cursor(self) -> str:
        """The scan as text; files that were handled as they are now are in it once."""
        waiting = {p: state for p, state in self.seen.items() if self.handled.get(p) != state}
        plain = {
            "seen": waiting,
            "handled": self.handled,
            "gone": list(self.missing),
            "number": self.number,
            "resume": dict(self.resume),
            "away": dict(self.away),
            "clips": {path: list(names) for path, names in self.clips.items()},
        }
        return json.dumps(plain, sort_keys=True)


def scan_of(folder: Path, cursor: str | None) -> FolderScan:
    """The scan that a cursor of :func:`keep_scan` names; as of a damaged one where it is gone.

    Cursors of earlier versions are the scan itself.
    """
    name = _name(cursor)
    if name is None:
        return FolderScan.from_cursor(cursor)
    try:
        return FolderScan.from_cursor((folder / name).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return FolderScan.from_cursor(None)


def keep_scan(folder: Path, last: str | None, scan: FolderScan) -> str:
    """Keep a scan in a file of ``folder``; the cursor that names it. ``last`` is that before.

    Dagster writes the cursor into the record of each tick, four a minute, and keeps these for a
    month: as text in it, a scan of 1,000 clips would be half a gigabyte a day. Of these files those
    older than ``last`` are deleted: a tick that fails leaves that in force. Newer ones may be of
    ticks after it, if this one took too long for Dagster or is a test in the web UI.
    """
    text = scan.cursor()
    name, before = f"{sha256(text.encode()).hexdigest()[:32]}.json", _name(last)
    kept_at = _written(folder / before) if before else 0
    if not (folder / name).is_file():
        write_text(folder / name, text)
    elif name != before:  # as it was before the last one
        (folder / name).touch()
    for path in folder.glob("*.json"):
        if path.name not in {name, before} and _written(path) < kept_at:
            path.unlink(missing_ok=True)
    return json.dumps({SCAN: name})


def _written(path: Path) -> int:
    """When a file was written; 0 where there is none."""
    _, written = state_of(path) or (0, 0)
    return written


def _name(cursor: str | None) -> str | None:
    """The file that a cursor names; None for one that is a scan, or damaged."""
    try:
        name = json.loads(cursor or "{}").get(SCAN)
    except (ValueError, AttributeError, RecursionError):
        return None
    return name if isinstance(name, str) and FILE.fullmatch(name) else None


@dataclass(frozen=True)
class Changes:
    """What a scan found: settled files that are new or changed, growing files, missing files."""

    settled: tuple[Path, ...]
    growing: tuple[Path, ...]
    missing: tuple[Path, ...]  # since the last scan
    scan: FolderScan  # to be stored once the changes were handled


def scan_again(
    folder: Path,
    last: FolderScan,
    also: Iterable[Path] = (),
    at_most: int | None = None,
    known: Callable[[Path], bool] = lambda _: False,
    elsewhere: Mapping[str, list[int]] | None = None,
    looked: Callable[[str], bool] = lambda _: True,
    clips_at_most: int | None = None,
    kept: Callable[[Path], bool] = lambda _: True,
) -> Changes:
    """Compare a folder, with its sub-folders, and other files with the last scan.

    Hidden files do not count. Settled files beyond ``at_most`` bytes in all wait for the next
    scan, except for the first of them; so do those beyond ``clips_at_most`` files, the images of a
    folder counted as one. Of files that are ``known`` when a scan finds them for the
    first time, only later changes count; one that was missing may have been replaced. ``elsewhere``
    has the states of more files, and a file that has none and was not ``looked`` for stays as the
    last scan saw it. Of missing files the scan remembers those that are ``kept``, until they are
    there again.
    """
    now = {**(elsewhere or {}), **_states(folder, also)}
    unseen = {path for path in last.seen if path not in now and not looked(path)}
    new = now.keys() - last.seen.keys() - last.handled.keys() - set(last.missing)
    taken = {path: now[path] for path in new if known(Path(path))}
    before = {**last.handled, **taken}
    waiting = [path for path, state in now.items() if before.get(path) != state]
    still = [path for path in waiting if last.seen.get(path) == now[path]]
    settled = _first(still, now, at_most, clips_at_most)
    agreed, there, gone = set(still), now.keys() | unseen, set(last.missing)
    growing = [path for path in waiting if path not in agreed]
    missing = [path for path in last.handled if path not in there and path not in gone]
    stay = {path: state for path, state in last.handled.items() if path in there}
    handled = {**stay, **taken, **{path: now[path] for path in settled}}
    still_missing = (path for path in (*last.missing, *missing) if path not in now)
    return Changes(
        tuple(map(Path, settled)),
        tuple(map(Path, growing)),
        tuple(map(Path, missing)),
        FolderScan(
            {**now, **{path: last.seen[path] for path in unseen}},
            handled,
            tuple(path for path in still_missing if kept(Path(path))),
            last.number + bool(settled or missing),
            clips=last.clips,
        ),
    )


def _states(folder: Path, also: Iterable[Path]) -> State:
    folder = folder.resolve()  # it may be a link to another disk
    below = sorted(files_below(folder, _unless_forbidden)) if folder.is_dir() else []
    found: State = {}
    for path in dict.fromkeys((*below, *also)):
        if (state := watched_state(path)) is not None:
            found[str(path)] = state
    return found


def _unless_forbidden(error: OSError) -> None:
    """Raise what is no matter of rights: a disk that fails would look like files that are gone."""
    if not isinstance(error, PermissionError):
        raise error


def watched_state(path: Path) -> list[int] | None:
    """The state of a regular file, and a 0 more while it may not be read; None where there is none.

    Its rights are mended without writing to it, and it is then to be read for the first time.
    """
    state = state_of(path)
    if state is not None and not os.access(path, os.R_OK):
        state.append(0)
    return state


def _first(
    paths: list[str], states: State, at_most: int | None, clips_at_most: int | None
) -> list[str]:
    total = 0
    chosen: list[str] = []
    clips: set[Path] = set()
    for path in paths:
        total += states[path][0]
        if at_most is not None and total > at_most and chosen:
            break
        clips.add(Path(path).parent if is_image(Path(path)) else Path(path))
        if clips_at_most is not None and len(clips) > clips_at_most:
            break
        chosen.append(path)
    return chosen
