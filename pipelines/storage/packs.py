"""Packs: what a stage made of all clips of a shard, as one object of a bucket.

Of each clip a stage has a table, findings and a manifest. In scratch they are files as in any
store; in the bucket those of a shard's clips are rows of one table, with name, size, time, MD5 and
content: ``shards/<stage>/<shard>-of-<number>.parquet``. So a store of 100,000 clips has some
thousand objects in place of a million, which each command lists and a new machine fetches one by
one. Only stores whose clips are in shards (``pipelines/storage/shards.py``) have packs.

Scratch keeps the pack as it was sent or fetched last. A file that is as the pack says is not read
again, and what another machine sent takes the place of such files alone. A pack is put only if it
is still the one that scratch has; else the other machine's is taken first, and what was made here
is added to it.
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from dance_models.errors import DamagedFileError, InputError
from dance_models.files import LONGEST_NAME, replacing
from dance_models.tables import read_columns, read_table, write_table
from pipelines.storage.bucket import Bucket, Stored
from pipelines.storage.bucket_errors import is_of_another_version
from pipelines.storage.locks import file_lock
from pipelines.storage.records import MANIFESTS, records_of, unrecorded
from pipelines.storage.remote_notes import Kept, Notes, Traffic, md5_of
from pipelines.storage.shard_keys import shard_of, stated

PACKS: Final = "shards/"
TABLES: Final = "tables/"
FINDINGS: Final = "tables/findings/"
# The tables of a clip by the stage that makes them.
STAGE_OF: Final = {
    "clip_probe": "clip_probe",
    "sampled_frames": "sampled_frames",
    "pose_tracks": "pose_tracks",
    "pose_annotations": "pose_annotations",
    "annotation_problems": "pose_annotations",
}
STAGES: Final = tuple(dict.fromkeys(STAGE_OF.values()))
# The folders in which clips have their files.
CLIP_FOLDERS: Final = (
    *(f"{TABLES}{table}" for table in STAGE_OF),
    *(f"{folder}{stage}" for folder in (FINDINGS, MANIFESTS) for stage in STAGES),
)
SCHEMA: Final = {
    "name": pl.String,  # of the file in the store
    "size": pl.Int64,  # bytes
    "mtime_ns": pl.Int64,
    "md5": pl.String,
    "content": pl.Binary,
}
INDEX: Final = tuple(name for name in SCHEMA if name != "content")
_NAME: Final = re.compile(
    rf"{PACKS}(?:{'|'.join(STAGES)})/shard-\d{{4}}-of-(?P<shards>\d{{4}})\.parquet"
)
TRIES: Final = 8  # to put a pack that other machines put at the same time


class Packed(NamedTuple):
    """A file as a pack has it."""

    size: int
    mtime_ns: int
    md5: str

    def is_at(self, path: Path) -> bool:
        """Whether the file is as it was when it was packed or fetched.

        One of another time is read: scratch may have been copied. Raises OSError without a file.
        """
        stat = path.stat()
        if stat.st_size != self.size:
            return False
        return stat.st_mtime_ns == self.mtime_ns or md5_of(path) == self.md5


def is_pack(name: str, shards: int | None = None) -> bool:
    """Whether an object is a pack, of a store with so many ``shards`` if that is given."""
    found = _NAME.fullmatch(name)
    return found is not None and (shards is None or int(found["shards"]) == shards)


def part_of_clip(name: str) -> tuple[str, str] | None:
    """The stage and the clip that a file of a store is of; None when it is of no single clip."""
    folder, _, file = name.rpartition("/")
    clip, suffix = os.path.splitext(file)  # noqa: PTH122 -- of a hundred thousand names
    if not clip or clip.startswith(".") or len(os.fsencode(file)) > LONGEST_NAME:
        return None
    for prefix, ending in ((FINDINGS, ".parquet"), (TABLES, ".parquet"), (MANIFESTS, ".json")):
        stage = STAGE_OF.get(folder.removeprefix(prefix)) if folder.startswith(prefix) else None
        if stage is not None and suffix == ending:
            return stage, clip
    return None


def pack_of(name: str, shards: int) -> str | None:
    """The pack that a file belongs to in a store with so many shards; None when to none."""
    found = part_of_clip(name) if shards else None
    return None if found is None else _name(found[0], shard_of(found[1], shards), shards)


def packs_of(clips: Iterable[str], shards: int) -> set[str]:
    """The packs of all stages that have any of the clips."""
    found = {shard_of(clip, shards) for clip in clips} if shards else ()
    return {_name(stage, shard, shards) for shard in found for stage in STAGES}


def _name(stage: str, shard: str, shards: int) -> str:
    """With the number of shards: the same shard of another number has other clips."""
    return f"{PACKS}{stage}/{shard}-of-{shards:04}.parquet"


def names_of(stage: str, clip: str) -> list[str]:
    """The files that a stage may have of a clip, its manifest last."""
    tables = [f"{TABLES}{table}/{clip}.parquet" for table, of in STAGE_OF.items() if of == stage]
    return [*tables, f"{FINDINGS}{stage}/{clip}.parquet", f"{MANIFESTS}{stage}/{clip}.json"]


@dataclass(frozen=True)
class Packs:
    """The packs of a store in a bucket, and the files that they are of in scratch, ``root``."""

    root: Path
    bucket: Bucket

    @property
    def notes(self) -> Notes:
        """What scratch remembers of the packs."""
        return Notes(self.root)

    def shards(self) -> int:
        """How many shards the store's clips are in; 0 where there are no packs.

        Raises InputError when the registry of clips is damaged.
        """
        return stated(self.root / TABLES / "raw_clips.parquet")

    # --- from the bucket ------------------------------------------------------------------------
    def fetch(self, packs: Mapping[str, Stored]) -> None:
        """Fetch packs, and put what is new in them into its place. Raises InputError."""
        if not packs:
            return
        shards = self.shards()
        earlier = self._of_other_numbers(shards)

        def fetched(name: str) -> None:
            with self._lock(name):
                self._take(name, packs[name], shards, earlier)

        self.bucket.each(fetched, packs)

    def forget_others(self, there: Collection[str]) -> None:
        """Remove packs of another number of shards than today's that the bucket has no more."""
        at_hand = list((self.root / PACKS).glob("*/*.parquet"))
        shards = self.shards() if at_hand else 0
        for path in at_hand:
            name = path.relative_to(self.root).as_posix()
            if not is_pack(name, shards) and name not in there:
                path.unlink(missing_ok=True)

    def _of_other_numbers(self, shards: int) -> dict[str, Packed]:
        """What packs at hand have that are of another number of shards than today's."""
        found: dict[str, Packed] = {}
        for path in (self.root / PACKS).glob("*/*.parquet"):
            if not is_pack(path.relative_to(self.root).as_posix(), shards):
                found |= _index(path, lambda error: None)
        return found

    def restore(self, packs: Collection[str]) -> None:
        """Put back the files that the packs at hand have and scratch has lost."""
        shards = self.shards() if packs else 0
        for name in packs:
            if self._lost(name, shards):
                with self._lock(name):
                    self._write(self.root / name, self._lost(name, shards))

    def _lost(self, name: str, shards: int) -> list[str]:
        return [one for one in self._members(name, shards) if not (self.root / one).is_file()]

    def _take(self, name: str, stored: Stored, shards: int, earlier: Mapping[str, Packed]) -> None:
        """Fetch one pack; what was made here since the pack at hand stays.

        ``earlier``: what other packs had of files, before there were so many shards.
        """
        try:
            with replacing(self.root / name) as part:
                self.bucket.get(name, part)
                md5, size = md5_of(part), part.stat().st_size
                self._unpack(name, part, shards, earlier)
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self.notes.forget([name])  # deleted since it was listed
            return
        self.notes.remember(name, Kept(size, 0, md5, stored.etag))
        self.notes.count(Traffic(fetched=1, fetched_bytes=size))

    def _unpack(self, name: str, part: Path, shards: int, earlier: Mapping[str, Packed]) -> None:
        """Put what is new in a pack that was fetched into its place."""
        now = _index(part, self._told_damaged)
        if not now:
            part.write_bytes(b"")  # what is damaged is said once
        mine = {one: row for one, row in now.items() if pack_of(one, shards) == name}
        alone = {one: Packed(*kept[:3]) for one, kept in self.notes.known(mine).items()}
        before = {**alone, **earlier, **self._members(name, shards)}
        new = [one for one, row in mine.items() if self._gives_way(one, row, before.get(one))]
        self._write(part, new)

    def _told_damaged(self, error: DamagedFileError) -> None:
        getLogger(__name__).warning(
            f"a pack of {self.bucket.url} is damaged and left out ({error.message}); a machine "
            "that has the files sends them again, else they are made again"
        )

    def _gives_way(self, name: str, now: Packed, before: Packed | None) -> bool:
        """Whether the file of a pack takes the place of the one that is here, if one is.

        Only of one that was fetched or sent as it is, in a pack or, by an earlier version, alone.
        """
        path = self.root / name
        if not path.is_file():
            return True
        return not now.is_at(path) and before is not None and before.is_at(path)

    def _write(self, pack: Path, names: Collection[str]) -> None:
        """Write files of a pack into their places, manifests last."""
        if not names:
            return
        rows = read_table(pack).filter(pl.col("name").is_in(list(names)))
        for row in sorted(rows.to_dicts(), key=lambda row: row["name"].startswith(MANIFESTS)):
            with replacing(self.root / row["name"]) as part:
                part.write_bytes(row["content"])
                os.utime(part, ns=(row["mtime_ns"], row["mtime_ns"]))

    # --- to the bucket --------------------------------------------------------------------------
    def send(self, names: Iterable[str]) -> None:
        """Send files of clips that are not as their packs have them. Raises InputError."""
        shards = self.shards()
        by_pack: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if (pack := pack_of(name, shards)) is not None:
                by_pack[pack].append(name)

        def sent(pack: str) -> None:
            with self._lock(pack):
                for _ in range(TRIES):
                    if self._put(pack, by_pack[pack], shards):
                        return
            raise InputError(
                "other machines wrote this again and again",
                file=f"{self.bucket.url}/{pack}",
                hint="Run again",
            )

        self.bucket.each(sent, sorted(by_pack))

    def _put(self, name: str, files: Collection[str], shards: int) -> bool:
        """Put a pack with these files as they are; False when another machine put one meanwhile."""
        kept = self.notes.known([name]).get(name)
        if kept is not None and not (self.root / name).is_file():
            return self._take_newest(name, shards)  # else what others made would be left out
        members = self._members(name, shards)
        changed = [one for one in files if self._differs(one, members.get(one))]
        if kept is not None and not changed:
            return True
        rows = self._rows(name, members) | {one: self._row(one) for one in changed}
        frame = pl.DataFrame([rows[one] for one in sorted(rows)], SCHEMA)
        try:
            with replacing(self.root / name) as part:
                write_table(frame, part)
                stored, md5 = self.bucket.put(name, part, None if kept is None else kept.etag)
        except InputError as error:
            cause = error.__cause__
            gone = isinstance(cause, FileNotFoundError)
            if gone or (isinstance(cause, Exception) and is_of_another_version(cause)):
                return self._take_newest(name, shards)
            raise
        self.notes.remember(name, Kept(stored.size, 0, md5, stored.etag))
        self.notes.count(Traffic(sent=1, sent_bytes=stored.size))
        return True

    def _take_newest(self, name: str, shards: int) -> bool:
        """Fetch a pack as it is now; it is to be put again then."""
        if (newest := self.bucket.head(name)) is None:
            self.notes.forget([name])
        else:
            self._take(name, newest, shards, self._of_other_numbers(shards))
        return False

    def _rows(self, name: str, members: Mapping[str, Packed]) -> dict[str, dict[str, object]]:
        """The rows of the pack at hand."""
        if not members:
            return {}
        rows = read_table(self.root / name).to_dicts()
        return {row["name"]: row for row in rows if row["name"] in members}

    def _row(self, name: str) -> dict[str, object]:
        path = self.root / name
        stat, content = path.stat(), path.read_bytes()
        md5 = hashlib.md5(content).hexdigest()
        return dict(zip(SCHEMA, (name, len(content), stat.st_mtime_ns, md5, content), strict=True))

    def differing(self) -> list[str]:
        """Files of clips that are not as their packs have them, or whose pack is not there."""
        shards = self.shards()
        by_pack: dict[str, list[str]] = defaultdict(list)
        for name in self._files() if shards else ():
            by_pack[str(pack_of(name, shards))].append(name)
        sent = self.notes.known(by_pack)
        found = []
        for pack, names in by_pack.items():
            members = self._members(pack, shards) if pack in sent else {}
            found += [name for name in names if self._differs(name, members.get(name))]
        return sorted(found)

    def finished(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` whose clip is whole: others are being made, or are damaged."""
        by_clip: dict[tuple[str, str], list[str]] = defaultdict(list)
        for name in names:
            if (of := part_of_clip(name)) is not None:
                by_clip[of].append(name)
        found = []
        for (stage, clip), files in by_clip.items():
            records = records_of(self.root / names_of(stage, clip)[-1])
            held = {*records, names_of(stage, clip)[-1]} if unrecorded(self.root, records) else ()
            found += [name for name in files if name not in held]
        return found

    def _files(self) -> Iterator[str]:
        """All files of clips that are in scratch."""
        for folder in CLIP_FOLDERS:
            with suppress(FileNotFoundError), os.scandir(self.root / folder) as entries:
                for entry in entries:
                    if part_of_clip(name := f"{folder}/{entry.name}") is not None:
                        yield name

    def _differs(self, name: str, packed: Packed | None) -> bool:
        """Whether a file is not what a pack has; one that is not here does not."""
        path = self.root / name
        try:
            if packed is None:
                return path.is_file()
            return not packed.is_at(path)
        except FileNotFoundError:
            return False

    # --- the pack at hand -----------------------------------------------------------------------
    def _members(self, name: str, shards: int) -> dict[str, Packed]:
        """What the pack at hand has, without what belongs to another one by now."""
        rows = _index(self.root / name, lambda error: None)
        return {one: row for one, row in rows.items() if pack_of(one, shards) == name}

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Between taking or putting a pack and noting its ETag nobody else may do so."""
        path = self.root / "locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(path):
            yield


def _index(pack: Path, damaged: Callable[[DamagedFileError], None]) -> dict[str, Packed]:
    """What a pack has, without the contents; nothing when it is missing, empty or damaged."""
    try:
        if not pack.stat().st_size:
            return {}
        columns = read_columns(pack, INDEX)
    except FileNotFoundError:
        return {}
    except DamagedFileError as error:
        damaged(error)
        return {}
    names, *values = (columns[name] for name in INDEX)
    return {
        str(name): Packed(int(size), int(mtime_ns), str(md5))
        for name, size, mtime_ns, md5 in zip(names, *values, strict=True)
    }
