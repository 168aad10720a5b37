"""What is kept of tables and annotation files for the models that stand on them."""

from registry_case import ASSET, Case

from pipelines.tracking.kept_versions import keep_versions, kept_versions
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
