"""Keeping the pointers to the clips of a bucket up to date: its listing is all that is read."""

import hashlib
import json
import logging
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from dance_models.errors import DamagedFileError, InputError
from dance_models.files import LONGEST_NAME
from dance_models.tables import read_note, write_text
from dance_models.text import printable
from dance_models.video.scan import MANIFEST, is_video
from pipelines.storage.bucket import VERSION, Bucket, Stored
from pipelines.storage.clips import CORPUS_FILE
from pipelines.storage.locks import owned
from pipelines.storage.pointers import CLIPS, NOTE, bucket_of, mirrors, pointer_text
from pipelines.storage.registration import registration_lock
from pipelines.storage.store import Store

TEXTS: Final = (MANIFEST, CORPUS_FILE)  # fetched as they are
LONGEST_TEXT: Final = 16_000_000  # bytes


def mirror(store: Store, address: str, within_s: float | None = None) -> list[str]:
    """Bring the pointers to a folder of a bucket up to date, or make them; what is no clip there.

    A store that is not there is made: with files in it, it would be taken for one that others may
    read, and that has chosen its databases. Raises InputError when the bucket cannot be used, no
    video lies there, or waiting or listing take more than ``within_s`` seconds.
    """
    bucket = Bucket.of(address, CLIPS)
    digest = hashlib.sha256(bucket.url.encode()).hexdigest()[:8]
    folder = store.raw_buckets / f"{bucket.url.rsplit('/', 1)[1]}-{digest}"
    first: Mapping[str, Stored] | None = None
    if not store.exists():
        first = _listed(bucket, within_s)  # refused before anything is made
        store.initialise()
    # Else a second process could list later, and this one would delete what is new by then. Not the
    # lock of registrations: listing takes as long as the bucket is large.
    listing = store.table("raw_clips").with_name(f".{folder.name}.lock")
    say = logging.getLogger(__name__).warning
    with owned(listing, f"the listing of {bucket.url}", say, within_s):
        objects = _listed(bucket, within_s) if first is None else first
        with registration_lock(store):
            _delete_gone(store, folder, objects)  # first: a file may have the name of a folder now
            return list(_brought_up_to_date(folder, bucket, objects))


def _listed(bucket: Bucket, within_s: float | None) -> dict[str, Stored]:
    """The objects of a folder of clips. Raises InputError when there is no video."""
    objects = bucket.listed(within_s)
    if not any(is_video(Path(name)) for name in objects):
        raise InputError(
            "no video lies there",
            file=bucket.url,
            hint="Name the folder of a bucket that holds videos, STYLE/CLIP.mp4 or flat",
        )
    return objects


def mirror_again(
    store: Store, listed: Collection[str] = (), within_s: float | None = None
) -> list[str]:
    """Bring all pointers up to date; lines about what could not be, and about what is no clip.

    Those of the addresses in ``listed`` are: they were listed just now. ``within_s``: seconds for
    each of the others.
    """
    lines: list[str] = []
    done = {Bucket.of(address, CLIPS).url for address in listed}
    for folder in mirrors(store):
        try:
            if (url := bucket_of(folder).url) not in done:
                lines += mirror(store, url, within_s)
        except InputError as error:
            lines.append(printable(f"clips of a bucket are used as they were listed last: {error}"))
    return lines


def _brought_up_to_date(
    folder: Path, bucket: Bucket, objects: Mapping[str, Stored]
) -> Iterator[str]:
    """Write what is new or changed; yields what cannot be used."""
    texts: dict[str, str] = {}
    with suppress(DamagedFileError, LookupError, TypeError):
        texts = dict(read_note(folder / NOTE)["texts"])
    for name, stored in sorted(objects.items()):
        if not (name in TEXTS or is_video(Path(name))):
            continue
        reason = _unusable(name, stored)
        try:
            if reason is None and name not in TEXTS:
                _write(folder / name, pointer_text(stored))
            elif reason is None and texts.get(name) != stored.etag:
                bucket.get(name, folder / name)
                texts[name] = stored.etag
        except OSError as error:  # a/b.mp4 below a.mp4; a path that is too long
            reason = error.strerror or str(error)
        if reason is not None:
            yield printable(f"{bucket.url}/{name}: not used: {reason}")
    if CORPUS_FILE not in objects:
        _write(folder / CORPUS_FILE, bucket.url)
    texts = {name: etag for name, etag in texts.items() if name in objects}
    _write(folder / NOTE, json.dumps({"url": bucket.url, "texts": texts}), durable=True)


def _delete_gone(store: Store, folder: Path, objects: Mapping[str, Stored]) -> None:
    """Delete pointers whose objects are gone, also from the bucket of a store that lies in one."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = {*objects, NOTE, CORPUS_FILE}
    gone = [path for path in files if path.relative_to(folder).as_posix() not in kept]
    for path in gone:
        path.unlink()
        for parent in path.relative_to(folder).parents[:-1]:
            with suppress(OSError):  # it holds others
                (folder / parent).rmdir()
    if gone and (remote := store.remote) is not None:
        remote.removed(gone)


def _write(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a file unless it holds that already: what watches the folder sees changes alone."""
    with suppress(OSError, UnicodeDecodeError):
        if path.read_text("utf-8") == text + "\n":
            return
    write_text(path, text + "\n", durable=durable)


def _unusable(name: str, stored: Stored) -> str | None:
    """Why an object cannot have a file of its name here."""
    parts = name.split("/")
    # Control characters alone: macOS puts a space that is not "printable" into its recordings.
    odd = any(unicodedata.category(character) == "Cc" for character in name)
    if {"", ".", ".."} & set(parts) or "\\" in name or odd:
        return "a file cannot have this name"
    if VERSION in name:  # the client would fetch the object whose name ends before it
        return f"its name holds {VERSION!r}, which stands for a version of another object"
    if max(len(part.encode("utf-8", "surrogateescape")) for part in parts) > LONGEST_NAME:
        return "its name is too long for a file"
    if name in TEXTS and stored.size > LONGEST_TEXT:
        return f"it has {stored.size:,} bytes; at most {LONGEST_TEXT:,} are read"
    return None
