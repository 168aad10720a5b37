"""A store in a bucket: a folder of this machine to work in, and what of it lies in the bucket.

The folder (*scratch*) is an ordinary store with a note of the address. What was made travels:
tables, manifests, finished models, reports, exports, MLflow's artifacts. Frames, databases, weights
and trainings in progress stay. A manifest is put after all files that it names, and is deleted
before one of them is replaced: whoever sees a manifest finds its files.

Scratch remembers, for each object, the file that it was made of or fetched into (size, time, MD5)
and the object's ETag. So nothing that is unchanged is read, sent or fetched again.
"""

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from filelock import BaseFileLock

from dance_models.errors import DamagedFileError, InputError
from dance_models.files import LONGEST_NAME, is_part
from dance_models.tables import file_digest, read_note, write_text
from dance_models.text import printable
from pipelines.storage.bucket import ANY, SCHEME, VERSION, Bucket, Stored
from pipelines.storage.databases import NOTE as DATABASES
from pipelines.storage.locks import file_lock
from pipelines.storage.packs import CLIP_FOLDERS, Packs, is_pack, names_of, part_of_clip
from pipelines.storage.place import PLACE
from pipelines.storage.records import (
    MANIFESTS,
    files_below,
    is_recorded,
    manifests_below,
    records_below,
    records_of,
)
from pipelines.storage.remote_notes import KNOWN, Kept, Notes, Traffic, md5_of

SCRATCH_VARIABLE: Final = "DANCE_SCRATCH"
NOTE: Final = ".remote.json"  # in scratch: the address
LOCK: Final = ".remote.lock"
LOCAL: Final = (NOTE, KNOWN, f"{KNOWN}-journal")  # of a machine, and in no backup
MODELS: Final = "models/"
DELETED: Final = "deleted/"  # notes of what was deleted, so that no machine sends it again
FOLDERS: Final = (
    *("tables/", MANIFESTS, MODELS, "reports/", "exports/", "rendered/", "versions/"),
    *("mlflow/artifacts/", "raw/", DELETED),
)
# What two machines could both add to; each is replaced only as it was read.
REGISTRIES: Final = tuple(
    f"tables/{name}.parquet"
    for name in ("raw_clips", "raw_annotations", "raw_motion", "registered_folders")
)


class _State(NamedTuple):
    """A file as it is, and what is remembered of its object."""

    file: tuple[int, int, int] | None  # inode, time and size; None where there is none
    kept: Kept | None

    @classmethod
    def of(cls, path: Path, kept: Kept | None) -> "_State":
        try:
            stat = path.stat()
        except OSError:
            return cls(None, kept)
        return cls((stat.st_ino, stat.st_mtime_ns, stat.st_size), kept)


def scratch_of(url: str) -> Path:
    """The folder of this machine for the store at an address. Raises InputError for a bad one.

    Below ``DANCE_SCRATCH``, else where the platform keeps a user's caches.
    """
    from platformdirs import user_cache_path

    address = Bucket.of(url).url
    given = os.environ.get(SCRATCH_VARIABLE, "").strip()
    cache = user_cache_path("dance-pose", appauthor=False) / "stores"
    folder = Path(given).expanduser().resolve() if given else cache
    digest = hashlib.sha256(address.encode()).hexdigest()[:10]
    return folder / f"{address.rsplit('/', 1)[1]}-{digest}"


def attached(url: str) -> Path:
    """Scratch of the store at ``url``, with what the bucket has. Raises InputError."""
    remote = scratch(url)
    remote.fetch()
    return remote.root


def scratch(url: str, root: Path | None = None) -> "Remote":
    """Scratch of the store at ``url`` as it is, made where there is none. Raises InputError.

    ``root``: where it has to be, as on the machine that gave this one work on the store.
    """
    remote = Remote(root or scratch_of(url), Bucket.of(url))
    try:
        remote.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (remote.root / NOTE).is_file():
            remote.root.chmod(0o700)  # it holds pictures of people
            write_text(remote.root / NOTE, json.dumps({"url": remote.bucket.url}) + "\n")
    except OSError as error:
        raise InputError(
            f"the folder to work in cannot be made: {error.strerror}",
            file=remote.root,
            hint=f"Name another one with {SCRATCH_VARIABLE}",
        ) from error
    return remote


def remote_of(root: Path) -> "Remote | None":
    """The bucket that the store at ``root`` is scratch of; None for a store that is a folder.

    Raises InputError when the note of it is damaged.
    """
    note = root / NOTE
    if not note.is_file():
        return None
    try:
        return Remote(root, Bucket.of(str(read_note(note)["url"])))
    except (DamagedFileError, LookupError) as error:
        hint = "Delete the folder, and name the store by its address again"
        raise InputError(
            "the note of the store's bucket is damaged", file=note, hint=hint
        ) from error


@dataclass(frozen=True)
class Remote:
    """Scratch of a store, and the place in a bucket that holds what counts."""

    root: Path
    bucket: Bucket

    # --- from the bucket ------------------------------------------------------------------------
    def fetch(
        self,
        picked: Callable[[str], bool] = lambda name: True,
        listed: Mapping[str, Stored] | None = None,
    ) -> Mapping[str, Stored]:
        """Fetch what another machine made, and forget objects that are gone; what the bucket has.

        Only objects whose name is ``picked`` are fetched. ``listed`` is what an earlier call gave:
        the bucket is not asked again. Manifests appear in scratch last. A file that was fetched
        gets the time that its manifest has, if it has the content too: then nothing hashes it
        again. Raises InputError.
        """
        with self._alone():
            before = self.known() if listed is None else {}
            there = listed
            if there is None:
                there = self._listed()
            known = self.known()
            # What a process of this machine sent since is newer than what was listed.
            own = {n for n in known | before if known.get(n) != before.get(n)}
            if listed is not None:
                own = set()
            wanted = [
                name
                for name, stored in there.items()
                if picked(name) and name not in own and not self._has(name, stored, known.get(name))
            ]
            self._refuse_other_place(wanted)
            self._fetch([name for name in wanted if not is_pack(name)], there, known)
            # After the registry, which says how many shards there are, and the files by themselves.
            self._packs.fetch({name: there[name] for name in wanted if is_pack(name)})
            self._packs.restore([name for name in there if is_pack(name) and picked(name)])
            if listed is None:
                self._packs.forget_others(there)
                gone = {n: known[n] for n in known.keys() - there.keys() - own}
                self._heed_deleted(gone, there, forgot=not known)
            if wanted:
                size = sum(there[name].size for name in wanted)
                logging.getLogger(__name__).warning(
                    f"{len(wanted)} files ({size:,} bytes) fetched from {self.bucket.url}"
                )
        return there

    def _listed(self) -> dict[str, Stored]:
        """The objects that belong to a store; says which cannot be files."""
        found = {n: s for n, s in self.bucket.listed().items() if _is_kept(n)}
        odd = sorted(name for name in found if _is_no_file(name, found))  # of others, and rare
        if odd:
            logging.getLogger(__name__).warning(
                f"{self.bucket.url}: {len(odd)} objects are left out, as no file can have their "
                f"names: {printable(odd[0][:60])}"
            )
        return {name: stored for name, stored in found.items() if name not in odd}

    def _fetch(
        self, wanted: Collection[str], there: Mapping[str, Stored], known: Mapping[str, Kept]
    ) -> None:
        """Fetch objects beside scratch, and put each in its place as soon as it may be there."""
        waiting = self.root / ".remote.part"
        shutil.rmtree(waiting, ignore_errors=True)  # of a process that was killed
        states = {name: _State.of(self.root / name, known.get(name)) for name in wanted}
        manifests = [name for name in wanted if name.startswith(MANIFESTS)]
        files = [name for name in wanted if not name.startswith(MANIFESTS)]
        self.bucket.each(lambda name: self._got(name, waiting / name), manifests)
        records: dict[str, list[Any]] = {}
        if any(not name.startswith("raw/") for name in files):  # those are in no manifest
            packed = CLIP_FOLDERS if any(map(is_pack, there)) else ()
            records = records_below(self.root, packed) | records_below(waiting)
        left: set[str] = set()

        def fetched(name: str) -> None:
            part, record = waiting / name, records.get(name)
            if not self._got(name, part):
                return
            if record is not None and file_digest(part) == record[2]:
                os.utime(part, ns=(record[1], record[1]))
            if not self._put_in_place(name, part, there[name].etag, states[name]):
                left.add(name)

        self.bucket.each(fetched, files)
        for name in manifests:
            manifest = waiting / name
            if not manifest.is_file() or self._is_being_replaced(manifest, files, left):
                continue
            self._put_in_place(name, manifest, there[name].etag, states[name])
        shutil.rmtree(waiting, ignore_errors=True)

    def _heed_deleted(
        self, gone: Mapping[str, Kept], there: Collection[str], *, forgot: bool
    ) -> None:
        """Forget objects that are gone: lost ones are sent again, those deleted on purpose are not.

        The files stay: of a training of this machine, say, that goes on. `dance clean` knows.
        ``forgot``: nothing was remembered, as the file of it was lost; the content of files says
        which were deleted then.
        """
        deleted: dict[str, set[str]] = {}
        for path in (self.root / DELETED).glob("*.json"):
            with suppress(DamagedFileError, LookupError, AttributeError):
                for name, etag in read_note(path)["objects"].items():
                    deleted.setdefault(name, {""}).add(etag)
        if forgot:
            gone = {
                name: Kept(path.stat().st_size, path.stat().st_mtime_ns, md5, md5)
                for name in deleted.keys() - set(there)
                if (path := self.root / name).is_file() and (md5 := md5_of(path))
            }
        stay = {n for n, kept in gone.items() if kept.etag in deleted.get(n, ())}
        stay = {name for name in stay if (self.root / name).is_file()}
        for name in stay:
            if gone[name].etag:
                self._notes.remember(name, gone[name]._replace(etag=""))
        self._notes.forget(gone.keys() - stay)

    def _put_in_place(self, name: str, part: Path, etag: str, state: "_State") -> bool:
        """Put what was fetched where it belongs, and remember it.

        False when it stays away: a process of this machine wrote or sent the file after it was in
        ``state``. Its result would be lost, and may be newer than the object.
        """
        path, stat, md5 = self.root / name, part.stat(), md5_of(part)
        with self._notes.opened() as notes:
            row = notes.execute("SELECT * FROM known WHERE name = ?", (name,)).fetchone()
            kept = Kept(*row[1:]) if row else None
            if _State.of(path, kept) != state:
                return False
            if kept is not None and kept.md5 == md5 and state.file is not None:
                now = kept._replace(etag=etag)  # what was sent from here; the file may be newer
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
                now = Kept(stat.st_size, stat.st_mtime_ns, md5, etag)
            notes.execute("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?)", (name, *now))
        self._notes.count(Traffic(fetched=1, fetched_bytes=stat.st_size))
        return True

    def _got(self, name: str, path: Path) -> bool:
        """Fetch an object; False when another machine deleted it since the objects were listed."""
        try:
            self.bucket.get(name, path)
        except InputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return True

    def _is_being_replaced(
        self, manifest: Path, fetched: Collection[str], left: Collection[str]
    ) -> bool:
        """Whether a file that the manifest names was to be fetched and is not there any more.

        Or was ``left``, as it is being made on this machine.
        """
        names = records_of(manifest).keys() & set(fetched)
        return bool(names & set(left)) or not all((self.root / name).is_file() for name in names)

    def _has(self, name: str, stored: Stored, kept: Kept | None) -> bool:
        """Whether the file is there, and the object not newer; another file of it is sent later."""
        path = self.root / name
        if not path.is_file():
            return False
        if kept is not None:
            return kept.etag == stored.etag
        # Sent by a process that was killed before it could note so.
        same = path.stat().st_size == stored.size and md5_of(path) == stored.etag
        if same:
            self._note(name, stored.etag)
        return same

    def _refuse_other_place(self, wanted: Collection[str]) -> None:
        """Raise InputError when machines that share databases would have different paths."""
        if PLACE not in wanted or DATABASES not in wanted:
            return
        self.bucket.get(PLACE, self.root / ".remote.place")
        place = read_note(self.root / ".remote.place").get("path")
        (self.root / ".remote.place").unlink()
        if place != str(self.root):
            raise InputError(
                f"the databases of this store name files below {place}, and here they would lie "
                f"below {self.root}",
                file=self.bucket.url,
                hint=f"Set {SCRATCH_VARIABLE} so that the folder has the same path on all machines "
                "that use the store",
            )

    # --- to the bucket --------------------------------------------------------------------------
    def commit(self, files: Iterable[Path], manifest: Path | None = None) -> None:
        """Send the files that differ from their objects, and then the manifest of them.

        Raises InputError when the bucket cannot be used: the next commit sends what is missing.
        """
        names = [self._name(path) for path in files if path.is_file()]
        names = [name for name in dict.fromkeys(names) if self._travels(name)]
        last = [self._name(manifest)] if manifest is not None and manifest.is_file() else []
        # Between the put of a registry and the note of its new ETag, nobody else may put it.
        with self._alone() if set(names) & set(REGISTRIES) else nullcontext():
            self._send(names, last, dict.fromkeys(names, last))

    def commit_clips(self, stage: str, clips: Iterable[str]) -> None:
        """Send what a stage made of clips, in a store whose clips are in shards.

        Raises InputError when the bucket cannot be used: the next call sends what is missing.
        """
        self._packs.send(name for clip in clips for name in names_of(stage, clip))

    def publish(self, *, clips: bool = True) -> None:
        """Send everything that differs from its object, but nothing that is half-made.

        Without ``clips``, in a store whose clips are in shards, nothing of these: who makes them
        sends them, and looking at the files of 100,000 takes a minute.
        A file that is not what its manifest says is being made, and waits with its manifest.
        Raises InputError when the bucket cannot be used: the next call sends what is missing.
        """
        with self._alone():
            if clips:
                self._packs.send(self._packs.finished(self._packs.differing()))
                self._drop_unpacked()
            of: dict[str, list[str]] = {}
            held: set[str] = set()
            waiting: set[str] = set()
            for path in manifests_below(self.root, self._packed_folders()):
                for name, record in records_of(path).items():
                    of.setdefault(name, []).append(self._name(path))
                    if not is_recorded(self.root, name, record):
                        held.add(self._name(path))
                        waiting.add(name)
            names = [name for name in self._travelling() if name not in waiting]
            last = [n for n in names if n.startswith(MANIFESTS) and n not in held]
            self._send([n for n in names if not n.startswith(MANIFESTS)], last, of)

    def _packed_folders(self) -> Collection[str]:
        """The folders whose files travel in packs."""
        return CLIP_FOLDERS if self._packs.shards() else ()

    def _drop_unpacked(self) -> None:
        """Delete the objects of files that are in packs by now, and packs of no shard.

        So a store is freed of what it had before its clips were in shards, or in so many.
        """
        shards, known = self._packs.shards(), self.known()
        if not shards:
            return
        files = {name for name in known if part_of_clip(name) is not None}
        packs = {name for name in known if is_pack(name) and not is_pack(name, shards)}
        if not files and not packs:
            return
        waiting = set(self._packs.differing())
        old = files - waiting | (packs if not waiting else set())
        self.bucket.delete(sorted(old))
        self._notes.forget(old)
        self._packs.forget_others(known.keys() - old)

    def lend(self, folder: Path) -> None:
        """Send a training in progress, so that another machine can go on with it.

        Its files count for nothing there until ``current.json`` names them. Raises InputError.
        """
        names = [self._name(path) for path in sorted(folder.rglob("*")) if path.is_file()]
        with self._alone():
            self._send([name for name in names if _is_kept(name)], (), {})

    def _send(
        self, names: Collection[str], manifests: Collection[str], of: Mapping[str, list[str]]
    ) -> None:
        """Send files and then manifests; ``of`` says which manifests name a file."""
        known = self._notes.known([*names, *manifests, *(m for n in names for m in of.get(n, ()))])
        # What was deleted on purpose is in use again where a result that stands here names it.
        again = {name for name in names if of.get(name) and _is_deleted(known.get(name))}
        changed = [n for n in names if n in again or self._differs(n, known.get(n))]
        # Whoever sees a manifest finds its files: not while one of them is replaced.
        replaced = {m for name in changed if name in known for m in of.get(name, ()) if m in known}
        self.bucket.delete(sorted(replaced))
        self._notes.forget(replaced)
        self.bucket.each(lambda name: self._put(name, known.get(name)), changed)
        last = [n for n in manifests if n in replaced or self._differs(n, known.get(n))]
        self.bucket.each(lambda name: self._put(name, None), last)

    def _put(self, name: str, kept: Kept | None) -> None:
        path = self.root / name
        stat = path.stat()  # before it is read: a later change is noticed
        was = ANY if name not in REGISTRIES else kept.etag if kept is not None else None
        stored, md5 = self.bucket.put(name, path, was)
        self._notes.remember(name, Kept(stat.st_size, stat.st_mtime_ns, md5, stored.etag))
        self._notes.count(Traffic(sent=1, sent_bytes=stored.size))

    def _differs(self, name: str, kept: Kept | None) -> bool:
        path = self.root / name
        if kept is None:
            return True
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) == (kept.size, kept.mtime_ns):
            return False
        if stat.st_size != kept.size or md5_of(path) != kept.md5:
            return True
        self._notes.remember(name, kept._replace(mtime_ns=stat.st_mtime_ns))
        return False

    def withdraw(self, paths: Iterable[Path]) -> None:
        """Delete the objects of files and folders that are to be deleted here next.

        A machine that is killed in between has the files still, finds them as it did and goes on.
        If the files were deleted first, it would fetch them again, and take what is left of them
        for something else. Raises InputError.
        """
        names = self._remembered_below(paths)
        self._delete_for_all(names)
        with self._notes.opened() as notes:
            notes.executemany("UPDATE known SET etag = '' WHERE name = ?", [(n,) for n in names])

    def removed(self, paths: Iterable[Path]) -> None:
        """Delete the objects of files and folders that were deleted here. Raises InputError."""
        names = self._remembered_below(paths)
        gone = [name for name in names if not (self.root / name).exists()]
        self._delete_for_all(gone)
        self._notes.forget(gone)

    def deleted_elsewhere(self) -> list[str]:
        """Files of which another machine deleted the object on purpose; some may be in use here."""
        return sorted(name for name, kept in self.known().items() if _is_deleted(kept))

    def _remembered_below(self, paths: Iterable[Path]) -> list[str]:
        """The names that are remembered of files, and of all below folders."""
        below = tuple(self._name(path) for path in paths)
        return sorted(
            name
            for name in self.known()
            if any(name == one or name.startswith(f"{one}/") for one in below)
        )

    def _delete_for_all(self, names: Collection[str]) -> None:
        """Delete objects; other machines may have the files: a note of it travels to them."""
        known = self._notes.known(names)
        objects = {name: known[name].etag for name in names if known[name].etag}
        if objects:  # before they are deleted: there is no time at which another machine sends them
            note = self.root / DELETED / f"{secrets.token_hex(8)}.json"
            write_text(note, json.dumps({"objects": objects}) + "\n")
            self._put(self._name(note), None)
        self.bucket.delete(objects)

    def missing(self) -> list[str]:
        """Files of scratch that should be in the bucket and are not, or not as they are here."""
        known, used = self.known(), records_below(self.root, self._packed_folders())
        again = {name for name in used if _is_deleted(known.get(name))}
        names = (name for name in self._travelling() if name != PLACE)
        lost = [name for name in names if name in again or self._differs(name, known.get(name))]
        return [*lost, *self._packs.differing()]

    # --- what travels ---------------------------------------------------------------------------
    def _travelling(self) -> list[str]:
        """Every file that belongs into the bucket by itself, by name."""
        names, packed = [PLACE, DATABASES], self._packed_folders()
        for folder in FOLDERS:
            names += files_below(self.root, folder, packed)
        finished = self._finished()
        there = (name for name in names if (self.root / name).is_file())  # no link to nowhere
        return [name for name in there if self._travels(name, finished)]

    def _travels(self, name: str, finished: Collection[str] | None = None) -> bool:
        if not _is_kept(name) or is_pack(name):
            return False
        if not name.startswith(MODELS) or name.count("/") < 3:
            return True
        folder = name.rsplit("/", 1)[0]
        return folder in (self._finished() if finished is None else finished)

    def _finished(self) -> set[str]:
        """Folders of the checkpoints that each ``current.json`` names."""
        found: set[str] = set()
        for path in (self.root / MODELS).glob("*/current.json"):
            try:
                checkpoints = _paths_in(json.loads(path.read_text("utf-8")))
            except (OSError, ValueError):
                continue
            found.update(file.rsplit("/", 1)[0] for file in checkpoints if "/" in file)
        return found

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    # --- what is remembered ---------------------------------------------------------------------
    def _note(self, name: str, etag: str) -> None:
        path = self.root / name
        stat = path.stat()
        self._notes.remember(name, Kept(stat.st_size, stat.st_mtime_ns, md5_of(path), etag))

    @property
    def _packs(self) -> Packs:
        return Packs(self.root, self.bucket)

    @property
    def _notes(self) -> Notes:
        return Notes(self.root)

    def known(self) -> dict[str, Kept]:
        """What is remembered of all objects."""
        return self._notes.known()

    def traffic(self) -> Traffic:
        """What travelled since scratch is there, by all processes."""
        return self._notes.traffic()

    def _alone(self) -> BaseFileLock:
        return file_lock(self.root / LOCK)


def is_url(root: str) -> bool:
    """Whether a store is named by an address. Raises InputError for one of another kind."""
    if "://" in root and not root.startswith(SCHEME):
        Bucket.of(root)
    return root.startswith(SCHEME)


def is_of_one_clip(name: str) -> bool:
    """Whether an object is of single clips: a video or the pointer to it, or made of it."""
    first, *others = name.split("/")
    if first == "raw":
        return others[0] in ("clips", "buckets") and not name.endswith(".note")
    return is_pack(name) or part_of_clip(name) is not None


def _is_kept(name: str) -> bool:
    """Whether an object of this name belongs to a store; others in the bucket are left alone.

    Consoles and tools put empty objects such as ``tables/`` for folders: no file has such a name.
    """
    path = Path(name)
    if name in (PLACE, DATABASES):
        return True
    hidden = path.name.startswith(".") or path.suffix == ".lock" or is_part(path)
    names_a_file = not {"", ".", ".."} & set(name.split("/"))
    return (name.startswith(FOLDERS) or is_pack(name)) and not hidden and names_a_file


def _is_no_file(name: str, others: Collection[str]) -> bool:
    """Whether an object, which anybody may have put there, has a name that no file can have here.

    Also one whose folder has the name of another object.
    """
    parts = name.split("/")
    folders = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return (
        "\0" in name
        or VERSION in name
        or max(len(part.encode("utf-8", "surrogateescape")) for part in parts) > LONGEST_NAME
        or any(folder in others for folder in folders)
    )


def _is_deleted(kept: Kept | None) -> bool:
    """Whether another machine deleted the object on purpose."""
    return kept is not None and not kept.etag


def _paths_in(value: Any) -> Iterator[str]:
    """Every value of a key ``path``, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths_in(item)
