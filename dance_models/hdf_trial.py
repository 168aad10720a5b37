"""Reading an HDF5 file that others wrote in a process of its own first.

The HDF5 library trusts a file: changed bytes make it take any amount of memory, go round for ever
where no signal interrupts it, or end the process. The trial reads everything that we may read, with
bounds on time and memory, so that none of this happens to the caller.
"""

import io
import resource
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from dance_models.arrays import check_hdf, is_picture
from dance_models.errors import InputError
from dance_models.text import brief

SECONDS: Final = 15  # of CPU time
MEMORY: Final = 2_000_000_000  # bytes of address space beyond what the process begins with
_READ, _UNREADABLE = 0, 3  # exit codes


def try_hdf(path: str | Path, data: bytes | None = None, seconds: int = SECONDS) -> None:
    """Read all of a file, or of ``data``, elsewhere. Raises InputError when that ends badly.

    Raises also what :func:`~dance_models.arrays.check_hdf` finds. A file on disk is tried once.
    """
    if data is not None:
        why = _tried([], data, seconds)
    else:
        try:
            stat = Path(path).stat()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", file=path) from error
        why = _tried_file(str(path), (stat.st_ino, stat.st_mtime_ns, stat.st_size), seconds)
    if why is not None:
        raise InputError(why, file=path, hint="Export it again")


@lru_cache(maxsize=256)
def _tried_file(path: str, written: tuple[int, int, int], seconds: int) -> str | None:
    return _tried([path], b"", seconds)


def _tried(named: list[str], data: bytes, seconds: int) -> str | None:
    """What is wrong with a file; None when it can be read."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(seconds), *named],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=20 * seconds,  # the clock's, where the disk does not answer
        )
    except subprocess.TimeoutExpired:
        return "reading it takes too long"
    return what_is_wrong(done.returncode, done.stdout)


def what_is_wrong(code: int, said: bytes) -> str | None:
    """What the exit code and the output of :func:`main` say of a file; None: it can be read."""
    if code == _READ:
        return None
    if code == _UNREADABLE:
        return said.decode("utf-8", "replace")
    return "is a damaged HDF5 file (reading it ends the process that does, or takes too long)"


def _read_all(file: Any) -> None:
    """Every attribute and data set; not SLEAP's pictures, nor links, whose data lie elsewhere."""
    import h5py

    def read(name: str, found: Any) -> None:
        for key in found.attrs:
            _unless_unknown(found.attrs.__getitem__, key)
        if isinstance(found, h5py.Dataset) and not is_picture(name):
            _unless_unknown(found.__getitem__, ())

    read("", file["/"])
    file.visititems(read)


def _unless_unknown(read: Any, key: Any) -> None:
    """Read something whose type NumPy may have no equal of: it is not read later either."""
    with suppress(TypeError, NotImplementedError):
        read(key)


def _bounded(seconds: int) -> None:
    """Limit this process; its memory where the system says how much it has mapped."""
    if (statm := Path("/proc/self/statm")).is_file():
        mapped = int(statm.read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """In the process of its own: read the file that is named, or else what comes in."""
    import h5py

    seconds, *named = sys.argv[1:]
    source = named[0] if named else io.BytesIO(sys.stdin.buffer.read())
    _bounded(int(seconds))
    try:
        with h5py.File(source, "r") as file:
            check_hdf(file, "")
            _read_all(file)
    except InputError as error:
        sys.stdout.write(error.message)
        return _UNREADABLE
    except Exception as error:
        sys.stdout.write(f"is a damaged HDF5 file ({brief(error)})")
        return _UNREADABLE
    return _READ


if __name__ == "__main__":
    sys.exit(main())
