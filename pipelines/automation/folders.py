"""Changes in a folder since the last scan, without reading the files or the clock.

A file counts when two scans in a row find the same size and modification time. A file that is
still being copied waits for the next scan.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

State = dict[str, list[int]]  # path -> size, modification time in ns


@dataclass(frozen=True)
class FolderScan:
    """A sensor's cursor: files of the last scan, which were handled, and which are missing."""

    seen: State = field(default_factory=dict)
    handled: State = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    # Scans that found something: a file that returns to an earlier state is another change.
    number: int = 0

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "FolderScan":
        """The scan that :meth:`cursor` stored; an empty one before the first or a damaged one.

        After an empty one every file is looked at again, and what is fresh is not made again.
        """
        try:
            plain = json.loads(cursor or "{}")
            seen, handled, gone = (plain.get(key, {}) for key in ("seen", "handled", "gone"))
            return cls(dict(seen), dict(handled), tuple(gone), int(plain.get("number", 0)))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return cls()

    def cursor(self) -> str:
        """The scan as text."""
        plain = {
            "seen": self.seen,
            "handled": self.handled,
            "gone": list(self.missing),
            "number": self.number,
        }
        return json.dumps(plain, sort_keys=True)


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
    known: Collection[Path] = (),
) -> Changes:
    """Compare a folder, with its sub-folders, and other files with the last scan.

    Hidden files do not count. Settled files beyond ``at_most`` bytes in all wait for the next
    scan, except for the first of them. Of files that are ``known`` when a scan finds them for the
    first time, only later changes count.
    """
    now = _states(folder, also)
    new = now.keys() - last.seen.keys() - last.handled.keys()
    taken = {path: now[path] for path in map(str, known) if path in new}
    before = {**last.handled, **taken}
    waiting = [path for path, state in now.items() if before.get(path) != state]
    still = [path for path in waiting if last.seen.get(path) == now[path]]
    settled = _first(still, now, at_most)
    growing = [path for path in waiting if path not in set(still)]
    missing = [path for path in last.handled if path not in now and path not in last.missing]
    kept = {path: state for path, state in last.handled.items() if path in now}
    handled = {**kept, **taken, **{path: now[path] for path in settled}}
    still_missing = tuple(path for path in (*last.missing, *missing) if path not in now)
    return Changes(
        tuple(map(Path, settled)),
        tuple(map(Path, growing)),
        tuple(map(Path, missing)),
        FolderScan(now, handled, still_missing, last.number + bool(settled or missing)),
    )


def _states(folder: Path, also: Iterable[Path]) -> State:
    folder = folder.resolve()  # it may be a link to another disk
    below = [
        path
        for path in (sorted(folder.rglob("*")) if folder.is_dir() else [])
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    found: State = {}
    for path in dict.fromkeys((*below, *also)):
        try:
            status = path.stat()
        except OSError:  # deleted during the scan, or a broken link
            continue
        if path.is_file():
            found[str(path)] = [status.st_size, status.st_mtime_ns]
    return found


def _first(paths: list[str], states: State, at_most: int | None) -> list[str]:
    total = 0
    chosen: list[str] = []
    for path in paths:
        total += states[path][0]
        if at_most is not None and total > at_most and chosen:
            break
        chosen.append(path)
    return chosen
