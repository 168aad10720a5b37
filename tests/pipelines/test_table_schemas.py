"""What the web UI shows of an asset beside its description."""

import dagster as dg
import polars as pl

from dance_models.columns import type_name
from dance_models.profiles import PROFILES
from dance_models.tables import KEYPOINTS, SPLIT_MANIFEST
from pipelines.graph import build_definitions
from pipelines.storage.store import Store
from pipelines.table_schemas import TABLE_OF_ASSET, column_schema


def test_every_column_has_a_type_and_a_meaning() -> None:
    for asset in TABLE_OF_ASSET:
        for column in column_schema(asset)["dagster/column_schema"].columns:
            assert column.type, (asset, column.name)
            assert column.description, (asset, column.name)
    assert column_schema("stga_net") == {}


def test_the_types_are_those_of_the_contract() -> None:
    assert type_name(KEYPOINTS) == "float32[14, 2]"
    assert type_name(pl.List(pl.String)) == "list[string]"
    (schema,) = column_schema("split_manifest").values()
    assert [(c.name, c.type) for c in schema.columns] == [
        (name, type_name(dtype)) for name, dtype in SPLIT_MANIFEST.items()
    ]


def test_assets_have_owners_and_tables_have_columns(tmp_path) -> None:
    definitions = build_definitions(PROFILES["smoke"], Store(root=str(tmp_path)))
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert list(node.owners) == ["team:dance-pose"], key
    shown = {k.to_user_string() for k in graph.get_all_asset_keys()} & set(TABLE_OF_ASSET)
    assert {"clip_probe", "raw_clips", "train_split", "recognition_report"} <= shown
    for name in shown:
        assert "dagster/column_schema" in graph.get(dg.AssetKey(name)).metadata, name
