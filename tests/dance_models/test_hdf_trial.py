"""HDF5 files whose changed bytes harm whoever reads them."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest

from dance_models import hdf_trial
from dance_models.annotations.content import AnnotationError, load_content, read_content
from dance_models.errors import InputError
from dance_models.estimators.pose_forms.sleap import kind_of_hdf5
from dance_models.hdf_trial import try_hdf

NAMES = ["nose", "neck", "left_knee"]


def _names(name: str = "node_names") -> bytearray:
    """A file with texts of any length."""
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        file.create_dataset(name, data=NAMES, dtype=h5py.string_dtype())
        file.create_dataset("tracks", data=np.zeros((1, 2, 3, 4)))
    return bytearray(data.getvalue())


def _asks_for_gigabytes() -> bytes:
    """HDF5 takes the memory that the length of a text asks for before it looks at the text."""
    data = _names()
    with h5py.File(io.BytesIO(data)) as file:
        place = file["node_names"].id.get_offset()
    data[place : place + 4] = np.uint32(4_000_000_000).tobytes()
    return bytes(data)


def _goes_round() -> bytes:
    """HDF5 looks for the next text for ever, where no signal interrupts it."""
    data = _names("videos_json")  # as SLEAP names one of its texts; its pictures are not read
    data[data.index(b"GCOL") + 16 + 8] = 200  # the size of the first text; what follows is zeros
    return bytes(data)


def test_a_file_that_can_be_read_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(_names())
    try_hdf(path)
    try_hdf("in memory", bytes(_names()))
    assert kind_of_hdf5(path) == "sleap-h5"
    assert read_content(path).kind == "hdf"


def test_a_file_that_asks_for_gigabytes_is_refused_by_all_readers(tmp_path: Path) -> None:
    path, data = tmp_path / "a.h5", _asks_for_gigabytes()
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.h5: is a damaged HDF5 file"):
        kind_of_hdf5(path)
    with pytest.raises(AnnotationError, match=r"a\.h5: is a damaged HDF5 file"):
        read_content(path)
    with pytest.raises(AnnotationError, match="archived: is a damaged HDF5 file"):
        load_content(data, "archived")


def test_a_file_that_is_read_for_ever_is_refused() -> None:
    with pytest.raises(InputError, match="takes too long"):
        try_hdf("a.h5", _goes_round(), seconds=1)


def test_a_process_that_ends_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "aborts"
    script.write_text("#!/bin/sh\nkill -ABRT $$\n")
    script.chmod(0o700)
    monkeypatch.setattr(hdf_trial.sys, "executable", str(script))
    with pytest.raises(InputError, match="ends the process"):
        try_hdf("in memory", b"")
