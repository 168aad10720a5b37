"""HDF5 files that declare more than they hold."""

import io
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest

from dance_models.arrays import check_hdf
from dance_models.errors import InputError

NAMES = ["nose", "neck", "left_knee"]


def _names(path: Path, **layout: object) -> bytes:
    """A file with texts of any length; where their lengths lie in it is found by the first one."""
    with h5py.File(path, "w") as file:
        file.create_dataset("node_names", data=NAMES, dtype=h5py.string_dtype(), **layout)
    return path.read_bytes()


@pytest.mark.parametrize("layout", [{}, {"chunks": (2,)}], ids=["contiguous", "chunked"])
@pytest.mark.parametrize("in_memory", [False, True])
def test_a_text_that_declares_a_gigabyte_is_refused_before_it_is_read(
    tmp_path: Path, layout: dict[str, object], in_memory: bool
) -> None:
    """HDF5 takes the memory that a length asks for before it looks at the text."""
    path = tmp_path / "a.h5"
    data = _names(path, **layout)
    with h5py.File(path) as file:
        check_hdf(file, path)
        node = file["node_names"].id
        place = node.get_offset() or node.get_chunk_info(0).byte_offset
    changed = data[:place] + np.uint32(900_000_000).tobytes() + data[place + 4 :]
    path.write_bytes(changed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        h5py.File(io.BytesIO(changed) if in_memory else path) as file,
        pytest.raises(InputError, match=r"'node_names' declares 900 MB and holds"),
    ):
        check_hdf(file, path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "in kB"


def test_compressed_texts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    _names(path, chunks=(2,), compression="gzip")
    with h5py.File(path) as file:
        check_hdf(file, path)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_heap_that_leads_nowhere_is_refused(tmp_path: Path, in_memory: bool) -> None:
    """HDF5 would look for the next text for ever, where no signal interrupts it."""
    path = tmp_path / "a.h5"
    data = bytearray(_names(path))
    size = data.index(b"GCOL") + 16 + 8  # of the first text
    data[size] = 200  # what follows is zeros, not a text
    path.write_bytes(data)
    with (
        h5py.File(io.BytesIO(data) if in_memory else path) as file,
        pytest.raises(InputError, match="a heap of texts"),
    ):
        check_hdf(file, path)
