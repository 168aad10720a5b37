"""``dance verify`` finds every damaged file and says what makes it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from command_line import dance

from dance_models.profiles import PROFILES
from dance_models.quality.findings import findings_table
from dance_models.tables import write_table
from pipelines import previews
from pipelines.stage import Metadata, Stage, StageContext
from pipelines.storage.store import Store, open_instance


@Stage(
    inputs=lambda context: {},
    outputs=lambda store, clip: [store.path / "frames" / "1.jpg"],
    group="test",
    version="1",
)
def numbers(context: StageContext[None]) -> Metadata:
    """Some numbers."""
    write_table(pl.DataFrame({"x": [1]}), context.store.table("numbers"))
    (context.store.path / "frames").mkdir(exist_ok=True)
    (context.store.path / "frames" / "1.jpg").write_bytes(b"jpeg")
    return {}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=str(tmp_path)).initialise()
    with open_instance(store) as instance:
        asset = numbers.asset(PROFILES["smoke"])
        dg.materialize([asset], instance=instance, resources={"store": store, "launcher": None})
    write_table(findings_table([]), store.findings("numbers"))
    return store


def _overwrite(path: Path) -> None:
    """With something else of the same size and time."""
    times = path.stat()
    path.write_bytes(b"x" * times.st_size)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_every_kind_of_damage_is_listed(store: Store) -> None:
    code, output = dance(store.path, "verify")
    assert (code, output) == (0, "Every recorded file is what it was.")
    _overwrite(store.path / "frames" / "1.jpg")
    store.table("numbers").unlink()
    _overwrite(store.findings("numbers"))
    (store.path / "mlflow" / "mlflow.db").write_bytes(b"no database at all" * 100)
    (store.path / "weights").mkdir()
    (store.path / "weights" / "pose_detection.tflite").write_bytes(b"cut")
    code, output = dance(store.path, "verify")
    assert code == 1
    assert "frames/1.jpg is damaged (sha256 " in output
    assert "tables/numbers.parquet is missing; made by numbers" in output
    assert "tables/findings/numbers.parquet the table cannot be read" in output
    assert "mlflow/mlflow.db is damaged (file is not a database)" in output
    assert "weights/pose_detection.tflite is damaged" in output
    assert "5 files are damaged or missing." in output


def _drawn(store: Store) -> Path:
    """The picture of a stage that makes nothing else."""

    @Stage(inputs=lambda context: {}, group="test", version="1")
    def drawn(context: StageContext[None]) -> Metadata:
        """A table with a picture."""
        write_table(pl.DataFrame({"x": [1]}), context.store.table("drawn"))
        return {"sheet": previews.picture(context.store, "drawn", "sheet", b"jpeg", "a [b](c)")}

    with open_instance(store) as instance:
        asset = drawn.asset(PROFILES["smoke"])
        dg.materialize([asset], instance=instance, resources={"store": store, "launcher": None})
    return store.preview("drawn", "sheet", None, "jpg")


@pytest.mark.parametrize("harm", [Path.unlink, _overwrite])
def test_pictures_of_the_web_ui_are_named_and_are_no_failure(
    store: Store, harm: Callable[[Path], None]
) -> None:
    """No run makes them again, so the command would fail for ever."""
    picture = _drawn(store)
    assert dance(store.path, "verify") == (0, "Every recorded file is what it was.")
    harm(picture)
    code, output = dance(store.path, "verify")
    what = "missing" if harm == Path.unlink else "damaged (sha256 "
    assert code == 0
    assert f"previews/drawn/sheet.jpg is {what}" in output and "; made by drawn" in output
    assert "Damaged or missing pictures for the web UI: 1. Nothing is made of them" in output
    assert output.endswith("Every other recorded file is what it was.")
    store.table("numbers").unlink()
    code, output = dance(store.path, "verify")
    assert code == 1
    assert output.endswith("1 files are damaged or missing.")


def test_a_lost_manifest_is_damage(store: Store) -> None:
    store.manifest("numbers").write_text("{")
    code, output = dance(store.path, "verify")
    assert code == 1
    assert "manifests/numbers.json is missing or damaged; made by numbers" in output


def test_a_manifest_of_another_materialization_is_damage(store: Store) -> None:
    manifest = json.loads(store.manifest("numbers").read_text())
    del manifest["files"]["frames/1.jpg"]
    store.manifest("numbers").write_text(json.dumps(manifest))
    code, output = dance(store.path, "verify")
    assert code == 1
    assert "manifests/numbers.json is not that of the last materialization; made by" in output


def test_a_folder_that_is_no_store_is_an_error(tmp_path: Path) -> None:
    code, output = dance(tmp_path / "none", "verify")
    assert code == 2
    assert "there is no store" in output


def test_a_machine_without_the_databases_of_the_store_is_told_so(store: Store) -> None:
    """As another one is that has a store's address in a bucket alone."""
    store.dagster_home.rename(store.path.with_name("elsewhere"))
    code, output = dance(store.path, "verify")
    assert code == 2
    assert "recorded in databases that are not on this machine" in output
