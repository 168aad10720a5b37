"""Pointers: small files of the store that stand for the clips of a bucket.

``raw/buckets/<folder>`` mirrors a folder of a bucket: a note names its address, and for each video
there is a file of the same name that holds the object's ETag and size. Registering, freshness and
lineage work on pointers as on any file. The object itself is fetched when a stage decodes the clip.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import BaseFileLock, Timeout

from dance_models.errors import ChangedError, DamagedFileError, InputError
from dance_models.tables import read_note, write_text
from pipelines.storage.bucket import Bucket, Stored
from pipelines.storage.disk import RESERVE_MB, require_space
from pipelines.storage.locks import file_lock
from pipelines.storage.store import Store

NOTE: Final = "bucket.note"  # in a mirror: its address; not hidden, so that it travels
CLIPS: Final = "folder of clips"  # what an address is of, in messages


def mirrors(store: Store) -> list[Path]:
    """The folders of the store that mirror folders of buckets, resolved as registered paths are."""
    return sorted(path.parent for path in store.raw_buckets.resolve().glob(f"*/{NOTE}"))


def clip_folders(store: Store) -> list[Path]:
    """The store's own folders of clips: those dropped into it, and the mirrors."""
    return [store.raw_clips, *mirrors(store)]


def bucket_of(mirror: Path) -> Bucket:
    """The folder of a bucket that is mirrored. Raises InputError when the note is damaged."""
    note = mirror / NOTE
    try:
        return Bucket.of(str(read_note(note)["url"]), CLIPS)
    except (DamagedFileError, LookupError) as error:
        hint = "Delete the folder, and name the bucket again: dance run --clips s3://BUCKET/FOLDER"
        raise InputError("the address of a bucket is damaged", file=note, hint=hint) from error


def pointer_text(stored: Stored) -> str:
    """What a pointer to an object holds; not its address: a clip that is moved stays the same."""
    return json.dumps({"etag": stored.etag, "size": stored.size})


@contextmanager
def as_file(store: Store, path: Path, *, last: bool) -> Iterator[Path]:
    """The video of a clip: ``path`` itself, or a copy of the object that it points to.

    The copy stays until a reading that is the ``last`` one. Raises ChangedError when the object is
    another one than the pointer says; InputError when it cannot be fetched.
    """
    if (place := _object_of(store, path)) is None:
        yield path
        return
    bucket, name = place
    wanted = _pointed_to(path)
    key = hashlib.sha256(f"{bucket.url}/{name} {wanted.etag}".encode()).hexdigest()[:24]
    folder = store.clip_copies / key
    copy = folder / path.name  # the name tells a decoder the kind of the file
    with _lock(store, key):
        try:
            if not (copy.is_file() and copy.stat().st_size == wanted.size):
                _fetch(bucket, name, wanted, copy)
            yield copy
        finally:
            if last:
                shutil.rmtree(folder, ignore_errors=True)


def point_again(store: Store, path: Path) -> None:
    """Make a pointer say what its object is now; nothing for other files. Raises InputError."""
    if (place := _object_of(store, path)) is not None:
        bucket, name = place
        if (found := bucket.head(name)) is not None:
            write_text(path, pointer_text(found) + "\n")


def _object_of(store: Store, path: Path) -> tuple[Bucket, str] | None:
    """Where the object of a pointer is; None for a file that is no pointer."""
    mirror = next((one for one in mirrors(store) if path.is_relative_to(one)), None)
    return (bucket_of(mirror), path.relative_to(mirror).as_posix()) if mirror else None


def drop_copies(store: Store) -> None:
    """Remove the copies that nobody reads: of runs that were killed or had no last reading."""
    for folder in store.clip_copies.glob("[!.]*"):
        try:
            with _lock(store, folder.name).acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout:
            pass  # it is being read


def _lock(store: Store, key: str) -> BaseFileLock:
    """One of 256 locks, so that their files do not become more with each clip."""
    lock = store.clip_copies / ".locks" / f"{key[:2]}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    return file_lock(lock)


def _pointed_to(path: Path) -> Stored:
    try:
        plain = read_note(path)
        return Stored(int(plain["size"]), str(plain["etag"]))
    except (DamagedFileError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "this does not point to an object of a bucket",
            file=path,
            hint="Put clips into raw/clips; the files here are written by "
            "`dance run --clips s3://BUCKET/FOLDER`, which writes them again",
        ) from error


def _fetch(bucket: Bucket, name: str, wanted: Stored, copy: Path) -> None:
    """Fetch the object that is ``wanted``, compared before and after, since it takes a while."""
    found = bucket.head(name)
    if found == wanted:
        copy.parent.mkdir(parents=True, exist_ok=True)
        require_space(copy.parent, RESERVE_MB + wanted.size / 1e6)
        bucket.get(name, copy)
        found = bucket.head(name)
    if found is None:
        raise InputError(
            "the object of a clip has gone from its bucket",
            file=f"{bucket.url}/{name}",
            hint="Put it back, then run again",
        )
    if found != wanted:
        copy.unlink(missing_ok=True)
        raise ChangedError(f"{bucket.url}/{name}", "the object changed since it was registered")
