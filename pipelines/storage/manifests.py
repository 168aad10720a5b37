"""Which files a stage wrote, and whether they are still what they were.

``manifests/<asset>[/<clip>].json`` has the size, the time and the sha256 of every file. A file of
the same size and time is taken for the same; the sha256 decides when the time is another one, as
after copying a store, and the new time is noted. The materialization holds a digest of the
manifest, over paths and contents without the times. The manifest holds the digest of the inputs,
too: in a store with shards (``pipelines/storage/shards.py``) it is what says that a clip is made.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from dance_models.tables import file_digest, write_text
from pipelines.storage.store import Store

FRAMES: Final = "frames/"
OTHER: Final = "is not that of the last materialization"  # what is wrong with a manifest


class FileRecord(NamedTuple):
    """One file as it was written."""

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path, sha256: str | None = None) -> "FileRecord":
        """The file as it is. Raises OSError when it cannot be read."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, sha256 or file_digest(path))


@dataclass(frozen=True)
class Damage:
    """A file that is not what a stage wrote."""

    path: str  # in the store
    what: str  # "is missing" or "is damaged (...)"

    def line(self, of: str) -> str:
        """The file, whose it is, and what is wrong with it."""
        return f"{self.path} of {of} {self.what}"


Manifest = Mapping[str, FileRecord]  # by path in the store


def manifest_digest(manifest: Manifest) -> str:
    """sha256 over paths and contents."""
    contents = {path: record.sha256 for path, record in sorted(manifest.items())}
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def manifest_of(store: Store, paths: Iterable[Path]) -> dict[str, FileRecord]:
    """The files as they are now; one that is missing has no sha256."""
    missing = FileRecord(0, 0, "")
    return {
        store.relative(path): FileRecord.of(path) if path.is_file() else missing for path in paths
    }


def write_manifest(
    store: Store, asset: str, clip: str | None, manifest: Manifest, inputs: str = ""
) -> None:
    """Write the manifest of an asset, or of one clip of it, made of inputs with that digest."""
    plain = {path: list(record) for path, record in sorted(manifest.items())}
    text = json.dumps({"inputs": inputs, "files": plain}, indent=0)
    write_text(store.manifest(asset, clip), text + "\n")


def read_manifest(store: Store, asset: str, clip: str | None) -> dict[str, FileRecord] | None:
    """The manifest as it was written; None when there is none or it is damaged."""
    return read_with_inputs(store, asset, clip)[0]


def read_with_inputs(
    store: Store, asset: str, clip: str | None
) -> tuple[dict[str, FileRecord] | None, str]:
    """The manifest and the digest of its inputs, "" of one that is missing, damaged or older."""
    try:
        plain: dict[str, Any] = json.loads(store.manifest(asset, clip).read_text("utf-8"))
        files = {path: FileRecord(*record) for path, record in plain["files"].items()}
        return files, str(plain.get("inputs", ""))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None, ""


def damages(store: Store, manifest: Manifest, always: Collection[str] = ()) -> list[Damage]:
    """The files that are not what the manifest says.

    The content of the files in ``always`` counts whatever their time is.
    """
    root = str(store.path)
    found = (
        (path, _damage(store, f"{root}/{path}", record, path in always))
        for path, record in manifest.items()
    )
    return [Damage(path, what) for path, what in found if what is not None]


def without_distant(store: Store, manifest: Manifest) -> Manifest:
    """The manifest without frames that another machine made and that are not needed here.

    They do not travel through the bucket of a store; in a store that is a folder all count.
    """
    if store.remote is None:
        return manifest
    return {
        path: record
        for path, record in manifest.items()
        if not path.startswith(FRAMES) or (store.path / path).exists()
    }


def refresh(
    store: Store,
    asset: str,
    clip: str | None,
    manifest: Manifest,
    inputs: str,
    *,
    lost: bool = False,
) -> None:
    """Note the times of files whose content is the same, so that it is not hashed again.

    With ``lost`` the manifest is written in any case. A store that cannot be written to stays as
    it is.
    """
    root, fresh = str(store.path), dict(manifest)
    for path, record in manifest.items():
        with suppress(OSError):
            mtime_ns = _stat(f"{root}/{path}").st_mtime_ns
            if mtime_ns != record.mtime_ns:
                fresh[path] = record._replace(mtime_ns=mtime_ns)
    if lost or fresh != manifest:
        with suppress(OSError):
            write_manifest(store, asset, clip, fresh, inputs)


def _stat(file: str) -> os.stat_result:
    """Of a path as text: for each image of each clip, a Path takes longer than the look at it."""
    return os.stat(file)  # noqa: PTH116


def _damage(store: Store, file: str, record: FileRecord, always: bool) -> str | None:
    """What is wrong with a file."""
    try:
        stat = _stat(file)
        if stat.st_size != record.size:
            return f"is damaged ({stat.st_size} bytes instead of {record.size})"
        if stat.st_mtime_ns == record.mtime_ns and not always:
            return None
        sha256 = store.sha256(Path(file))
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if sha256 == record.sha256:
        return None
    return f"is damaged (sha256 {sha256[:12]} instead of {record.sha256[:12]})"
