"""What is kept of tables and annotation files for the models that stand on them."""

import os

from registry_case import ASSET, Case

from dance_models.files import part_of
from pipelines.commands.clean import _dead_parts
from pipelines.tracking.kept_versions import FOLDER, keep_versions, kept_versions, unused_versions
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
