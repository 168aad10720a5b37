"""Unchanged inputs are not recomputed; a changed, lost or tampered output is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from pipelines.skip_rule import INPUTS_TAG, Made, inputs_digest, last_materialization, run_stage

from dance_models.config import SamplingConfig
from dance_models.tables import write_table
from pipelines.storage.store import Store


class Bench:
    """One asset whose computation is counted."""

    def __init__(self, store: Store, instance: dg.DagsterInstance) -> None:
        self.store, self.instance, self.inputs, self.made = store, instance, {"upstream": "v1"}, 0
        self.content = 1

        @dg.asset
        def numbers(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
            return run_stage(context, store, self.inputs, self.make)

        self.asset = numbers

    def make(self) -> Made:
        self.made += 1
        table = pl.DataFrame({"x": [self.content]})
        return Made(write_table(table, self.store.table("numbers")), {"rows": 1})

    def run(self) -> dg.AssetMaterialization:
        assert dg.materialize([self.asset], instance=self.instance).success
        last = last_materialization(self.instance, "numbers", None)
        assert last is not None
        return last


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with dg.instance_for_test() as instance:
        yield Bench(Store(root=str(tmp_path)), instance)


def test_the_second_run_reuses_the_table(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    assert bench.made == 1
    assert (first.tags or {})["dagster/data_version"] == (second.tags or {})["dagster/data_version"]
    assert second.metadata["rows"].value == 1


def test_changed_inputs_recompute(bench: Bench) -> None:
    bench.run()
    bench.inputs = {"upstream": "v2"}
    last = bench.run()
    assert bench.made == 2
    assert (last.tags or {})[INPUTS_TAG] == inputs_digest({"upstream": "v2"})


def test_going_back_to_older_inputs_recomputes(bench: Bench) -> None:
    """Only the last materialization counts: the file holds what that one wrote."""
    for version in ("v1", "v2", "v1"):
        bench.inputs = {"upstream": version}
        bench.content = int(version[1:])
        bench.run()
    assert bench.made == 3


@pytest.mark.parametrize("harm", ["delete", "tamper"])
def test_a_lost_or_tampered_file_is_made_again(bench: Bench, harm: str) -> None:
    bench.run()
    path = bench.store.table("numbers")
    if harm == "delete":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    bench.run()
    assert bench.made == 2


def test_a_failed_run_leaves_nothing_that_counts_as_fresh(bench: Bench) -> None:
    def fail() -> Made:
        bench.store.table("numbers").parent.mkdir(parents=True, exist_ok=True)
        raise RuntimeError("half-way")

    bench.make = fail  # type: ignore[method-assign]
    result = dg.materialize([bench.asset], instance=bench.instance, raise_on_error=False)
    assert not result.success
    assert last_materialization(bench.instance, "numbers", None) is None


def test_digests_see_every_field_of_a_configuration() -> None:
    plain = inputs_digest({"config": SamplingConfig()})
    assert plain == inputs_digest({"config": SamplingConfig()})
    assert plain != inputs_digest({"config": SamplingConfig(min_run=41)})
    with pytest.raises(TypeError, match="Path"):
        inputs_digest({"file": Path("x")})
