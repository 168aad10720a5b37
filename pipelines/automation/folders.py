"""What changed in a folder since the last look, without reading the files or the clock.

A file counts when two looks in a row find the same size and modification time: one that is still
being copied waits for the next look.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

State = dict[str, list[int]]  # path -> size, modification time in ns


@dataclass(frozen=True)
class Look:
    """A cursor: what the last look saw, what of it was dealt with, and what had gone."""

    seen: State = field(default_factory=dict)
    handled: State = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "Look":
        """The look that :meth:`cursor` stored; the first one when there is none."""
        if not cursor:
            return cls()
        plain = json.loads(cursor)
        return cls(plain["seen"], plain["handled"], tuple(plain["gone"]))

    def cursor(self) -> str:
        """The look as text."""
        plain = {"seen": self.seen, "handled": self.handled, "gone": list(self.gone)}
        return json.dumps(plain, sort_keys=True)


@dataclass(frozen=True)
class Changes:
    """What a look found: settled files that are new or changed, files still growing, files gone."""

    settled: tuple[Path, ...]
    growing: tuple[Path, ...]
    gone: tuple[Path, ...]  # since the last look
    look: Look  # to be stored once the changes were dealt with


def look_again(folder: Path, last: Look) -> Changes:
    """Compare a folder, with all that lies below, with the last look. Hidden files do not count."""
    now: State = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts):
            status = path.stat()
            now[str(path)] = [status.st_size, status.st_mtime_ns]
    waiting = [path for path, state in now.items() if last.handled.get(path) != state]
    settled = [path for path in waiting if last.seen.get(path) == now[path]]
    growing = [path for path in waiting if path not in settled]
    gone = [path for path in last.handled if path not in now and path not in last.gone]
    handled = {
        path: now[path] if path in settled else state
        for path, state in {**last.handled, **{path: now[path] for path in settled}}.items()
        if path in now
    }
    still_gone = tuple(path for path in (*last.gone, *gone) if path not in now)
    return Changes(
        tuple(map(Path, settled)),
        tuple(map(Path, growing)),
        tuple(map(Path, gone)),
        Look(now, handled, still_gone),
    )
