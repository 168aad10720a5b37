"""What manifests say of files (``pipelines/storage/manifests.py``), below any folder."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from dance_models.tables import file_digest

MANIFESTS: Final = "manifests/"
Record = list[Any]  # size, time and sha256


def records_of(manifest: Path) -> dict[str, Record]:
    """What a manifest says of each file, by name; nothing when it is missing or damaged."""
    try:
        plain = json.loads(manifest.read_text("utf-8"))["files"]
        return {str(name): [*record] for name, record in plain.items() if len(record) == 3}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def manifests_below(root: Path, without: Collection[str] = ()) -> list[Path]:
    """The manifests of a store, or of a part of one, but of those in folders ``without``."""
    names = files_below(root, MANIFESTS, without)
    return [root / name for name in names if name.endswith(".json")]


def records_below(root: Path, without: Collection[str] = ()) -> dict[str, Record]:
    """What these manifests say."""
    found: dict[str, Record] = {}
    for path in manifests_below(root, without):
        found |= records_of(path)
    return found


def files_below(root: Path, folder: str, without: Collection[str] = ()) -> list[str]:
    """The files in a folder of a store and below it, by name in the store, sorted.

    Folders ``without`` are passed over, not listed: they may hold hundreds of thousands of files.
    """
    found = []
    for path, folders, files in os.walk(root / folder):
        at = Path(path).relative_to(root).as_posix()
        folders[:] = [one for one in folders if f"{at}/{one}" not in without]
        found += [f"{at}/{one}" for one in files]
    return sorted(found)


def is_recorded(root: Path, name: str, record: Record) -> bool:
    """Whether a file is what its manifest says. Frames need not be there: they do not travel."""
    path = root / name
    try:
        stat = path.stat()
        if [stat.st_size, stat.st_mtime_ns] == record[:2]:
            return True
        # Written again with the same content, as the report on annotations is.
        return bool(stat.st_size == record[0] and file_digest(path) == record[2])
    except OSError:
        return name.startswith("frames/")


def unrecorded(root: Path, records: Mapping[str, Record]) -> set[str]:
    """The files that are not what their manifest says: they are being made, or are damaged."""
    return {name for name, record in records.items() if not is_recorded(root, name, record)}
