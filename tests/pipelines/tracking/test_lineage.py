"""The lineage of a version, back to its files, and which of them have changed."""

import hashlib
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from bucket import folder_and_bucket
from postgres import both
from registry_case import ASSET, Case, gate
from typer.testing import CliRunner

from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.tables import file_digest, write_table
from pipelines.cli import make_app
from pipelines.commands.clean import Garbage, delete
from pipelines.graph import stages_of
from pipelines.tracking.kept_versions import (
    keep_versions,
    kept_versions,
    unused_versions,
    versions_of,
)
from pipelines.tracking.lineage import compare, trace
from pipelines.tracking.lineage_drawing import mermaid, write_drawing
from pipelines.tracking.lineage_record import CLIP_TABLES, TABLES, make_record, read_record
from pipelines.tracking.promotion_gate import run_gate

CHAMPION = "dance-prediction@champion"


def lineage(case: Case, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        make_app(), ["lineage", *arguments, "--store", str(case.store.path)]
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@both
def test_lineage_leads_from_the_alias_to_the_files_and_reports_changes(
    case: Case, tmp_path: Path
) -> None:
    run_id = case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    drawing = tmp_path / "lineage.md"
    code, output = lineage(case, CHAMPION, "--check", "--out", str(drawing))
    assert code == 0, output
    for part in (
        "dance-prediction version 1 (champion)",
        f"MLflow run {run_id}",
        "git commit c0ffee",
        f"Dagster run d1 of asset {ASSET}",
        f"table split_manifest sha256 {case.store.digest('split_manifest')[:12]}",
        "train: 3 clips",
        "clip clip_06 (ballet, take clip_06)",
        "annotations labels.json",
        # model, checkpoint, 6 tables, 7 clips, 28 tables of clips, 1 annotation file
        "44 files checked, 0 differ.",
    ):
        assert part in output, part
    assert drawing.read_text().startswith("# dance-prediction version 1 (champion)\n\n```mermaid\n")

    (case.store.raw_clips / "clip_02.mp4").write_text("another film")
    (case.store.raw_clips / "clip_03.mp4").unlink()
    code, output = lineage(case, CHAMPION, "--check")
    assert code == 1
    assert "44 files checked, 2 differ." in output
    assert "differs: clip clip_02 (ballet, take clip_02): " in output
    assert "clip_03.mp4 is missing" in output
    assert lineage(case, CHAMPION)[0] == 0  # without --check nothing is compared


@folder_and_bucket
def test_what_the_store_made_again_is_superseded_and_kept(case: Case) -> None:
    """A new data set and edited annotations: the champion's are kept, and nothing is red."""
    case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    kept = case.store.table("pose_dataset").read_bytes()
    labels = case.store.raw_annotations / "labels.json"
    case.write_data(seed=5)
    labels.write_text('{"more": 1}')  # edited in place
    changed = pl.DataFrame({"clip": ["clip_00"], "more": [1]})
    write_table(changed, case.store.table("pose_tracks", "clip_00"), {})
    code, output = lineage(case, CHAMPION, "--check")
    assert code == 0, output
    # pose_dataset, train, val and test split, the tracks of a clip, the annotations; the others are
    # the same again
    assert "44 files checked, 0 differ; 6 are superseded: the store has newer ones" in output
    digest = hashlib.sha256(kept).hexdigest()
    assert (case.store.path / f"versions/pose_dataset/{digest}.parquet").read_bytes() == kept
    labels.unlink()
    assert lineage(case, CHAMPION, "--check")[0] == 0


@folder_and_bucket
def test_promoting_by_hand_keeps_what_an_earlier_version_did_not(case: Case) -> None:
    case.train("first", profile="smoke")
    run_gate(case.store, "prediction", "stga_net", gate())
    kept = kept_versions(case.store)
    shutil.rmtree(case.store.path / "versions")
    arguments = ["promote", "prediction", "--force", "--reason", "x", "--store"]
    CliRunner().invoke(make_app(), [*arguments, str(case.store.path)], catch_exceptions=False)
    assert kept and all(path.is_file() for path in kept)


def test_what_neither_the_store_nor_its_kept_version_has_is_red(case: Case) -> None:
    run_id = case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    record = read_record(case.tracker, run_id)
    kept = {version.file.name: version.kept for version in versions_of(case.store, record)}
    dataset = case.store.table("pose_dataset")
    dataset.write_bytes(dataset.read_bytes() + b"x")  # in place: the kept version is the same file
    case.store.table("test_split").unlink()
    kept["test_split.parquet"].unlink()
    (case.store.raw_annotations / "labels.json").unlink()
    kept["labels.json"].write_text("[]")
    found = compare(trace(case.store, CHAMPION))
    assert [line.split(": ")[0] for line in found.differs] == [
        "table pose_dataset", "table test_split", "annotations labels.json",
    ]  # fmt: skip
    assert f"has changed (sha256 {file_digest(dataset)[:12]}" in found.differs[0]
    assert "so has its kept version" in found.differs[0]
    assert found.differs[1].endswith("test_split.parquet is missing")
    assert "labels.json is missing, and so has its kept version" in found.differs[2]
    assert lineage(case, CHAMPION, "--check")[0] == 1


@folder_and_bucket
def test_clean_keeps_the_versions_of_registered_models_and_of_trainings(case: Case) -> None:
    case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    champions = kept_versions(case.store)
    assert champions and all(path.is_file() for path in champions)
    case.write_data(seed=5)
    shutil.rmtree(case.store.model(ASSET))  # its registered version still stands on the tables
    keep_versions(case.store, make_record(case.store))  # as for a training that is gone since
    assert kept_versions(case.store) == champions
    unused = unused_versions(case.store)
    assert len(unused) == 4  # the new data set and splits
    assert not champions & set(unused)
    remote = case.store.remote
    if remote is not None:
        remote.publish()
    delete(case.store, Garbage(versions=unused))
    if remote is not None:
        versions = {name for name in remote.bucket.listed() if name.startswith("versions/")}
        assert versions == {case.store.relative(path) for path in champions}
    assert unused_versions(case.store) == []
    assert all(path.is_file() for path in champions)


def test_a_table_that_changes_while_it_is_kept_is_not_kept_under_a_wrong_name(case: Case) -> None:
    record = make_record(case.store)
    case.write_data(seed=5)
    keep_versions(case.store, record)
    for version in versions_of(case.store, record):
        assert not version.kept.is_file() or file_digest(version.kept) == version.digest


def test_versions_are_copied_where_there_are_no_hard_links(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    record = make_record(case.store)
    keep_versions(case.store, record)
    kept = list(versions_of(case.store, record))
    assert all(file_digest(version.kept) == version.digest for version in kept)
    assert {version.kept.stat().st_nlink for version in kept} == {1}


def test_a_tampered_model_is_reported(case: Case) -> None:
    run_id = case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    assert compare(trace(case.store, "dance-prediction/1")).differs == ()
    checkpoint = case.tracker.artifact(run_id, "checkpoints/best.pt")
    checkpoint.write_bytes(checkpoint.read_bytes() + b"x")
    (served,) = case.store.mlflow.rglob("models/*/artifacts")
    (served / "more").write_text("x")
    found = compare(trace(case.store, "dance-prediction/1")).differs
    assert [line.split(":")[0] for line in found] == ["served model (pt2)", "checkpoint best.pt"]


def test_an_old_record_survives_a_new_data_set(case: Case) -> None:
    """The tables were replaced: the run still names those that it was trained on."""
    run_id = case.train("first")
    before = case.store.digest("train_split")
    case.write_data(seed=5)
    root = trace(case.store, run_id)
    assert any(node.digest == before for node in root.walk())
    assert any("table train_split" in line for line in compare(root).differs)


def test_a_run_without_a_record_uses_the_stores_if_the_splits_match(case: Case) -> None:
    run_id = case.train("first")
    record = case.tracker.artifact(run_id, "lineage.json")
    kept = json.loads(record.read_text())
    record.unlink()
    titles = {node.title for node in trace(case.store, run_id).walk()}
    assert {f"table {name}" for name in kept["tables"]} <= titles
    case.write_data(seed=5)
    with pytest.raises(InputError, match="has no record"):
        trace(case.store, run_id)


@pytest.mark.parametrize("text", ["", '{"tables": {', "[]", "{}", '{"tables": [], "clips": {}}'])
def test_a_damaged_record_is_named_with_what_helps(case: Case, text: str) -> None:
    """Nothing makes it again: `dance run`, which makes other damaged files, does not."""
    run_id = case.train("first")
    run_gate(case.store, "prediction", "stga_net", gate())
    record = case.tracker.artifact(run_id, "lineage.json")
    record.write_text(text)
    code, output = lineage(case, CHAMPION)
    assert code == 2
    assert str(record) in output.replace(" ", "")
    assert "Restore this file from a backup" in output
    case.train("second", noise=1e-4)
    for needs in (
        lambda: run_gate(case.store, "prediction", "stga_net", gate()),
        lambda: kept_versions(case.store),
    ):
        with pytest.raises(InputError, match="from a backup") as told:
            needs()
        assert told.value.file == str(record)


def test_the_lineage_can_be_drawn(case: Case, tmp_path: Path) -> None:
    case.train("first")
    root = trace(case.store, ASSET)
    lines = mermaid(root).splitlines()
    drawn = sum(node.drawn for node in root.walk())
    assert lines[0] == "flowchart RL"
    assert sum("-->" in line for line in lines) == drawn - 1
    write_drawing(root, tmp_path / "l.svg")
    assert (tmp_path / "l.svg").read_text().startswith("<svg")
    with pytest.raises(InputError, match=r"as \.png"):
        write_drawing(root, tmp_path / "l.png")


def test_an_unknown_model_is_a_one_line_error(case: Case) -> None:
    for name in ("dance-prediction@champion", "unknown/3", "0123456789abcdef0123456789abcdef"):
        code, output = lineage(case, name)
        assert code == 2
        assert "there is no tracked model" in output


def test_the_record_names_the_tables_of_the_graph() -> None:
    """Every table of a clip, and every table that all trainings are made from."""
    stages = {stage.name: stage for stage in stages_of(PROFILES["study"])}
    assert set(CLIP_TABLES) == {stage.name for stage in stages.values() if stage.partitioned}
    network = stages["mkff_st_gcn"]
    read = {stage.name for stage in network.upstream() if not stage.partitioned}
    assert set(TABLES) == read
