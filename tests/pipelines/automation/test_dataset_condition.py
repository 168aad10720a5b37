"""When the data set is built: conditions evaluated as by the daemon, over a graph of stubs."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from pipelines.assets.conditions import WHEN_CLIPS_ARE_DONE, WHEN_DATASET_CHANGED
from pipelines.partitions import CLIPS, partitions_of


def _per_clip(partitions: "dg.PartitionsDefinition[str]") -> list[Any]:
    limbs = dg.AssetCheckSpec(
        "limb_length", asset="pose_annotations", blocking=True, partitions_def=partitions
    )

    @dg.asset(partitions_def=partitions)
    def sampled_frames() -> None: ...

    @dg.asset(partitions_def=partitions, deps=[sampled_frames])
    def pose_tracks() -> None:
        raise RuntimeError("no such codec")

    @dg.asset(partitions_def=partitions, check_specs=[limbs])
    def pose_annotations() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    return [sampled_frames, pose_tracks, pose_annotations]


@dg.asset(
    deps=["sampled_frames", "pose_tracks", "pose_annotations"],
    automation_condition=WHEN_CLIPS_ARE_DONE,
)
def pose_dataset() -> None: ...


@dg.asset(deps=[pose_dataset], automation_condition=WHEN_DATASET_CHANGED)
def split_manifest() -> None:
    raise dg.Failure("No clip has annotations")


PER_CLIP: list[Any] = _per_clip(CLIPS)
PER_STORE: list[Any] = [pose_dataset, split_manifest]


class Daemon:
    """The automation sensor, tick by tick."""

    def __init__(self, instance: dg.DagsterInstance, per_clip: list[Any] = PER_CLIP) -> None:
        self.instance = instance
        self.defs = dg.Definitions(assets=[*per_clip, *PER_STORE])
        self.cursor: Any = None

    def requested(self) -> set[str]:
        """The assets that one tick requests."""
        result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        graph = self.defs.resolve_asset_graph()
        return {
            key.to_user_string()
            for key in graph.materializable_asset_keys
            if result.get_num_requested(key)
        }

    def register(self, *clips: str) -> None:
        self.instance.add_dynamic_partitions("clips", list(clips))

    def ingest(self, *clips: str) -> None:
        """Mark clips as ingested; a separate run for each would take seconds."""
        self.register(*clips)
        self.make(*clips)

    def make(self, *partitions: str) -> None:
        """Mark clips, or shards, as made."""
        for one in partitions:
            for asset in PER_CLIP:
                self._made(asset.key, one)

    def check(self, clip: str, severity: dg.AssetCheckSeverity) -> None:
        """Report what a blocking check found on a clip."""
        found = dg.AssetCheckEvaluation(
            dg.AssetKey("pose_annotations"),
            "limb_length",
            passed=False,
            severity=severity,
            partition=clip,
        )
        self.instance.report_runless_asset_event(found)

    def fail_to_ingest(self, clip: str) -> None:
        self.register(clip)
        dg.materialize(PER_CLIP, instance=self.instance, partition_key=clip, raise_on_error=False)

    def begin(self, assets: list[Any], clip: str | None = None) -> dg.DagsterRun:
        """A run over these assets that has begun and is not done."""
        graph = self.defs.resolve_asset_graph()
        keys = [asset.key for asset in assets]
        job = dg.define_asset_job("some_run", dg.AssetSelection.assets(*keys))
        tags = {"dagster/partition": clip} if clip else {}
        run = self.instance.create_run_for_job(
            job.resolve(asset_graph=graph), tags=tags, asset_selection=frozenset(keys)
        )
        self._event(run, dg.DagsterEventType.RUN_START)
        return run

    def end(self, run: dg.DagsterRun) -> None:
        self._event(run, dg.DagsterEventType.RUN_SUCCESS)

    def cancel_ingest(self, clip: str, *, ticks: int) -> None:
        """Cancel the run of a new clip after some ticks saw it; none of them requests anything."""
        self.register(clip)
        run = self.begin(PER_CLIP, clip)
        assert [self.requested() for _ in range(ticks)] == [set()] * ticks
        self._event(run, dg.DagsterEventType.RUN_CANCELED)

    def _event(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> None:
        event = dg.DagsterEvent(kind.value, run.job_name, message="")
        self.instance.report_dagster_event(event, run.run_id)

    def build(self) -> None:
        for asset in PER_STORE:
            self._made(asset.key, None)

    def fail_to_build(self) -> None:
        everything = [*PER_CLIP, *PER_STORE]
        dg.materialize(
            everything, instance=self.instance, selection=PER_STORE, raise_on_error=False
        )

    def _made(self, asset: dg.AssetKey, clip: str | None) -> None:
        event = dg.AssetMaterialization(asset_key=asset, partition=clip)
        self.instance.report_runless_asset_event(event)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance)


BOTH = {"pose_dataset", "split_manifest"}


def test_an_empty_store_requests_nothing(daemon: Daemon) -> None:
    assert daemon.requested() == set()
    daemon.register("one")
    assert daemon.requested() == set()
    assert daemon.requested() == set()


def test_the_last_finished_clip_requests_the_data_set_once(daemon: Daemon) -> None:
    daemon.requested()
    daemon.register("one", "two")
    daemon.ingest("one")
    assert daemon.requested() == set()
    daemon.ingest("two")
    assert daemon.requested() == BOTH
    daemon.build()
    assert daemon.requested() == set()
    daemon.ingest("two")
    assert daemon.requested() == BOTH


def test_clips_ingested_before_automation_was_enabled_become_a_data_set(
    daemon: Daemon,
) -> None:
    daemon.ingest("one")
    assert BOTH in (daemon.requested(), daemon.requested())
    daemon.build()
    assert daemon.requested() == set()
    assert daemon.requested() == set()


def test_a_failed_clip_does_not_hold_up_the_data_set(daemon: Daemon) -> None:
    daemon.requested()
    daemon.fail_to_ingest("broken")
    assert daemon.requested() == set(), "there is no clip to join yet"
    daemon.ingest("one")
    assert daemon.requested() == BOTH
    daemon.build()
    assert daemon.requested() == set()


def test_a_data_set_that_cannot_be_split_is_retried_when_an_input_changes(
    daemon: Daemon,
) -> None:
    daemon.requested()
    daemon.ingest("one")
    assert daemon.requested() == BOTH
    daemon.fail_to_build()
    assert [daemon.requested() for _ in range(3)] == [set(), set(), set()]
    daemon.ingest("one")
    assert daemon.requested() == BOTH


@pytest.mark.parametrize("severity", [None, *dg.AssetCheckSeverity])
def test_what_a_check_found_on_a_clip_does_not_hold_up_the_data_set(
    daemon: Daemon, severity: dg.AssetCheckSeverity | None
) -> None:
    """It leaves out what a check stopped, and to Dagster a warning has not passed either.

    Clips that earlier versions made in one run have no result at all.
    """
    daemon.requested()
    daemon.ingest("one", "two")
    if severity:
        daemon.check("one", severity)
    assert daemon.requested() == BOTH
    daemon.build()
    assert daemon.requested() == set()
    daemon.ingest("three")
    assert daemon.requested() == BOTH


@pytest.mark.parametrize("seen", [True, False], ids=["in a tick", "between ticks"])
def test_a_clip_that_is_done_while_the_data_set_is_made_is_joined_after_it(
    daemon: Daemon, seen: bool
) -> None:
    """Nobody knows whether it was read: a run more reuses what is fresh."""
    daemon.requested()
    daemon.ingest("one")
    assert daemon.requested() == BOTH
    run = daemon.begin(PER_STORE)
    if seen:
        assert daemon.requested() == set()
    daemon.ingest("two")
    if seen:
        assert daemon.requested() == set()
    daemon.build()
    daemon.end(run)
    assert "pose_dataset" in daemon.requested()
    daemon.build()
    assert [daemon.requested() for _ in range(3)] == [set(), set(), set()]


def test_a_clip_whose_run_was_cancelled_does_not_hold_up_the_data_set(daemon: Daemon) -> None:
    """To Dagster it has not failed, and is missing for good."""
    daemon.requested()
    daemon.cancel_ingest("cancelled", ticks=1)
    daemon.ingest("one")
    assert daemon.requested() == BOTH
    daemon.build()
    assert daemon.requested() == set()


def test_a_clip_that_was_cancelled_before_automation_was_enabled_is_left_out(
    daemon: Daemon,
) -> None:
    daemon.cancel_ingest("cancelled", ticks=0)
    daemon.ingest("one")
    assert BOTH in (daemon.requested(), daemon.requested())


# --- clips in shards ----------------------------------------------------------------------------


@pytest.fixture
def of_shards() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance, _per_clip(partitions_of(3)))


def test_shards_without_clips_do_not_hold_up_the_data_set(of_shards: Daemon) -> None:
    assert of_shards.requested() == set()
    of_shards.make("shard-0001")
    assert of_shards.requested() == BOTH
    of_shards.build()
    assert of_shards.requested() == set()


def test_a_shard_that_is_made_again_requests_the_data_set_once(of_shards: Daemon) -> None:
    of_shards.requested()
    of_shards.make("shard-0000", "shard-0001")
    assert of_shards.requested() == BOTH
    of_shards.build()
    assert of_shards.requested() == set()
    run = of_shards.begin(PER_CLIP, "shard-0001")
    assert of_shards.requested() == set()
    of_shards.make("shard-0001")
    of_shards.end(run)
    assert of_shards.requested() == BOTH
    of_shards.build()
    assert of_shards.requested() == set()
