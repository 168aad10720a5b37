"""A store that remembers what its files said, for walks over all clips.

``dance status`` and the plan of ``dance run`` ask the same of a dozen small files of every clip.
What was read of a file is kept with its inode, size, modification time and change time, and holds
while these four are the same. Whatever writes a file changes the last of them, which no program can
set back. Other code reads all again, and so does the first walk after the machine was started: a
power cut may leave a file without its content. Bytes that a disk changed by itself are not seen
here: a stage reads its inputs and its result in any case when it is run, and ``dance verify`` reads
everything.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import PrivateAttr

from dance_models.files import replacing
from pipelines.processes import own_code, started_machine
from pipelines.storage.store import Store

T = TypeVar("T")

NOTE: Final = "files.json"  # in Dagster's folder
# A file that was written just now may be written again within the same tick of its times.
SETTLED_NS: Final = 1_000_000_000
Stamp = list[int]  # inode, size, modification time and change time, ns
Facts = dict[str, list[Any]]  # by name: what else it depends on, and the value


class Memory:
    """What was read of the files of one store, by path in it."""

    def __init__(self, store: Store) -> None:
        self._note = store.dagster_home / NOTE
        self._root = f"{store.path}/"
        self._files = _noted(self._note)
        self._asked: set[str] = set()
        self._changed = False

    def fact(self, path: Path, name: str, read: Callable[[], T], given: str) -> T:
        """What ``read`` says of a file, which is not read when it is as it was."""
        status = path.stat()
        stamp = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        key = str(path).removeprefix(self._root)
        self._asked.add(key)
        before, facts = self._files.get(key) or ([], {})
        if before != stamp:
            facts = {}
        if (known := facts.get(name)) is not None and known[0] == given:
            return cast("T", known[1])
        value = read()
        if time.time_ns() - status.st_ctime_ns < SETTLED_NS:
            return value
        facts[name] = [given, value]
        self._files[key] = (stamp, facts)
        self._changed = True
        return value

    def save(self) -> None:
        """Write the note, without files that have gone; a read-only store goes without."""
        if not self._changed:
            return
        for key in self._files.keys() - self._asked:
            if not Path(self._root + key).exists():
                del self._files[key]
        text = json.dumps(self._files, separators=(",", ":"))
        with suppress(OSError), replacing(self._note) as part:
            part.write_text(f"{_heading(text)}\n{text}", encoding="utf-8")


class RememberingStore(Store):
    """A store whose :meth:`fact` reads no file again that is as it was."""

    _memory: Memory = PrivateAttr()

    def fact(
        self, path: Path, name: str, read: Callable[[], T], given: Callable[[], str] = str
    ) -> T:
        """What ``read`` says of a file, now or earlier."""
        return self._memory.fact(path, name, read, given())


@contextmanager
def remembering(store: Store) -> Iterator[Store]:
    """The store while it remembers; what it learns is kept for the next walk."""
    if isinstance(store, RememberingStore):
        yield store
        return
    one = RememberingStore(root=store.root)
    one._memory = Memory(store)
    try:
        yield one
    finally:
        one._memory.save()


def _noted(note: Path) -> dict[str, tuple[Stamp, Facts]]:
    """What was kept; nothing where the note is missing or does not hold."""
    with suppress(OSError, ValueError, RecursionError):
        heading, _, text = note.read_text("utf-8").partition("\n")
        if heading == _heading(text):
            return dict(json.loads(text))
    return {}


def _heading(text: str) -> str:
    """When a note holds: as it was written, for the code that wrote it, until the next start.

    A wrong fact would stay for as long as its file.
    """
    whole = hashlib.sha256(text.encode()).hexdigest()
    return f"{started_machine()} {own_code()} {whole}"
