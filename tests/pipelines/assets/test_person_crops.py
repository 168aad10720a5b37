"""The person crops asset, and when it is part of the graph."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from PIL import Image
from preview_files import preview_file

from dance_models.data.assemble import rows_from_pose_runs
from dance_models.data.crops import Crops
from dance_models.profiles import PROFILES
from dance_models.rows import ROWS, row_of
from dance_models.tables import POSE_DATASET, SPLIT_MANIFEST, SPLIT_ROWS, conform, write_table
from dance_models.training.synthetic import synthetic_runs
from pipelines.assets.crops import person_crops
from pipelines.graph import stages_of
from pipelines.profile_options import ProfileOptions
from pipelines.storage.store import Store


def _store(root: Path) -> Store:
    """A store with frames, data set and splits; of three clips one is not annotated."""
    store = Store(root=str(root))
    runs = synthetic_runs(3, 8)
    originals = pl.DataFrame(
        [
            {"clip": run.clip, "frame": int(frame), "take": "", "estimator": "made-up",
             "image": f"frames/{run.clip}/{frame:06d}.jpg"}
            for run in runs for frame in run.frame
        ],
        schema={k: SPLIT_ROWS[k] for k in ("clip", "frame", "take", "estimator", "image")},
    )  # fmt: skip
    for name in originals["image"]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((360, 480, 3), 90, np.uint8)).save(path)
    table = conform(rows_from_pose_runs(runs, originals), POSE_DATASET)
    write_table(table, store.table("pose_dataset"))
    manifest = table.select("clip", "style", "performer").unique().sort("clip").head(2)
    manifest = manifest.with_columns(group="clip", split=pl.lit("train"), fold=pl.lit(0))
    write_table(conform(manifest, SPLIT_MANIFEST), store.table("split_manifest"))
    return store


def _materialize(
    store: Store, instance: dg.DagsterInstance
) -> tuple[str, Mapping[str, dg.MetadataValue[Any]]]:
    result = dg.materialize(
        [person_crops.asset(PROFILES["study"])],
        instance=instance,
        resources={"store": store, "launcher": None},
    )
    made = result.asset_materializations_for_node("person_crops")[0]
    return (made.tags or {})["dagster/data_version"], made.metadata


def test_crops_of_annotated_clips_are_made_once(tmp_path: Path) -> None:
    store, instance = _store(tmp_path), dg.DagsterInstance.ephemeral()
    version, metadata = _materialize(store, instance)
    assert metadata["dagster/row_count"].value == 16
    assert metadata["person_found"].value == "16 of 16 frames"
    assert 5_000 < preview_file(store, metadata["contact_sheet"]).stat().st_size < 150_000
    crops = Crops.open(store.crops)
    assert set(crops.records["clip"]) == {"clip_00", "clip_01"}
    assert store.digest("person_crops") == version
    assert "pixels_sha256" in pl.read_parquet_metadata(store.table("person_crops"))

    written = store.crops.stat().st_mtime_ns
    assert _materialize(store, instance)[0] == version
    assert store.crops.stat().st_mtime_ns == written, "unchanged, but cut again"

    store.crops.unlink()  # the table alone is nothing to train on
    assert _materialize(store, instance)[0] == version
    assert store.crops.is_file()


def test_crops_are_cut_again_when_images_have_other_pixels(tmp_path: Path) -> None:
    """Poses that are given stay the same, and so does the data set."""
    store, instance = _store(tmp_path), dg.DagsterInstance.ephemeral()
    _materialize(store, instance)
    before = store.read("person_crops")
    first = Crops.open(store.crops).pixels(np.array([0])).mean()
    for image in store.read("pose_dataset")["image"]:
        Image.fromarray(np.full((360, 480, 3), 30, np.uint8)).save(tmp_path / image)
    table = store.table("sampled_frames", "clip_00")
    write_table(pl.DataFrame({"frame": [0]}), table, {"jpeg_quality": "20"})
    _materialize(store, instance)
    assert first == 90
    assert Crops.open(store.crops).pixels(np.array([0])).mean() == 30
    assert store.read("person_crops").equals(before)


def test_only_profiles_with_a_crop_network_have_person_crops(tmp_path: Path) -> None:
    for name, profile in PROFILES.items():
        seen = any(row_of(method).needs_crops for method in profile.rows)
        assert seen == (name in ("study", "paper"))
        assert (person_crops in stages_of(profile)) == seen
    everything = ProfileOptions("demo", ablations=True).resolve(Store(root=str(tmp_path)))
    assert person_crops in stages_of(everything)


def test_only_networks_that_read_crops_depend_on_them(tmp_path: Path) -> None:
    store = _store(tmp_path)
    profile = ProfileOptions("study", ablations=True, motion=True).resolve(store)
    stages = {stage.name: stage for stage in stages_of(profile)}
    for row in ROWS:
        network = stages[row.asset]
        inputs = network.inputs(network.context(store, profile))
        assert ("person_crops" in inputs) == row.needs_crops
        assert ("person_crops" in network.dependencies) == row.needs_crops
