"""A full disk is said at once, with the path and what is needed.

SQLite calls it "disk I/O error", and Dagster tries again for minutes. So no stage begins without
room to end cleanly, and an error on a disk without room is reported as what it is.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dance_models.errors import InputError
from dance_models.files import FULL

# Room for the databases, the log and two checkpoints of the largest network; what a stage itself
# writes comes on top, and a stage that runs out of room for it is made again.
RESERVE_MB: Final = 64
AGAIN: Final = "then give the same command again: it continues from there"  # ends a hint
HINT: Final = (
    "Free space on that disk (dance clean lists what nothing uses any more), or move the store; "
    f"{AGAIN}"
)


def free_mb(path: Path) -> float:
    """Free megabytes on the disk of a path that may not exist yet."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free / 1e6


def require_space(path: Path, megabytes: float = RESERVE_MB) -> None:
    """Raises InputError when fewer megabytes are free on the disk of ``path``."""
    free = free_mb(path)
    if free < megabytes:
        raise InputError(
            f"the disk is full: {free:.0f} MB are free, {megabytes:.0f} MB are needed",
            file=path,
            hint=HINT,
        )


@contextmanager
def full_disk_reported(
    path: Path, megabytes: float = RESERVE_MB, hint: str = HINT
) -> Iterator[None]:
    """Errors that come from a full disk leave as InputError with ``path``; others as they are.

    ``megabytes`` and ``hint``: how much has to be free, and what to do.
    """
    try:
        yield
    except Exception as error:
        if _is_full(error) or free_mb(path) < 1:
            raise InputError(
                f"the disk is full: {free_mb(path):.0f} MB are free, {megabytes:.0f} MB are needed",
                file=path,
                hint=hint,
            ) from error
        raise


def _is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that there is no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if "database or disk is full" in str(error):  # SQLite's, in several classes
            return True
        error = error.__cause__ or error.__context__
    return False
