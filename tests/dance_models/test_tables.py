import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import (
    FRAMES,
    KEYPOINTS,
    TRACKS,
    conform,
    file_digest,
    read_columns,
    read_metadata,
    read_table,
    table_height,
    write_table,
)


def _frame() -> pl.DataFrame:
    poses = np.arange(2 * 14 * 2, dtype=np.float32).reshape(2, 14, 2)
    return pl.DataFrame({"clip": ["a", "b"], "keypoints": pl.Series(poses, dtype=KEYPOINTS)})


def test_rewriting_gives_the_same_bytes_and_the_files_digest(tmp_path: Path) -> None:
    first = write_table(_frame(), tmp_path / "x" / "a.parquet")
    second = write_table(_frame(), tmp_path / "b.parquet")
    assert first == second == file_digest(tmp_path / "b.parquet")
    np.testing.assert_array_equal(
        read_table(tmp_path / "b.parquet")["keypoints"].to_numpy()[1, 0], [28, 29]
    )


def test_a_column_that_an_older_table_lacks_reads_as_null() -> None:
    old = pl.DataFrame(schema={k: v for k, v in TRACKS.items() if k != "evidence"})
    row = dict.fromkeys(old.columns) | {"clip": "a"}
    table = conform(pl.concat([old, pl.DataFrame([row], schema=old.schema)]), TRACKS)
    assert dict(table.schema) == dict(TRACKS)
    assert table["evidence"].to_list() == [None]
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        conform(old.drop("score"), TRACKS)


def test_tables_carry_joints_and_skeleton(tmp_path: Path) -> None:
    write_table(_frame(), tmp_path / "a.parquet")
    metadata = pl.read_parquet_metadata(tmp_path / "a.parquet")
    assert metadata["skeleton"] == "dance14-v1"
    assert metadata["joints"].startswith('["head_top", "neck", "left_shoulder"')


def test_a_failed_write_leaves_the_old_table_and_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    version = write_table(_frame(), path)

    def half_written(self: pl.DataFrame, target: Path, **_: object) -> None:
        Path(target).write_bytes(b"PAR1 half")
        raise OSError("disk full")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", half_written)
    with pytest.raises(OSError, match="disk full"):
        write_table(_frame().head(1), path)
    assert file_digest(path) == version
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_a_table_that_makes_polars_panic_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some changed bytes do; a panic is no Exception, and would end the process."""

    write_table(_frame(), tmp_path / "a.parquet")

    def panics(*_: object, **__: object) -> pl.DataFrame:
        raise pl.exceptions.PanicException("assertion failed: offset + length <= self.length")

    monkeypatch.setattr(pl, "read_parquet", panics)
    with pytest.raises(DamagedFileError, match=r"a\.parquet: the table cannot be read.*assertion"):
        read_table(tmp_path / "a.parquet")


def test_no_changed_header_of_a_page_ends_the_process(tmp_path: Path) -> None:
    """An odd number of values in a header is negative: polars would abort, and name no file."""
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    write_table(pl.DataFrame({"clip": ["waltz_01"], "missing": [None]}), path)
    good = path.read_bytes()
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(0).column(0)
        starts = {column.data_page_offset, column.dictionary_page_offset} - {None}
    damaged = 0
    for at in (start + offset for start in starts for offset in range(12)):
        for value in (0x0F, 0x39, 0xFF):
            path.write_bytes(good[:at] + bytes([value]) + good[at + 1 :])
            for read in (read_table, lambda path: read_columns(path, ["clip"])):
                try:
                    read(path)
                except DamagedFileError:
                    damaged += 1
    assert damaged > 40


def test_a_name_of_a_column_that_is_not_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(pl.DataFrame({"column": [1]}), path)
    path.write_bytes(path.read_bytes().replace(b"column", b"\xffolumn"))
    reads: tuple[Callable[[Path], object], ...] = (
        read_table, read_metadata, lambda path: read_columns(path, ["column"]),
    )  # fmt: skip
    for read in reads:
        with pytest.raises(DamagedFileError, match=r"t\.parquet"):
            read(path)
    with suppress(DamagedFileError):  # the number of rows may be read without the names
        assert table_height(path) == 1


def test_columns_of_a_table_are_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    frame = pl.DataFrame(
        {
            "clip": ["a", "b"],
            "points": [[[1.0, 2.0]], None],
            "empty": [[], []],
            "times": [[0.0, 0.5], None],
        },
        schema={
            "clip": pl.String,
            "points": pl.Array(pl.Float32, (1, 2)),
            "empty": pl.List(pl.Null),
            "times": pl.List(pl.Float64),
        },
    )
    write_table(frame, path)
    assert read_table(path).equals(frame)
    assert read_table(path, columns=["points"]).equals(frame.select("points"))
    found = read_columns(path, ["empty", "clip", "times"])
    assert found["clip"] == ["a", "b"]
    assert [len(one) for one in found["empty"]] == [0, 0]
    assert found["times"][0].tolist() == [0.0, 0.5]
    assert found["times"][1] is None
    for read in (read_table, read_columns):
        with pytest.raises(DamagedFileError):
            read(path, columns=["other"])


def test_reading_columns_does_not_import_pandas(tmp_path: Path) -> None:
    """Every command that finds nothing to do reads them; pandas takes a second to import."""
    path = tmp_path / "table.parquet"
    write_table(pl.DataFrame({"times": [[0.0, 0.5], None]}), path)
    code = (
        "import pathlib, sys\n"
        "from dance_models.tables import read_columns\n"
        "read_columns(pathlib.Path(sys.argv[1]), ['times'])\n"
        "assert 'pandas.core' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_conform_refuses_a_missing_column() -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        conform(pl.DataFrame({"clip": ["a"]}), FRAMES)


def test_errors_name_file_frame_joint_and_remedy() -> None:
    error = InputError(
        "not a number", file="a.json", frame=3, joint="neck", hint="Correct it and run again"
    )
    assert str(error) == "a.json: frame 3: joint neck: not a number. Correct it and run again"


@pytest.mark.parametrize("name", ["run[1]", "run*", "run?", "{run1,run2}", "a[b]*{c}"])
def test_a_table_is_read_from_its_own_folder_whatever_signs_are_in_its_name(
    name: str, tmp_path: Path
) -> None:
    """Polars takes them for patterns, which other folders may match."""
    for folder in ("run1", "run2", name):
        write_table(pl.DataFrame({"folder": [folder]}), tmp_path / folder / "a.parquet")
    assert read_table(tmp_path / name / "a.parquet")["folder"].to_list() == [name]
