"""A store whose clips are in shards, run from the command line."""

import json
from pathlib import Path
from shutil import copy2
from typing import Any

import dagster as dg
import pytest
from command_line import CLIP_ASSETS, DATA_ASSETS, dance, run, runs_of
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.definitions.observe import observe
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.event_log.base import PartitionKeyFilter
from lock_owner import owner
from rich.console import Console
from tiny_corpus import Corpus, MakeCorpus

from dance_models.annotations import clip_import
from dance_models.profiles import PROFILES
from dance_models.tables import file_digest
from pipelines.execution.request import Request
from pipelines.execution.session import Given, Session
from pipelines.graph import build_definitions
from pipelines.materializations import data_versions
from pipelines.shard_step import failed_in
from pipelines.storage import shards
from pipelines.storage.clips import register_clips, registered_clips, set_shards
from pipelines.storage.shard_keys import shard_of
from pipelines.storage.shards import clips_of_shards, shards_of
from pipelines.storage.store import Store, open_instance

pytestmark = pytest.mark.slow
ASSETS = f"{CLIP_ASSETS},{DATA_ASSETS}"


def _tables(store: Path) -> dict[str, str]:
    """sha256 of every table but the registries and the findings, by path in the store."""
    return {
        str(path.relative_to(store)): file_digest(path)
        for path in sorted((store / "tables").rglob("*.parquet"))
        if not path.stem.startswith(("raw_", "registered_"))
    }


def _recorded(store: Path, asset: str) -> set[str]:
    with open_instance(Store(root=str(store))) as instance:
        return set(data_versions(instance, asset))


def _with_shards(store: Store, corpus: Corpus, shards: str) -> tuple[int, str]:
    """A `dance run` that probes the clips, in so many shards; an error is one line."""
    return dance(
        store.path, "run", "--clips", str(corpus.clips), "--profile", "smoke",
        "--only", "clip_probe", "--shards", shards,
    )  # fmt: skip


def test_shards_change_no_table_and_are_runs_of_their_own(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, one, other = make_corpus(6, 40), tmp_path / "one", tmp_path / "other"
    assert run(one, corpus, "--only", ASSETS)[0] == 0
    code, told = run(other, corpus, "--only", ASSETS, "--shards", "3")
    assert code == 0, told
    assert "The clips are in 3 shards. 6 clips registered" in told
    assert _tables(one) == _tables(other)
    clips = sorted(path.stem for path in corpus.tracks.iterdir())
    shards = {shard_of(clip, 3) for clip in clips}
    assert _recorded(other, "pose_tracks") == shards
    assert runs_of(other)["ingest_clips"] == len(shards)

    code, told = run(other, corpus, "--only", ASSETS)
    assert (code, runs_of(other)["ingest_clips"]) == (0, len(shards)), told
    assert "All 10 assets were up to date" in told
    assert "6/6" in dance(other, "status")[1]
    assert dance(other, "verify")[0] == 0
    manifest = Store(root=str(other)).manifest("clip_probe", clips[0])
    whole = manifest.read_text()
    manifest.write_text(whole[:100])
    code, told = dance(other, "verify")
    assert (code, f"clip_probe/{clips[0]}.json is missing or damaged" in told) == (1, True)
    manifest.write_text(whole)

    changed = corpus.tracks / f"{clips[0]}.json"
    changed.write_text(changed.read_text().replace("0.9", "0.8"))
    code, told = run(other, corpus, "--only", ASSETS)
    assert (code, runs_of(other)["ingest_clips"]) == (0, len(shards) + 1), told
    assert "pose_tracks 1" in told, "of its shard this clip alone is made again"


@pytest.mark.parametrize("several", [("--shards", "1"), ("--workers", "1")])
def test_what_is_wrong_with_its_annotations_stops_a_clip_among_others(
    tmp_path: Path, make_corpus: MakeCorpus, several: tuple[str, str]
) -> None:
    """One worker is given several clips in a run."""
    corpus, store = make_corpus(9, 40), Store(root=str(tmp_path / "store"))
    path = corpus.annotations / "ballet_01.json"
    document = json.loads(path.read_text())
    for annotation in document["annotations"][::2]:
        points = annotation["keypoints"]  # x, y and whether it is visible
        points[0::3] = [(x + 80) % 150 for x in points[0::3]]
    path.write_text(json.dumps(document))
    code, told = run(store.path, corpus, "--only", CLIP_ASSETS, *several)
    assert (code, "failed pose_annotations[ballet_01]: limb_length" in told) == (1, True), told
    assert "sampled_frames 8" in told
    for asset in ("sampled_frames", "pose_tracks"):
        assert not store.table(asset, "ballet_01").exists(), asset
        assert store.table(asset, "ballet_02").exists(), asset
    if "--shards" in several:
        code, told = run(store.path, corpus, "--only", "pose_tracks")
        assert code == 1, "it is not made, and no other line says so"
        assert "pose_tracks[ballet_01]: it is left out: pose_annotations: limb_length" in told


def test_a_clip_is_not_made_of_what_failed_for_it(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames that are sampled without annotations stay, and annotated ones would be too many."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    assert run(store.path, corpus, "--only", "clip_probe", "--shards", "1")[0] == 0
    read = clip_import.import_clip

    def failing(clip: str, *given: Any) -> Any:
        if clip == "ballet_01":
            raise RuntimeError("no memory")
        return read(clip, *given)

    monkeypatch.setattr(clip_import, "import_clip", failing)
    graph = build_definitions(PROFILES["smoke"], store, shards=1)
    with open_instance(store) as instance:
        result = graph.resolve_job_def("ingest_clips").execute_in_process(
            instance=instance,
            partition_key="shard-0000",
            asset_selection=[dg.AssetKey(name) for name in ("pose_annotations", "sampled_frames")],
        )
        assert failed_in(instance, result.run_id) == [
            ("pose_annotations", "ballet_01", "ballet_01: RuntimeError: no memory")
        ]
    assert not store.table("sampled_frames", "ballet_01").exists()
    assert store.table("sampled_frames", "street_01").exists()


def test_clips_whose_earlier_tables_are_not_made_fail(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(3, 40), tmp_path / "store"
    code, told = run(store, corpus, "--only", "pose_tracks", "--shards", "1")
    assert code == 1
    table = store / "tables" / "sampled_frames" / "ballet_01.parquet"
    assert f"failed pose_tracks[ballet_01]: {table}: the table sampled_frames of clip" in told
    assert told.count("street_01 is not there yet") == 1, "of each clip its own error"


def test_clips_that_were_partitions_are_not_made_again(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    """Nor are they out of date in the web UI, also after they are observed there."""
    corpus, store = make_corpus(4, 40), tmp_path / "store"
    assert run(store, corpus, "--only", ASSETS)[0] == 0
    before, runs = _tables(store), runs_of(store)
    code, told = run(store, corpus, "--only", ASSETS, "--shards", "2")
    assert code == 0, told
    assert "All 10 assets were up to date" in told
    assert (shards_of(Store(root=str(store))), runs_of(store)) == (2, runs)
    assert _tables(store) == before
    assert _recorded(store, "clip_probe") >= {"shard-0000", "shard-0001"}
    with open_instance(Store(root=str(store))) as instance:
        assert list(instance.get_dynamic_partitions("clips")) == []
    assert _out_of_date(Store(root=str(store))) == {}
    code, told = run(store, corpus, "--only", ASSETS, "--shards", "5")
    assert (code, runs_of(store)) == (0, runs), told
    assert dance(store, "clean", "--yes")[0] == 0
    _observe_clips(Store(root=str(store)))
    assert _out_of_date(Store(root=str(store))) == {}
    _replace_clip(Store(root=str(store)), corpus)
    assert set(_out_of_date(Store(root=str(store)))) == {("clip_probe", shard_of("ballet_01", 5))}


def _replace_clip(store: Store, corpus: Corpus) -> None:
    """Register another video under the name of a clip."""
    ballet = corpus.clips / "ballet"
    copy2(ballet / "ballet_02.mp4", ballet / "ballet_01.mp4")
    with open_instance(store) as instance:
        register_clips(store, instance, [corpus.clips])


def test_the_checks_of_clips_that_were_partitions_are_those_of_their_shards(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(4, 40), Store(root=str(tmp_path / "store"))
    path = corpus.annotations / "street_01.json"
    document = json.loads(path.read_text())
    for annotation in document["annotations"]:
        annotation["keypoints"][0] = -50  # outside of the picture
    path.write_text(json.dumps(document))
    run(store.path, corpus, "--only", CLIP_ASSETS)
    run(store.path, corpus, "--only", CLIP_ASSETS, "--shards", "2")
    told = _checks(store)
    run(store.path, corpus, "--only", CLIP_ASSETS)
    assert _checks(store) == told, "they are told once"
    for asset in CLIP_ASSETS.split(","):
        for shard in ("shard-0000", "shard-0001"):
            assert told[asset, "clips_made", shard][0], (asset, shard)
    afresh = Store(root=str(tmp_path / "afresh"))
    run(afresh.path, corpus, "--only", CLIP_ASSETS, "--shards", "2")
    made = _checks(afresh)
    assert {key: one[:2] for key, one in told.items()} == {
        key: one[:2] for key, one in made.items()
    }
    assert any(not passed for passed, _, _ in told.values())
    run(afresh.path, corpus, "--only", CLIP_ASSETS)
    assert _checks(afresh) == made, "those of a run are not told again"


def _graph(store: Store) -> dg.Definitions:
    return build_definitions(PROFILES["smoke"], store, shards=shards_of(store))


def _observe_clips(store: Store) -> None:
    with open_instance(store) as instance:
        raw = [one for one in _graph(store).assets or () if isinstance(one, dg.SourceAsset)]
        (clips,) = [one for one in raw if one.key == dg.AssetKey("raw_clips")]
        assert observe([clips], resources={"store": store}, instance=instance).success


def _out_of_date(store: Store) -> dict[tuple[str, str], list[str]]:
    """Why the web UI calls an asset of a shard unsynced, where it does."""
    found = {}
    with open_instance(store) as instance:
        graph = _graph(store).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        for asset in CLIP_ASSETS.split(","):
            for shard in clips_of_shards(store):
                causes = resolver.get_stale_causes(dg.AssetKey(asset), shard)
                if own := [one.reason for one in causes if one.asset_key == dg.AssetKey(asset)]:
                    found[asset, shard] = own
    return found


def _checks(store: Store) -> dict[tuple[str, str, str], tuple[bool, str | None, int]]:
    """Whether each check of a shard passed, what it says, and the number of its event."""
    found = {}
    shards = [f"shard-{number:04}" for number in range(shards_of(store))]
    graph = build_definitions(PROFILES["smoke"], store, shards=shards_of(store))
    keys = {
        key
        for asset in graph.resolve_asset_graph().asset_nodes
        if asset.key.to_user_string() in CLIP_ASSETS.split(",")
        for key in asset.check_keys
    }
    with open_instance(store) as instance:
        for key in keys:
            for shard in shards:
                (record,) = instance.event_log_storage.get_asset_check_execution_history(
                    key, limit=1, partition_filter=PartitionKeyFilter(key=shard)
                )
                evaluation = record.evaluation
                assert evaluation is not None
                found[key.asset_key.to_user_string(), key.name, shard] = (
                    evaluation.passed,
                    evaluation.description,
                    record.id,
                )
    return found


def test_a_bad_clip_in_a_shard_is_the_only_one_that_fails(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    corpus, store = make_corpus(3, 40), tmp_path / "store"
    bad = corpus.tracks / "street_01.json"
    kept = bad.read_text()
    bad.write_text("{not JSON")
    code, told = run(store, corpus, "--only", CLIP_ASSETS, "--shards", "1")
    assert code == 1
    assert "failed pose_tracks[street_01]" in told
    assert runs_of(store)["ingest_clips"] == 1
    assert Store(root=str(store)).read("pose_tracks", "ballet_01").height == 40
    bad.write_text(kept)
    assert run(store, corpus, "--only", CLIP_ASSETS)[0] == 0


def test_a_store_in_use_keeps_its_partitions(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    """The graph of a web UI that runs has them."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    assert run(store.path, corpus, "--only", "clip_probe")[0] == 0
    with owner(store.servers_lock) as (process, _):
        code, told = _with_shards(store, corpus, "2")
    assert (code, shards_of(store)) == (2, 0)
    assert "the 3 clips are not put in 2 shards (docs/scale.md): the store is in use" in told
    assert f"process {process.pid}" in told
    assert "End that and run again, or run without --shards" in told


def test_a_refused_number_registers_nothing(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    """Other shards than the store has are refused like the first ones."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    assert run(store.path, corpus, "--only", "clip_probe", "--shards", "2")[0] == 0
    clips = registered_clips(store)
    (corpus.clips / "street" / "street_01.mp4").rename(corpus.clips / "street" / "new.mp4")
    with owner(store.servers_lock):
        for wanted in ("4", "0", "5000"):
            code, told = _with_shards(store, corpus, wanted)
            assert code == 2, told
        assert registered_clips(store).equals(clips)
        code, told = run(store.path, corpus, "--only", "clip_probe", "--shards", "2")
        assert (code, shards_of(store)) == (0, 2), told


def test_clips_that_are_many_stay_until_the_store_is_free(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for shards: it is a warning, and tried again."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    monkeypatch.setattr(shards, "MOST_CLIPS", 2)
    with owner(store.servers_lock):
        code, told = run(store.path, corpus, "--only", "clip_probe")
    assert (code, shards_of(store)) == (0, 0)
    assert "warning: the 3 clips are not put in 256 shards" in told
    assert run(store.path, corpus, "--only", "clip_probe")[0] == 0
    assert shards_of(store) == 256


def test_another_number_that_was_chosen_meanwhile(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    monkeypatch.setattr(Session, "_put_in_shards", lambda session, named: set_shards(store, 3))
    code, told = _with_shards(store, corpus, "2")
    assert (code, registered_clips(store).height) == (2, 0)
    assert "another command has put the clips in 3 shards just now, and not in 2" in told


def test_a_store_that_another_command_runs_on_keeps_its_partitions(
    tmp_path: Path, make_corpus: MakeCorpus
) -> None:
    """Between two clips it holds the lock of none; its next ones would be no partitions."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    given = Given([corpus.clips])
    other = Session(Request(store.path, only=frozenset({"clip_probe"})), Console(quiet=True))
    other.register(given)
    code, told = _with_shards(store, corpus, "2")
    assert (code, shards_of(store)) == (2, 0)
    assert "the store is in use by another command or server that has the graph. End that" in told
    assert not other.run().failed
    run(store.path, corpus, "--only", "clip_probe", "--shards", "2")
    assert shards_of(store) == 2


def test_more_clips_than_partitions_are_for_are_put_in_shards(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    monkeypatch.setattr(shards, "MOST_CLIPS", 2)
    code, told = run(store.path, corpus, "--only", "clip_probe")
    assert (code, shards_of(store)) == (0, shards.FEWEST), told
    assert "The clips are in 256 shards. 3 clips registered (3 new" in told
    assert len(_recorded(store.path, "clip_probe")) == 3


def test_clips_that_were_moved_are_counted_once(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards cannot be taken back."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    monkeypatch.setattr(shards, "MOST_CLIPS", 4)
    assert run(store.path, corpus, "--only", "clip_probe")[0] == 0
    moved = Corpus(corpus.root.with_name(f"{corpus.root.name}-moved"))
    corpus.root.rename(moved.root)
    code, told = run(store.path, moved, "--only", "clip_probe")
    assert (code, shards_of(store)) == (0, 0), told
    assert "3 clips registered (0 new, 3 changed)" in told
    code, told = run(store.path, moved, "--only", "clip_probe", "--shards", "1")
    assert "The clips are in 1 shard. 3 clips" in told


def test_a_graph_that_was_built_before_is_refused(tmp_path: Path, make_corpus: MakeCorpus) -> None:
    """As that of a web UI on another machine."""
    corpus, store = make_corpus(3, 40), Store(root=str(tmp_path / "store"))
    assert run(store.path, corpus, "--only", "clip_probe", "--shards", "2")[0] == 0
    earlier = build_definitions(PROFILES["smoke"], store, shards=3)
    with open_instance(store) as instance:
        result = earlier.resolve_job_def("ingest_clips").execute_in_process(
            instance=instance, partition_key="shard-0002", raise_on_error=False
        )
        (error, *_) = [
            event.step_failure_data.error for event in result.all_events if event.is_step_failure
        ]
    assert error is not None
    assert "in 2 shards, and were in 3 when this process was started" in str(error)
