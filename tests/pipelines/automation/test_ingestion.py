"""The sensors of the raw folders, tick by tick, on a temporary store."""

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bucket
import dagster as dg
import numpy as np
import polars as pl
import pytest
from tiny_corpus import Corpus, MakeCorpus

from dance_models.profiles import PROFILES
from dance_models.tables import write_table
from dance_models.video.decode import write_jpeg
from dance_models.video.images import clip_digest
from pipelines.automation.folders import scan_of
from pipelines.automation.ingestion import SCANS, annotation_sensor, clip_sensor
from pipelines.automation.switches import AutomationSettings
from pipelines.graph import stages_of
from pipelines.stage import INPUTS_TAG
from pipelines.storage.annotation_problems import write_problems
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.bucket import Bucket
from pipelines.storage.bucket_clips import mirror
from pipelines.storage.clips import register_clips, registered_clips, set_shards
from pipelines.storage.registration import VERSION_TAG
from pipelines.storage.shard_keys import by_shard
from pipelines.storage.store import Store, open_instance

SMOKE = PROFILES["smoke"]
new_clips = clip_sensor(SMOKE, AutomationSettings())
changed_annotations = annotation_sensor(SMOKE, AutomationSettings())


class SensorLog(logging.Handler):
    """The log of the sensors in the web UI."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + "\n"


@dataclass
class Watched:
    """A store and the cursors of both sensors."""

    store: Store
    instance: dg.DagsterInstance
    corpus: Corpus

    def __post_init__(self) -> None:
        self.cursors: dict[str, str | None] = {}
        self.log = SensorLog()

    def tick(self, sensor: dg.SensorDefinition) -> tuple[list[dg.RunRequest], str]:
        """One tick as the daemon does it; run requests and the reason of a skip."""
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor.name),
            resources={"store": self.store},
        ) as context:
            context.log.addHandler(self.log)
            answer = sensor(context)
            if isinstance(answer, dg.SkipReason):
                self.cursors[sensor.name] = context.cursor
                return [], answer.skip_message or ""
        assert isinstance(answer, dg.SensorResult)
        self.cursors[sensor.name] = answer.cursor
        for request in answer.dynamic_partitions_requests or []:
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions("clips", list(request.partition_keys))
        return list(answer.run_requests or []), ""

    def clips(self) -> set[str | None]:
        """The partitions that the clip sensor requests over two ticks."""
        return {
            request.partition_key
            for requests, _ in (self.tick(new_clips), self.tick(new_clips))
            for request in requests
        }

    def annotated(self) -> set[str | None]:
        return {
            request.partition_key
            for requests, _ in (self.tick(changed_annotations), self.tick(changed_annotations))
            for request in requests
        }

    def ingest(self, *clips: str) -> None:
        """Write what the runs of clips leave behind: tables and the digests of their inputs."""
        for clip in clips:
            write_problems(self.store, clip, [])
            for stage in (stage for stage in stages_of(SMOKE) if stage.partitioned):
                table = pl.DataFrame({"clip": [clip], "stage": [stage.name]})
                version = write_table(table, self.store.table(stage.name, clip), {})
                if stage.name in {"clip_probe", "pose_annotations"}:
                    inputs = stage.digest(stage.context(self.store, SMOKE, clip))
                    assert stage.checks is not None
                    stage.checks.record(self.store, SMOKE.quality, clip, inputs, [])
                    event = dg.AssetMaterialization(
                        stage.name, partition=clip, tags={INPUTS_TAG: inputs, VERSION_TAG: version}
                    )
                    self.instance.report_runless_asset_event(event)

    def drop(self, *names: str) -> None:
        for path in sorted(self.corpus.clips.rglob("*.mp4")):
            if path.stem in names:
                target = self.store.raw_clips / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


@pytest.fixture(scope="module")
def template(make_corpus: MakeCorpus) -> Corpus:
    return make_corpus(3, 50)


@pytest.fixture
def watched(tmp_path: Path, template: Corpus, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    corpus = Corpus(tmp_path / "corpus")
    shutil.copytree(template.root, corpus.root)
    store = Store(root=str(tmp_path / "store")).initialise()
    with open_instance(store) as instance:
        yield Watched(store, instance, corpus)


def test_the_cursors_do_not_grow_with_the_store(watched: Watched) -> None:
    """Dagster keeps the cursor of each tick, four a minute, for a month."""
    watched.drop("ballet_01", "street_01", "contemporary_01")
    for number in range(20):
        (watched.store.raw_annotations / f"labels_{number}.json").write_text("{}")
    watched.clips()
    watched.annotated()
    assert {len(cursor) < 100 for cursor in watched.cursors.values() if cursor} == {True}
    assert watched.clips() == watched.annotated() == set()
    cursors = dict(watched.cursors)
    assert watched.clips() == watched.annotated() == set()
    assert watched.cursors == cursors
    shutil.rmtree(watched.store.dagster_home / "scans")
    watched.ingest("ballet_01", "street_01", "contemporary_01")
    assert watched.clips() == set(), "what is fresh is not made again"


def test_new_and_changed_clips_are_ingested_and_removed_ones_reported(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    assert watched.clips() == set()
    watched.drop("ballet_01", "street_01")
    requests, reason = watched.tick(new_clips)
    assert not requests
    assert "2 files wait for a second scan" in reason
    assert watched.clips() == {"ballet_01", "street_01"}
    assert watched.clips() == set()

    path = watched.store.raw_clips / "street" / "street_01.mp4"
    shutil.copy(next(watched.corpus.clips.rglob("contemporary_01.mp4")), path)
    assert watched.clips() == {"street_01"}

    path.unlink()
    assert watched.clips() == set()
    assert "street_01.mp4 is missing; the tables of its clip are kept" in watched.log.text
    assert set(watched.instance.get_dynamic_partitions("clips")) == {"ballet_01", "street_01"}


def test_clips_in_shards_are_a_run_for_each_shard(watched: Watched) -> None:
    set_shards(watched.store, 2)
    watched.drop("ballet_01", "street_01", "contemporary_01")
    shards = by_shard(("ballet_01", "street_01", "contemporary_01"), 2)
    assert watched.clips() == set(shards)
    assert watched.clips() == set()
    assert list(watched.instance.get_dynamic_partitions("clips")) == []
    assert registered_clips(watched.store).height == 3


def test_after_a_reset_of_the_cursor_runs_have_other_keys(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster starts no run under a key that it knows, and the first one may have failed."""
    watched.drop("ballet_01")
    keys = []
    for now in (1e9, 1e9 + 60):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        watched.cursors.clear()
        watched.tick(new_clips)
        (request,) = watched.tick(new_clips)[0]
        keys.append(request.run_key)
    assert len(set(keys)) == 2


def test_a_repeated_scan_requests_the_same_runs(watched: Watched) -> None:
    """The daemon died after the sensor registered the clips and before it started the runs."""
    watched.drop("ballet_01")
    watched.tick(new_clips)
    cursor = watched.cursors["new_clips"]
    first, _ = watched.tick(new_clips)
    watched.cursors["new_clips"] = cursor
    again, _ = watched.tick(new_clips)
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert len(first) == 1


def test_a_style_changed_in_the_manifest_affects_only_its_clips(watched: Watched) -> None:
    watched.drop("ballet_01", "street_01")
    watched.ingest(*watched.clips())
    row = "clip,style,performer,take\n{},house,ann,take7\n"
    (watched.store.raw_clips / "clips.csv").write_text(row.format("street_01"))
    assert watched.clips() == {"street_01"}
    watched.ingest("street_01")
    (watched.store.raw_clips / "clips.csv").unlink()
    (watched.store.raw_clips.parent / "clips.csv").write_text(row.format("ballet_01"))
    assert watched.clips() == {"ballet_01", "street_01"}
    assert registered_clips(watched.store)["style"].to_list() == ["house", "street"]


def test_clips_that_are_already_ingested_start_no_run(watched: Watched) -> None:
    """Clips were ingested from the command line before automation was enabled."""
    watched.drop("ballet_01", "street_01")
    register_clips(watched.store, watched.instance, [watched.store.raw_clips])
    watched.ingest("ballet_01")
    assert watched.clips() == {"street_01"}  # the command line was stopped before this one


def test_clips_registered_from_other_folders_are_watched(watched: Watched) -> None:
    """The command that registers them ingests them; later changes are for the sensor."""
    register_clips(watched.store, watched.instance, [watched.corpus.clips])
    assert watched.clips() == set()
    watched.ingest("ballet_01", "contemporary_01", "street_01")
    path = watched.corpus.clips / "street" / "street_01.mp4"
    shutil.copy(next(watched.corpus.clips.rglob("contemporary_01.mp4")), path)
    assert watched.clips() == {"street_01"}
    (row,) = registered_clips(watched.store).filter(clip="street_01").to_dicts()
    assert row["style"] == "street"
    watched.ingest("street_01")
    path.unlink()
    assert watched.clips() == set()
    assert "street_01.mp4 is missing" in watched.log.text


def test_new_clips_in_a_folder_that_was_named_are_ingested(
    watched: Watched, tmp_path: Path
) -> None:
    """Those that were there are for the command that was given the folder."""
    street = next(watched.corpus.clips.rglob("street_01.mp4"))
    waiting = shutil.move(street, tmp_path / street.name)
    register_clips(watched.store, watched.instance, [watched.corpus.clips])
    assert watched.clips() == set()
    (watched.corpus.clips / "notes.txt").write_text("no clip")
    shutil.copy(waiting, street)
    requests, reason = watched.tick(new_clips)
    assert (requests, reason) == ([], "1 files wait for a second scan, the first is street_01.mp4")
    cursor = watched.cursors["new_clips"]
    (first,) = watched.tick(new_clips)[0]
    watched.cursors["new_clips"] = cursor  # the daemon died after it had registered the clip
    (again,) = watched.tick(new_clips)[0]
    assert (again.partition_key, again.run_key) == ("street_01", first.run_key)
    (row,) = registered_clips(watched.store).filter(clip="street_01").to_dicts()
    assert (row["style"], row["path"]) == ("street", str(street))
    watched.ingest("street_01")
    assert watched.clips() == set()
    shutil.copy(next(watched.corpus.clips.rglob("contemporary_01.mp4")), street)
    assert watched.clips() == {"street_01"}
    watched.ingest("street_01")
    shutil.rmtree(watched.corpus.clips)
    assert watched.clips() == set()
    assert "street_01.mp4 is missing; the tables of its clip are kept" in watched.log.text


def test_a_scan_remembers_of_missing_files_those_of_registered_clips_alone(
    watched: Watched,
) -> None:
    """Names of files that come and go would else be in it, and in each later one, for ever."""

    def missing(sensor: dg.SensorDefinition) -> tuple[str, ...]:
        folder = watched.store.dagster_home / SCANS / sensor.name
        return scan_of(folder, watched.cursors[sensor.name]).missing

    for name in ("a", "b"):
        path = watched.store.raw_annotations / f"{name}.json"
        path.write_text("{}")
        watched.annotated()
        path.unlink()
        watched.annotated()
    assert missing(changed_annotations) == ()
    watched.drop("street_01")
    watched.clips()
    path = watched.store.raw_clips / "street" / "street_01.mp4"
    moved = path.rename(watched.store.raw_clips / "street_01.mp4")
    for _ in range(2):
        watched.clips()
    assert registered_clips(watched.store)["path"].to_list() == [str(moved)]
    assert missing(new_clips) == ()
    moved.unlink()
    for _ in range(2):
        watched.clips()
    assert missing(new_clips) == (str(moved),)


def test_a_clip_elsewhere_that_was_replaced_while_it_was_away_is_ingested(
    watched: Watched, tmp_path: Path
) -> None:
    """Deleted and copied anew with a tick between, or on a disk that was not mounted."""
    register_clips(watched.store, watched.instance, [watched.corpus.clips])
    assert watched.clips() == set()
    watched.ingest("ballet_01", "contemporary_01", "street_01")
    other = shutil.copy(next(watched.corpus.clips.rglob("contemporary_01.mp4")), tmp_path)
    street, ballet = (watched.corpus.clips / f"{n}/{n}_01.mp4" for n in ("street", "ballet"))
    street.unlink()
    assert watched.clips() == set()
    shutil.copy(other, street)
    assert watched.clips() == {"street_01"}
    watched.ingest("street_01")
    away = watched.corpus.clips.rename(tmp_path / "away")
    assert watched.clips() == set()
    shutil.copy(other, away / ballet.relative_to(watched.corpus.clips))
    away.rename(watched.corpus.clips)
    assert watched.clips() == {"ballet_01"}, "the others are what they were"


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("images", [False, True])
def test_a_clip_elsewhere_that_was_overwritten_before_the_first_look_is_ingested(
    watched: Watched, tmp_path: Path, images: bool, older: bool
) -> None:
    """One whose file was only touched is read, and nothing is made again."""
    name = "frames/{}_01/000002.jpg" if images else "{0}/{0}_01.mp4"
    street, ballet = (watched.corpus.clips / name.format(n) for n in ("street", "ballet"))
    for path in (street, ballet) if images else ():
        path.parent.mkdir(parents=True)
        write_jpeg(path, np.zeros((12, 16, 3), np.uint8), 90)
        shutil.copy(path, path.with_name("000001.jpg"))
    register_clips(watched.store, watched.instance, [watched.corpus.clips])
    clips = {Path(row["path"]): row["clip"] for row in registered_clips(watched.store).to_dicts()}
    watched.ingest(*clips.values())
    street.write_bytes(street.read_bytes() + b"another")
    if older:  # as of one that was moved there, or copied with its time
        os.utime(street, (1e9, 1e9))
    ballet.touch()
    assert watched.clips() == {clips[street.parent if images else street]}
    register_clips(watched.store, watched.instance, [])
    assert watched.clips() == set()


def test_clips_that_an_earlier_version_registered_are_taken_as_they_are(watched: Watched) -> None:
    register_clips(watched.store, watched.instance, [watched.corpus.clips])
    watched.ingest("ballet_01", "contemporary_01", "street_01")
    earlier = watched.store.read("raw_clips").drop("size", "mtime_ns", "members")
    write_table(earlier, watched.store.table("raw_clips"), {})
    assert watched.clips() == set()
    found = register_clips(watched.store, watched.instance, [watched.corpus.clips])
    assert found.changed == []
    assert registered_clips(watched.store)["mtime_ns"].null_count() == 0


def test_an_image_that_went_before_the_first_look_is_a_change(
    watched: Watched, tmp_path: Path
) -> None:
    folder = tmp_path / "frames" / "solo"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        write_jpeg(folder / f"{number:06d}.jpg", np.zeros((12, 16, 3), np.uint8), 90)
    register_clips(watched.store, watched.instance, [folder.parent])
    (before,) = registered_clips(watched.store)["sha256"]
    (folder / "000002.jpg").unlink()
    assert watched.clips() == {"solo"}
    assert registered_clips(watched.store)["sha256"].to_list() != [before]


def test_a_folder_that_was_named_may_hold_the_store(watched: Watched, tmp_path: Path) -> None:
    """Its frames are no clips."""
    frames = watched.store.frames("ballet_01")
    frames.mkdir(parents=True)
    for number in (1, 2):
        write_jpeg(frames / f"{number:06d}.jpg", np.zeros((12, 16, 3), np.uint8), 90)
    register_clips(watched.store, watched.instance, [tmp_path])
    assert registered_clips(watched.store).height == 3
    shutil.copy(next(watched.corpus.clips.rglob("street_01.mp4")), watched.store.path / "own.mp4")
    assert watched.clips() == {"own"}, "a store may lie in a folder with clips"
    shutil.copy(next(watched.corpus.clips.rglob("street_01.mp4")), tmp_path / "one.mp4")
    assert watched.clips() == {"one"}
    assert registered_clips(watched.store).height == 5


def test_a_folder_of_images_is_ingested_once_all_its_images_are_there(watched: Watched) -> None:
    watched.clips()
    folder = watched.store.raw_clips / "salsa" / "images"
    folder.mkdir(parents=True)
    for number in (1, 2):
        write_jpeg(folder / f"{number:04d}.jpg", np.zeros((12, 16, 3), np.uint8), 90)
    watched.tick(new_clips)
    write_jpeg(folder / "0003.jpg", np.zeros((12, 16, 3), np.uint8), 90)
    assert watched.tick(new_clips)[0] == [], "an image is still being written"
    (request,) = watched.tick(new_clips)[0]
    assert request.partition_key == "images"
    (row,) = registered_clips(watched.store).filter(clip="images").to_dicts()
    assert (row["style"], row["sha256"]) == ("salsa", clip_digest(folder))


def test_a_clip_restored_to_an_earlier_version_is_ingested_again(watched: Watched) -> None:
    """Restored from a backup with its old time stamp: the earlier run must not count."""
    watched.drop("street_01")
    path = watched.store.raw_clips / "street" / "street_01.mp4"
    backup = shutil.copy2(path, watched.corpus.root / "backup.mp4")
    (first,) = [*watched.tick(new_clips)[0], *watched.tick(new_clips)[0]]
    watched.ingest("street_01")
    shutil.copy(next(watched.corpus.clips.rglob("contemporary_01.mp4")), path)
    assert watched.clips() == {"street_01"}
    watched.ingest("street_01")
    shutil.copy2(backup, path)
    watched.tick(new_clips)
    (again,) = watched.tick(new_clips)[0]
    assert again.run_key != first.run_key


def test_a_raw_folder_may_be_a_symbolic_link(watched: Watched, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    watched.store.raw_clips.rmdir()
    watched.store.raw_clips.symlink_to(disk)
    watched.drop("ballet_01")
    assert watched.clips() == {"ballet_01"}
    watched.ingest("ballet_01")
    assert watched.clips() == set()


def test_annotations_start_runs_of_the_clips_they_mention(watched: Watched) -> None:
    watched.drop("ballet_01", "street_01")
    watched.ingest(*watched.clips())
    folder = watched.store.raw_annotations
    for name in ("ballet_01", "contemporary_01"):
        shutil.copy(watched.corpus.annotations / f"{name}.json", folder)
    assert watched.annotated() == {"ballet_01"}
    assert "annotations for contemporary_01, a clip that is not registered" in watched.log.text
    assert watched.annotated() == set()
    watched.ingest("ballet_01")

    path = folder / "ballet_01.json"
    document = json.loads(path.read_text())
    document["annotations"] = document["annotations"][:20]
    path.write_text(json.dumps(document))
    assert watched.annotated() == {"ballet_01"}
    watched.ingest("ballet_01")
    path.unlink()  # its annotations no longer count
    assert watched.annotated() == {"ballet_01"}


@pytest.mark.parametrize("before", ["a tick that was killed", "the sensor of clips"])
@pytest.mark.parametrize("change", ["deleted", "of another clip"])
def test_a_clip_that_a_file_mentioned_is_run_whoever_registered_the_change(
    watched: Watched, before: str, change: str
) -> None:
    """It would keep the annotations of a file that is gone, or is another clip's now."""
    watched.drop("ballet_01", "street_01")
    watched.ingest(*watched.clips())
    path = watched.store.raw_annotations / "ballet_01.json"
    shutil.copy(watched.corpus.annotations / path.name, path)
    assert watched.annotated() == {"ballet_01"}
    watched.ingest("ballet_01")
    if change == "deleted":
        path.unlink()
    else:
        shutil.copy(watched.corpus.annotations / "street_01.json", path)
    if before == "the sensor of clips":
        watched.drop("contemporary_01")
        watched.clips()
    else:
        if change != "deleted":
            watched.tick(changed_annotations)  # the first look at what is new
        cursor = watched.cursors["changed_annotations"]
        watched.tick(changed_annotations)
        watched.cursors["changed_annotations"] = cursor
    expected = {"ballet_01"} if change == "deleted" else {"ballet_01", "street_01"}
    assert watched.annotated() == expected


def test_annotations_arriving_with_their_clip_start_no_second_run(watched: Watched) -> None:
    watched.drop("ballet_01")
    shutil.copy(watched.corpus.annotations / "ballet_01.json", watched.store.raw_annotations)
    assert watched.clips() == {"ballet_01"}
    assert watched.annotated() == set()
    watched.ingest("ballet_01")
    assert watched.annotated() == set()


def test_annotation_files_are_read_while_another_one_is_being_written(watched: Watched) -> None:
    watched.drop("ballet_01", "street_01")
    watched.ingest(*watched.clips())
    folder, source = watched.store.raw_annotations, watched.corpus.annotations
    shutil.copy(source / "ballet_01.json", folder)
    growing = folder / "street_01.json"
    asked: set[str | None] = set()
    for length in (100, 200, 300):
        growing.write_text((source / "street_01.json").read_text()[:length])
        asked |= {request.partition_key for request in watched.tick(changed_annotations)[0]}
    assert asked == {"ballet_01"}
    assert "street_01.json" not in watched.log.text  # no warning for a half-written file
    shutil.copy(source / "street_01.json", growing)
    assert watched.annotated() == {"street_01"}


def test_annotations_registered_from_other_folders_are_watched(watched: Watched) -> None:
    watched.drop("ballet_01", "street_01")
    watched.clips()
    register_annotations(watched.store, watched.instance, [watched.corpus.annotations])
    watched.ingest("ballet_01", "street_01")
    assert watched.annotated() == set()
    path = watched.corpus.annotations / "street_01.json"
    document = json.loads(path.read_text())
    document["annotations"] = document["annotations"][:20]
    path.write_text(json.dumps(document))
    assert watched.annotated() == {"street_01"}
    watched.ingest("street_01")
    path.unlink()
    assert watched.annotated() == {"street_01"}


def test_annotations_stay_registered_while_their_folder_is_away(
    watched: Watched, tmp_path: Path
) -> None:
    """A disk that is not mounted for a tick: nothing is made without them, and they come back."""
    watched.drop("ballet_01", "street_01")
    watched.clips()
    register_annotations(watched.store, watched.instance, [watched.corpus.annotations])
    watched.ingest("ballet_01", "street_01")
    assert watched.annotated() == set()
    before = registered_annotations(watched.store)
    away = watched.corpus.annotations.rename(tmp_path / "away")
    assert watched.annotated() == set()
    said = f"{watched.corpus.annotations} is not there; what was read of its 3 files is kept"
    assert watched.log.text.count(said) == 1
    assert registered_annotations(watched.store).equals(before)
    document = json.loads((away / "street_01.json").read_text())
    document["annotations"] = document["annotations"][:20]
    (away / "street_01.json").write_text(json.dumps(document))
    away.rename(watched.corpus.annotations)
    assert watched.annotated() == {"street_01"}


def test_clips_of_a_bucket_are_watched(
    watched: Watched, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = bucket.new_url()
    there, sent = Bucket.of(url), sorted(watched.corpus.clips.rglob("*.mp4"))
    there.put("ballet/one.mp4", sent[0])
    mirror(watched.store, url)
    assert watched.clips() == {"one"}
    watched.ingest("one")
    assert watched.clips() == set()
    there.put("ballet/two.mp4", sent[1])
    assert watched.clips() == {"two"}
    watched.ingest("two")
    there.put("ballet/one.mp4", sent[2])
    assert watched.clips() == {"one"}
    watched.ingest("one")
    there.delete(["ballet/two.mp4"])
    assert watched.clips() == set()
    assert "two.mp4 is missing; the tables of its clip are kept" in watched.log.text
    away = f"as they were listed last: {url}: the server cannot be reached"
    for times in (1, 2):  # each once: what a tick says is a file that nothing deletes
        with monkeypatch.context() as patch:
            patch.setattr(Bucket, "listed", bucket.away)
            assert watched.clips() == watched.clips() == set()
        assert watched.log.text.count(away) == times
        assert watched.clips() == set()
