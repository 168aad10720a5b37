"""What the header of an SQLite database says of the file, before a tool fails on it."""

from pathlib import Path
from typing import Final

from dance_models.files import open_file

_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100  # bytes, https://www.sqlite.org/fileformat.html


def header_fault(path: Path) -> str | None:
    """What is wrong with a database by its header and its length; None where nothing is seen.

    SQLite itself opens one that was cut off, and fails when it comes to a page that is missing.
    """
    try:
        with open_file(path) as file:
            head = file.read(_HEADER)
            size = path.stat().st_size
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if _has_log(path):
        return None  # SQLite repairs it from its log, and the header may be older than that
    if not head:
        return "is empty"
    if len(head) < _HEADER or not head.startswith(_MAGIC):
        return "is damaged: it is no SQLite database"
    page = int.from_bytes(head[16:18], "big")
    page = 65536 if page == 1 else page
    # The number of pages counts where it was written with the last change.
    pages = int.from_bytes(head[28:32], "big") if head[24:28] == head[92:96] else 0
    if size < page * pages:
        return f"was cut off: {size} of {page * pages} bytes are there"
    return None


def _has_log(path: Path) -> bool:
    """Whether a write-ahead log or a journal with content lies beside a database."""
    beside = (path.with_name(path.name + end) for end in ("-wal", "-journal"))
    return any(file.exists() and file.stat().st_size for file in beside)
