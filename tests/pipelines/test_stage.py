"""A stage is recomputed when its inputs change or its output is lost or altered, and only then."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any, cast

import bucket
import dagster as dg
import polars as pl
import pytest
from bucket import BUCKET, FOLDER
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest
from quick_databases import instance_for_test
from watched_process import wait_until

from dance_models.config import QualityConfig, SamplingConfig
from dance_models.errors import InputError
from dance_models.profiles import PROFILES
from dance_models.quality.findings import Finding
from dance_models.tables import file_digest, write_table
from pipelines.checks.asset_checks import AssetChecks, Check
from pipelines.materializations import last_materialization
from pipelines.stage import (
    INPUTS,
    INPUTS_TAG,
    MADE_AGAIN,
    MANIFEST,
    ONLY_STALE_TAG,
    OUTPUTS,
    REUSED,
    Metadata,
    Stage,
    StageContext,
    inputs_digest,
)
from pipelines.storage.bucket import Bucket, Stored
from pipelines.storage.locks import holder, owned
from pipelines.storage.manifests import read_manifest
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.store import Store

SMOKE = PROFILES["smoke"]
MAIN_FILES = ("tables/numbers.parquet", "tables/audit.parquet")


@dataclass
class Bench:
    """A stage that counts its computations, and an instance to run it in."""

    store: Store
    instance: dg.DagsterInstance
    inputs: dict[str, Any] = field(default_factory=lambda: {"upstream": "v1"})
    content: int = 1
    computed: int = 0
    fails: bool = False

    def stage(self, **declared: Any) -> Stage:
        @Stage(
            inputs=lambda context: self.inputs,
            outputs=lambda store, clip: [store.table("audit"), store.path / "picture.jpg"],
            group="test",
            version="7",
            **declared,
        )
        def numbers(context: StageContext[None]) -> Metadata:
            """Some numbers."""
            if self.fails:
                raise RuntimeError("half-way")
            self.computed += 1
            table = pl.DataFrame({"x": [self.content]})
            write_table(table, context.store.table("numbers"))
            write_table(table, context.store.table("audit"))
            (context.store.path / "picture.jpg").write_bytes(b"jpeg")
            return {"rows": 1}

        return numbers

    def run(
        self, *, tags: dict[str, str] | None = None, **declared: Any
    ) -> dg.AssetMaterialization:
        result = dg.materialize(
            [self.stage(**declared).asset(SMOKE)],
            instance=self.instance,
            resources={"store": self.store, "launcher": None},
            raise_on_error=False,
            tags=tags,
        )
        assert result.success != self.fails
        last = last_materialization(self.instance, "numbers", None)
        assert last is not None
        return last


@pytest.fixture(params=[FOLDER, BUCKET])
def place(request: pytest.FixtureRequest) -> str:
    """Every rule holds for a store in a bucket too."""
    if request.param == BUCKET:
        request.getfixturevalue("s3")
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, place: str) -> Iterator[Bench]:
    if place == BUCKET:
        bucket.connect(tmp_path)
    with instance_for_test() as instance:
        yield Bench(Store(root=str(tmp_path)), instance)


def test_the_second_run_reuses_the_result(bench: Bench) -> None:
    first, second = bench.run(), bench.run()
    assert bench.computed == 1
    assert (first.tags or {})[VERSION_TAG] == (second.tags or {})[VERSION_TAG]
    assert second.metadata["rows"].value == 1
    assert [bool(run.metadata[REUSED].value) for run in (first, second)] == [False, True]


def test_changed_inputs_recompute(bench: Bench) -> None:
    bench.run()
    bench.inputs = {"upstream": "v2"}
    last = bench.run()
    assert bench.computed == 2
    assert (last.tags or {})[INPUTS_TAG] == inputs_digest({"code": "7", "upstream": "v2"})


def test_going_back_to_older_inputs_recomputes(bench: Bench) -> None:
    """Only the last materialization counts: the file holds its output."""
    for version in ("v1", "v2", "v1"):
        bench.inputs = {"upstream": version}
        bench.content = int(version[1:])
        bench.run()
    assert bench.computed == 3


@pytest.mark.parametrize("name", ["tables/numbers.parquet", "tables/audit.parquet", "picture.jpg"])
def test_every_missing_file_is_recomputed(bench: Bench, name: str) -> None:
    bench.run()
    (bench.store.path / name).unlink()
    assert not bench.stage().is_fresh(bench.instance, bench.store, SMOKE)
    bench.run()
    assert bench.computed == 2


@pytest.mark.parametrize("name", ["tables/numbers.parquet", "tables/audit.parquet"])
def test_every_altered_table_is_recomputed(bench: Bench, name: str) -> None:
    bench.run()
    path = bench.store.path / name
    path.write_bytes(path.read_bytes() + b" ")
    bench.run()
    assert bench.computed == 2


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_flip_a_bit, lambda path: path.write_bytes(b"j")])
def test_a_damaged_picture_is_made_again_and_said(
    bench: Bench, damage: Callable[[Path], object]
) -> None:
    bench.run()
    damage(bench.store.path / "picture.jpg")
    last = bench.run()
    assert bench.computed == 2
    (line,) = cast("list[str]", last.metadata[MADE_AGAIN].value)
    assert line.startswith("picture.jpg of numbers is damaged (")
    assert line.endswith(": made again")
    assert (bench.store.path / "picture.jpg").read_bytes() == b"jpeg"
    assert MADE_AGAIN not in bench.run().metadata
    assert bench.computed == 2


def test_a_bit_of_the_main_file_counts_under_an_unchanged_time(bench: Bench) -> None:
    bench.run()
    path = bench.store.table("numbers")
    times = path.stat()
    _flip_a_bit(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    bench.run()
    assert bench.computed == 2


def test_a_copied_store_is_fresh_and_is_hashed_once(bench: Bench) -> None:
    bench.run()
    picture = bench.store.path / "picture.jpg"
    os.utime(picture, (1, 1))
    assert bench.stage().is_fresh(bench.instance, bench.store, SMOKE)
    manifest = read_manifest(bench.store, "numbers", None)
    assert manifest is not None
    assert manifest["picture.jpg"].mtime_ns == 1_000_000_000


def test_a_lost_manifest_is_made_from_the_files_if_they_are_those_recorded(bench: Bench) -> None:
    bench.run()
    bench.store.manifest("numbers").write_text("{")
    assert bench.stage().is_fresh(bench.instance, bench.store, SMOKE)
    assert read_manifest(bench.store, "numbers", None) is not None
    bench.store.manifest("numbers").unlink()
    _flip_a_bit(bench.store.path / "picture.jpg")
    assert not bench.stage().is_fresh(bench.instance, bench.store, SMOKE)


def test_a_store_from_before_manifests_is_judged_as_before(bench: Bench) -> None:
    """Main files by their content, others by being there; a new result has a manifest."""
    bench.run()
    numbers = bench.stage()
    outputs = {name: file_digest(bench.store.path / name) for name in MAIN_FILES}
    digest = numbers.digest(numbers.context(bench.store, SMOKE))
    old = dg.AssetMaterialization("numbers", metadata={INPUTS: digest, OUTPUTS: outputs})
    bench.instance.report_runless_asset_event(old)
    bench.store.manifest("numbers").unlink()
    assert numbers.is_fresh(bench.instance, bench.store, SMOKE)
    _flip_a_bit(bench.store.path / "picture.jpg")
    assert numbers.is_fresh(bench.instance, bench.store, SMOKE)
    _flip_a_bit(bench.store.table("audit"))
    assert not numbers.is_fresh(bench.instance, bench.store, SMOKE)
    assert MANIFEST in bench.run().metadata
    assert bench.store.manifest("numbers").is_file()


# --- two processes that want the same result ---------------------------------------------------


def _waiting(bench: Bench) -> list[str]:
    """What the last run has logged when it waits for another one."""
    run = bench.instance.get_runs(limit=1)[0]
    logs = [entry.user_message for entry in bench.instance.all_logs(run.run_id)]
    return [text for text in logs if "waiting for it" in text]


def test_a_second_run_waits_for_the_first_and_uses_its_result(bench: Bench) -> None:
    """The other process holds the lock, and its result appears while this one waits."""
    bench.run()
    main, lock = bench.store.table("numbers"), bench.store.lock("numbers")
    result = main.read_bytes()
    main.unlink()
    held, computed_meanwhile = Event(), []

    def other() -> None:
        with owned(lock, "numbers", lambda text: None):
            held.set()
            wait_until(lambda: bool(_waiting(bench)))
            computed_meanwhile.append(bench.computed)
            main.write_bytes(result)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(other)
        assert held.wait(60)
        assert holder(lock) is not None
        last = bench.run()
        first.result(timeout=60)
    assert computed_meanwhile == [1], "it did not wait"
    assert bench.computed == 1, "it was made twice"
    assert last.metadata[REUSED].value
    assert holder(lock) is None
    (waiting,) = _waiting(bench)
    assert f"numbers is in use by process {os.getpid()} on " in waiting


def test_the_result_is_recorded_before_the_lock_is_released(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a second process would take the lock, find no record and make it again."""
    recorded: list[bool] = []

    @contextmanager
    def owned(*_: object) -> Iterator[None]:
        yield
        recorded.append(last_materialization(bench.instance, "numbers", None) is not None)

    monkeypatch.setattr("pipelines.stage.owned", owned)
    bench.run()
    assert recorded == [True]


def test_a_failed_run_leaves_nothing_that_counts_as_fresh(bench: Bench) -> None:
    bench.run()
    bench.inputs = {"upstream": "v2"}
    bench.fails = True
    bench.run()
    bench.fails = False
    assert not bench.stage().is_fresh(bench.instance, bench.store, SMOKE)


def test_a_materialization_of_version_0_1_is_fresh(bench: Bench) -> None:
    """It recorded its inputs as a tag and the digest of its main file alone."""
    bench.run()
    numbers = bench.stage()
    tags = {
        INPUTS_TAG: numbers.digest(numbers.context(bench.store, SMOKE)),
        VERSION_TAG: bench.store.digest("numbers"),
    }
    bench.instance.report_runless_asset_event(dg.AssetMaterialization("numbers", tags=tags))
    assert numbers.is_fresh(bench.instance, bench.store, SMOKE)
    bench.store.table("audit").unlink()
    assert not numbers.is_fresh(bench.instance, bench.store, SMOKE)


def test_a_stage_that_always_runs_is_skipped_when_only_stale_ones_are_requested(
    bench: Bench,
) -> None:
    bench.run(reuse=False)
    bench.run(reuse=False)
    assert bench.computed == 2
    bench.run(reuse=False, tags={ONLY_STALE_TAG: "true"})
    assert bench.computed == 2


def test_digests_cover_every_field_of_a_configuration() -> None:
    plain = inputs_digest({"config": SamplingConfig()})
    assert plain == inputs_digest({"config": SamplingConfig()})
    assert plain != inputs_digest({"config": SamplingConfig(min_run_s=1.7)})
    with pytest.raises(TypeError, match="Path"):
        inputs_digest({"file": Path("x")})


# --- several clips in one step, as in a backfill ----------------------------------------------

CLIPS = ("broken", "good", "stopped")
BROKEN: list[BaseException] = []  # what a stage raises of the first of them


def _findings(store: Store, quality: QualityConfig, clip: str | None) -> list[Finding]:
    if clip != "stopped":
        return []
    return [Finding("sound", clip, "is bad", 1.0, 0.0, severity="error")]


@Stage(
    inputs=lambda context: {"clip": context.clip},
    checks=AssetChecks(
        "first", (Check("sound", "The clip is sound.", blocking=True),), _findings, partitioned=True
    ),
    partitioned=True,
    group="test",
    version="1",
)
def first(context: StageContext[None]) -> Metadata:
    """One row for each clip."""
    write_table(pl.DataFrame({"clip": [context.clip]}), context.store.table("first", context.clip))
    return {"made_for": context.clip}


@Stage(
    deps=[first],
    inputs=lambda context: {"first": context.store.digest("first", context.clip)},
    partitioned=True,
    group="test",
    version="1",
)
def second(context: StageContext[None]) -> Metadata:
    """A copy."""
    if context.clip == "broken":
        raise BROKEN[0]
    write_table(
        context.store.read("first", context.clip), context.store.table("second", context.clip)
    )
    return {}


def _definitions(store: Store, stages: Sequence[Stage]) -> dg.Definitions:
    return dg.Definitions(
        assets=[stage.asset(SMOKE) for stage in stages],
        resources={"store": store, "launcher": dg.ResourceDefinition.none_resource()},
    )


def _backfill(
    store: Store, instance: dg.DagsterInstance, stages: Sequence[Stage] = (first, second)
) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("clips", list(CLIPS))
    return (
        _definitions(store, stages)
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": CLIPS[0],
                "dagster/asset_partition_range_end": CLIPS[-1],
            },
            raise_on_error=False,
        )
    )


def _checked(
    instance: dg.DagsterInstance,
) -> dict[str | None, tuple[bool, dg.AssetCheckSeverity | None]]:
    """By clip whether the check of the newest materialization passed, else how severe it was.

    Without a result for each clip the web UI shows the check of every one as skipped.
    """
    key = dg.AssetCheckKey(dg.AssetKey("first"), "sound")
    log = instance.event_log_storage
    infos = log.get_asset_check_partition_info([key])
    current = {info.partition_key for info in infos if info.is_current}
    found: dict[str | None, tuple[bool, dg.AssetCheckSeverity | None]] = {}
    for record in log.get_asset_check_execution_history(key, limit=100):
        assert record.event is not None
        assert record.event.dagster_event is not None
        if record.partition in current and record.partition is not None:
            evaluation = record.event.dagster_event.asset_check_evaluation_data
            found[record.partition] = (
                evaluation.passed,
                None if evaluation.passed else evaluation.severity,
            )
    return found


@pytest.mark.parametrize("kind", [RuntimeError, pl.exceptions.PanicException])
def test_one_step_processes_several_clips_and_a_bad_clip_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Whatever it raises: a panic of polars is no Exception."""
    monkeypatch.setattr(sys.modules[__name__], "BROKEN", [kind("no such codec")])
    store = Store(root=str(tmp_path))
    with instance_for_test() as instance:
        result = _backfill(store, instance)
        assert [e.step_key for e in result.all_events if e.is_step_failure] == ["second"]
        assert f"1 of 3 clips failed: broken: {kind.__name__}: no such codec" in json.dumps(
            [str(e.event_specific_data) for e in result.all_events if e.is_step_failure]
        )
        for clip in CLIPS:
            assert first.is_fresh(instance, store, SMOKE, clip), clip
            made = last_materialization(instance, "first", clip)
            assert made is not None
            assert made.metadata["made_for"].value == clip
        assert _checked(instance) == {
            "broken": (True, None),
            "good": (True, None),
            "stopped": (False, dg.AssetCheckSeverity.ERROR),
        }
        assert second.is_fresh(instance, store, SMOKE, "good")
        assert not store.table("second", "stopped").exists(), "a check stopped this clip"
        assert not store.table("second", "broken").exists()


def test_what_is_made_of_several_clips_is_recorded_when_the_process_is_told_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by "Terminate" in the web UI, at the second of sixteen clips or at the last."""
    monkeypatch.setattr(sys.modules[__name__], "BROKEN", [KeyboardInterrupt()])
    monkeypatch.setattr(sys.modules[__name__], "CLIPS", ("good", "broken", "stopped"))
    store = Store(root=str(tmp_path))
    with instance_for_test() as instance:
        assert not _backfill(store, instance).success
        assert second.is_fresh(instance, store, SMOKE, "good")
        assert last_materialization(instance, "second", "stopped") is None


def test_what_was_made_of_several_clips_by_a_killed_process_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clips are in their place, and Dagster, whose database is a new one here, has no event."""
    monkeypatch.setattr(sys.modules[__name__], "CLIPS", ("good", "other", "third"))
    store = Store(root=str(tmp_path))
    with instance_for_test() as instance:
        assert _backfill(store, instance).success
    write_table(pl.DataFrame({"clip": ["cut off"]}), store.table("first", "third"))
    with instance_for_test() as instance:
        assert not first.is_fresh(instance, store, SMOKE, "good")
        assert _backfill(store, instance).success
        found = {clip: last_materialization(instance, "first", clip) for clip in CLIPS}
        assert all(first.is_fresh(instance, store, SMOKE, clip) for clip in CLIPS)
        reused = {c: bool(made.metadata[REUSED].value) for c, made in found.items() if made}
        assert reused == {"good": True, "other": True, "third": False}
        assert found["good"] is not None
        assert found["good"].metadata["dagster/partition_row_count"].value == 1
        changed = replace(first, version="2")
        assert _backfill(store, instance, [changed]).success
        made = last_materialization(instance, "first", "good")
        assert made is not None
        assert not made.metadata[REUSED].value


def test_what_is_out_of_date_is_known_of_clips_whose_step_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster goes by tags, which it gives to the results of a step that succeeds alone."""
    monkeypatch.setattr(sys.modules[__name__], "BROKEN", [RuntimeError("no such codec")])
    store = Store(root=str(tmp_path))
    with instance_for_test() as instance:
        assert not _backfill(store, instance).success
        assert _out_of_date(store, instance, second, "good") == []
        assert _out_of_date(store, instance, replace(second, version="2"), "good") == [
            "has a new code version"
        ]
        _backfill(store, instance)  # the first stage is reused, and recorded once more
        assert _out_of_date(store, instance, second, "good") == []
        made = last_materialization(instance, "second", "good")
    assert made is not None
    assert (made.tags or {})[VERSION_TAG] == store.digest("second", "good")


def _out_of_date(store: Store, instance: dg.DagsterInstance, stage: Stage, clip: str) -> list[str]:
    """Why the web UI calls a stage of a clip unsynced."""
    graph = _definitions(store, (first, stage)).resolve_asset_graph()
    context = LoadingContextForTest(instance)
    resolver = CachingStaleStatusResolver(instance, graph, context)
    return [cause.reason for cause in resolver.get_stale_causes(dg.AssetKey(stage.name), clip)]


def test_a_clip_that_is_deleted_while_several_are_made_does_not_undo_the_others(
    tmp_path: Path,
) -> None:
    """As in the web UI, while a step over sixteen clips works for minutes."""
    store = Store(root=str(tmp_path))
    with instance_for_test() as instance:

        @Stage(inputs=lambda context: {}, partitioned=True, group="test", version="1")
        def first(context: StageContext[None]) -> Metadata:
            """Made while another process deletes a clip."""
            instance.event_log_storage.delete_dynamic_partition("clips", "good")
            table = pl.DataFrame({"clip": [context.clip]})
            write_table(table, context.store.table("first", context.clip))
            return {}

        result = _backfill(store, instance, [first])
        assert result.success
        for clip in ("broken", "stopped"):
            assert first.is_fresh(instance, store, SMOKE, clip), clip


def test_a_range_without_clips_says_so(tmp_path: Path) -> None:
    """A clip that was deleted in the web UI and registered again is the last in Dagster's order."""
    store = Store(root=str(tmp_path))
    with instance_for_test() as instance:
        instance.add_dynamic_partitions("clips", [*reversed(CLIPS)])
        result = _backfill(store, instance)
        failures = [str(e.event_specific_data) for e in result.all_events if e.is_step_failure]
    assert "no clip between the first and the last" in failures[0]


@pytest.mark.usefixtures("s3")
def test_what_of_several_clips_did_not_reach_the_bucket_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be taken for done, on a node whose files no other machine has."""
    bucket.connect(tmp_path)
    store, put = Store(root=str(tmp_path)), Bucket.put

    def failing(self: Bucket, name: str, *rest: Any) -> tuple[Stored, str]:
        if name == "tables/first/good.parquet":
            raise InputError("the server cannot be reached", file=name)
        return put(self, name, *rest)

    monkeypatch.setattr(sys.modules[__name__], "BROKEN", [RuntimeError("no such codec")])
    monkeypatch.setattr(Bucket, "put", failing)
    with instance_for_test() as instance:
        assert not _backfill(store, instance).success
        assert first.is_fresh(instance, store, SMOKE, "stopped")
        assert last_materialization(instance, "first", "good") is None
        monkeypatch.setattr(Bucket, "put", put)
        _backfill(store, instance)
        assert first.is_fresh(instance, store, SMOKE, "good")
        assert store.remote is not None
        assert "tables/first/good.parquet" in store.remote.bucket.listed()


def test_what_is_wrong_with_the_input_is_a_line_of_its_own_in_the_log(tmp_path: Path) -> None:
    @Stage(inputs=lambda context: {}, group="test", version="1")
    def refusing(context: StageContext[None]) -> Metadata:
        """Never made."""
        raise InputError("has gone", file="clip.mp4", hint="Put it back")

    with instance_for_test() as instance:
        result = dg.materialize(
            [refusing.asset(SMOKE)],
            instance=instance,
            resources={"store": Store(root=str(tmp_path)), "launcher": None},
            raise_on_error=False,
        )
        logged = [r.user_message for r in instance.all_logs(result.run_id) if not r.dagster_event]
    assert "clip.mp4: has gone. Put it back" in logged
