import json
import os
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from dance_models.errors import InputError
from dance_models.tables import file_digest, write_table
from pipelines.cli import make_app
from pipelines.recovery import close_lost_tasks
from pipelines.storage.place import remembered
from pipelines.storage.store import Store, open_instance


def test_tables_are_stored_at_the_documented_paths(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    assert store.table("pose_tracks", "solo") == tmp_path / "tables/pose_tracks/solo.parquet"
    assert store.table("pose_dataset") == tmp_path / "tables/pose_dataset.parquet"
    assert store.output("recognition_report") == tmp_path / "reports/recognition_scores.parquet"
    assert store.output("stga_net") == tmp_path / "models/stga_net/current.json"


def test_a_missing_table_names_the_asset_and_the_clip(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"pose_tracks of clip solo is not there.*`dance run` makes it"
    ):
        Store(root=str(tmp_path)).read("pose_tracks", "solo")


def test_the_digest_matches_the_file(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    assert store.digest("pose_dataset") == ""
    version = write_table(pl.DataFrame({"x": [1]}), store.table("pose_dataset"))
    assert store.digest("pose_dataset") == version == file_digest(store.table("pose_dataset"))


def test_a_missing_checkpoint_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    with pytest.raises(InputError, match="stga_net is not trained"):
        store.training("stga_net")
    store.output("stga_net").parent.mkdir(parents=True)
    checkpoint = {"path": "models/gone.pt"}
    current = {"best": checkpoint, "last": checkpoint, "folds": []}
    store.output("stga_net").write_text(json.dumps(current))
    with pytest.raises(InputError, match=r"gone\.pt"):
        store.training("stga_net")


def test_the_checkpoints_of_further_seeds_count_too(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    store.output("stga_net_no_b").parent.mkdir(parents=True)
    named = [{"path": f"models/{name}.pt"} for name in ("best", "a0", "a1", "b0", "b1")]
    current = {"best": named[0], "last": named[0], "folds": named[1:3], "fold_seeds": [named[3:]]}
    store.output("stga_net_no_b").write_text(json.dumps(current))
    names = [path.stem for path in store.checkpoints("stga_net_no_b")]
    assert names == ["best", "best", "a0", "a1", "b0", "b1"]


def test_an_unwritable_store_is_one_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(InputError, match="cannot write to the store"):
        Store(root=str(blocked)).initialise()


def test_a_store_that_may_only_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says "unable to open database file" of a database with a write-ahead log there."""
    store = Store(root=str(tmp_path / "store")).initialise()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != store.dagster_home)
    with pytest.raises(InputError, match=r"store: cannot write to the store: Read-only file"):
        open_instance(store)


@pytest.mark.parametrize("url", ["gs://bucket/store", "s3://bucket", "s3:///store"])
def test_an_address_that_is_none_is_refused_instead_of_creating_a_folder(url: str) -> None:
    with pytest.raises(InputError, match="s3://BUCKET/FOLDER"):
        _ = Store(root=url).path


def test_a_path_that_tables_cannot_hold_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / os.fsdecode(b"caf\xe9")))
    with pytest.raises(InputError, match=r"not UTF-8.*Rename the folder"):
        store.initialise()
    assert list(tmp_path.iterdir()) == []


def test_a_new_instance_has_its_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    store = Store(root=str(tmp_path / "store"))
    with open_instance(store) as instance:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert set(limits) == {"gpu", "decode"}
    assert (store.dagster_home / "dagster.yaml").is_file()


def test_who_runs_nothing_leaves_the_pools_of_a_run_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    store = Store(root=str(tmp_path / "store"))

    def limits() -> dict[str, int]:
        with open_instance(store, runs=False) as instance:
            return {p.name: p.limit for p in instance.event_log_storage.get_pool_limits()}

    open_instance(store, 640).dispose()
    for command in (["status"], ["verify"], ["clean", "--yes"]):
        done = CliRunner().invoke(make_app(), [*command, "--store", str(store.path)])
        assert done.exit_code == 0, done.output
        assert limits() == {"gpu": 640, "decode": 640}, command
    close_lost_tasks(store, ["of a worker that died"])
    assert limits() == {"gpu": 640, "decode": 640}
    open_instance(store).dispose()  # as `dance run` on this machine does
    assert limits()["decode"] == os.cpu_count()


def test_a_new_store_is_private(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "new" / "store"))
    assert not store.exists()
    store.initialise()
    assert store.path.stat().st_mode & 0o777 == 0o700
    assert not store.open_to_others()
    assert not store.exists(), "folders and a configuration are no store yet"


def test_an_empty_folder_that_a_command_opens_becomes_a_private_store(tmp_path: Path) -> None:
    """Nothing is written into it before it is made private, or it would be somebody's."""
    (tmp_path / "empty").mkdir(mode=0o755)
    store = Store(root=str(tmp_path / "empty")).settled()
    assert list(store.path.iterdir()) == []
    assert not store.initialise().open_to_others()
    assert remembered(store.path) == store.path


def test_rights_that_somebody_gave_are_kept(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "letters").mkdir()
    assert Store(root=str(shared)).initialise().open_to_others(), "a folder of other things"
    used = Store(root=str(tmp_path / "used")).initialise()
    (used.path / "tables").mkdir()
    used.path.chmod(0o750)
    assert used.initialise().open_to_others(), "a store in use"
