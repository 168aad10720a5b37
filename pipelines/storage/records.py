"""What manifests say of files (``pipelines/storage/manifests.py``), below any folder."""

import json
from collections.abc import Mapping
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


def records_below(root: Path) -> dict[str, Record]:
    """What all manifests of a store, or of a part of one, say."""
    found: dict[str, Record] = {}
    for path in (root / MANIFESTS).rglob("*.json"):
        found |= records_of(path)
    return found


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
