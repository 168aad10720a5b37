"""What changed in a folder since the last look, without reading the files or the clock.

A file counts when two looks in a row find the same size and modification time: one that is still
being copied waits for the next look.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

State = dict[str, list[int]]  # path -> size, modification time in ns


@dataclass(frozen=True)
class Look:
    """A cursor: what the last look saw, what of it was dealt with, and what had gone."""

    seen: State = field(default_factory=dict)
    handled: State = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    # Looks that found something: a file that comes back as it was once is another change.
    number: int = 0

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "Look":
        """The look that :meth:`cursor` stored; the first one when there is none."""
        if not cursor:
            return cls()
        plain = json.loads(cursor)
        return cls(plain["seen"], plain["handled"], tuple(plain["gone"]), plain.get("number", 0))

    def cursor(self) -> str:
        """The look as text."""
        plain = {
            "seen": self.seen,
            "handled": self.handled,
            "gone": list(self.gone),
            "number": self.number,
        }
        return json.dumps(plain, sort_keys=True)


@dataclass(frozen=True)
class Changes:
    """What a look found: settled files that are new or changed, files still growing, files gone."""

    settled: tuple[Path, ...]
    growing: tuple[Path, ...]
    gone: tuple[Path, ...]  # since the last look
    look: Look  # to be stored once the changes were dealt with


def look_again(
    folder: Path, last: Look, also: Iterable[Path] = (), at_most: int | None = None
) -> Changes:
    """Compare a folder, with all that lies below, and other files with the last look.

    Hidden files do not count. Settled files beyond ``at_most`` bytes in all wait for the next
    look, but for the first of them.
    """
    now = _states(folder, also)
    waiting = [path for path, state in now.items() if last.handled.get(path) != state]
    still = [path for path in waiting if last.seen.get(path) == now[path]]
    settled = _first(still, now, at_most)
    growing = [path for path in waiting if path not in set(still)]
    gone = [path for path in last.handled if path not in now and path not in last.gone]
    kept = {path: state for path, state in last.handled.items() if path in now}
    handled = {**kept, **{path: now[path] for path in settled}}
    still_gone = tuple(path for path in (*last.gone, *gone) if path not in now)
    return Changes(
        tuple(map(Path, settled)),
        tuple(map(Path, growing)),
        tuple(map(Path, gone)),
        Look(now, handled, still_gone, last.number + bool(settled or gone)),
    )


def _states(folder: Path, also: Iterable[Path]) -> State:
    folder = folder.resolve()  # it may be a link to another disk
    below = [
        path
        for path in (sorted(folder.rglob("*")) if folder.is_dir() else [])
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    found: State = {}
    for path in (*below, *also):
        try:
            status = path.stat()
        except OSError:  # went while we looked, or a link that leads nowhere
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
