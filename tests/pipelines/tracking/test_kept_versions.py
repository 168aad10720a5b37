"""What is kept of tables and annotation files for the models that stand on them."""

import os

from command_line import dance
from registry_case import ASSET, Case

from dance_models.files import part_of
from dance_models.tables import file_digest
from pipelines.commands.clean import _dead_parts
from pipelines.tracking.kept_versions import (
    FOLDER,
    keep_versions,
    kept_annotations,
    kept_table,
    kept_versions,
    unused_versions,
)
from pipelines.tracking.lineage_record import make_record
from pipelines.tracking.tracker import RUN_NOTE


def test_what_a_training_stands_on_is_kept_when_its_run_was_deleted(case: Case) -> None:
    run_id, gone = case.train("first"), "0" * 32
    keep_versions(case.store, make_record(case.store))
    kept = kept_versions(case.store)
    assert kept
    (case.store.model(ASSET) / "first" / RUN_NOTE).write_text(gone)
    artifacts = case.store.mlflow / "artifacts"
    (artifacts / run_id).rename(artifacts / gone)
    assert kept_versions(case.store) == kept


def test_what_is_just_being_kept_is_no_unused_version(case: Case) -> None:
    """`dance promote` keeps versions without a lock that would stop `dance clean`."""
    folder = case.store.path / FOLDER / "train_split"
    folder.mkdir(parents=True)
    (folder / "unused.parquet").write_text("table")
    part = part_of(folder / "needed.parquet")
    part.write_text("half of it")
    assert unused_versions(case.store) == [folder / "unused.parquet"]
    assert _dead_parts(case.store) == []
    dead = part.rename(str(part).replace(f".{os.getpid()}-", f".{2**22 + 1}-"))
    assert _dead_parts(case.store) == [dead]


def test_a_version_that_was_damaged_with_its_table_is_kept_anew(case: Case) -> None:
    """The kept file is the table itself until that is replaced: both are damaged by one write."""
    store = case.store
    record = make_record(store)
    keep_versions(store, record)
    table = store.table("pose_dataset")
    content, kept = table.read_bytes(), kept_table(store, "pose_dataset", file_digest(table))
    with table.open("r+b") as file:
        file.write(b"x")
    table.unlink()
    table.write_bytes(content)  # as it is made again
    code, output = dance(store.path, "verify")
    assert code == 1
    assert f"{store.relative(kept)} is damaged; kept for a model" in output
    keep_versions(store, record)
    assert kept.read_bytes() == content
    assert "versions/" not in dance(store.path, "verify")[1]


def test_any_name_of_an_annotation_file_can_be_kept(case: Case) -> None:
    """What follows the last dot of a name is its suffix, and may be most of it."""
    store = case.store
    labels = store.raw_annotations / "labels.json"
    long = labels.rename(labels.with_name(f"of.{'x' * 240}"))
    record = make_record(store)
    (digest,) = record["annotations"].values()
    record = {**record, "annotations": {str(long): digest}}
    keep_versions(store, record)
    assert kept_annotations(store, long, digest).read_bytes() == long.read_bytes()
    assert kept_annotations(store, labels, digest).name == f"{digest}.json"
