"""The sensors of the raw folders, tick by tick, on a store of their own."""

import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from tiny_corpus import Corpus, MakeCorpus

from pipelines.automation.ingestion import changed_annotations, new_clips
from pipelines.store import Store, open_instance


class Heard(logging.Handler):
    """What the sensors say in the web UI."""

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
        self.heard = Heard()

    def tick(self, sensor: dg.SensorDefinition) -> tuple[list[dg.RunRequest], str]:
        """One tick as the daemon does it; run requests and the reason of a skip."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor.name),
            resources={"store": self.store},
        )
        context.log.addHandler(self.heard)
        said = sensor(context)
        if isinstance(said, dg.SkipReason):
            self.cursors[sensor.name] = context.cursor
            return [], said.skip_message or ""
        assert isinstance(said, dg.SensorResult)
        self.cursors[sensor.name] = said.cursor
        for request in said.dynamic_partitions_requests or []:
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions("clips", list(request.partition_keys))
        return list(said.run_requests or []), ""

    def clips(self) -> set[str | None]:
        """The partitions that the clip sensor asks for, over two ticks."""
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

    def drop(self, *names: str) -> None:
        for path in sorted(self.corpus.clips.rglob("*.mp4")):
            if path.stem in names:
                target = self.store.raw_clips / path.parent.name / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


@pytest.fixture
def watched(
    tmp_path: Path, make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    store = Store(root=str(tmp_path / "store")).initialise()
    with open_instance(store) as instance:
        yield Watched(store, instance, make_corpus(3, 50))


def test_new_changed_and_removed_clips(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    assert watched.clips() == set()
    watched.drop("ballet_01", "street_01")
    requests, reason = watched.tick(new_clips)
    assert not requests
    assert "2 files wait for a second look" in reason
    assert watched.clips() == {"ballet_01", "street_01"}
    assert watched.clips() == set()

    path = watched.store.raw_clips / "street" / "street_01.mp4"
    shutil.copy(next(watched.corpus.clips.rglob("contemporary_01.mp4")), path)
    assert watched.clips() == {"street_01"}

    path.unlink()
    assert watched.clips() == set()
    assert "street_01.mp4 has gone; the tables of its clip are kept" in watched.heard.text
    assert set(watched.instance.get_dynamic_partitions("clips")) == {"ballet_01", "street_01"}


def test_a_look_that_is_repeated_asks_for_the_same_runs(watched: Watched) -> None:
    """The daemon died after the sensor registered the clips and before it started the runs."""
    watched.drop("ballet_01")
    watched.tick(new_clips)
    cursor = watched.cursors["new_clips"]
    first, _ = watched.tick(new_clips)
    watched.cursors["new_clips"] = cursor
    again, _ = watched.tick(new_clips)
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert len(first) == 1


def test_a_manifest_that_changes_a_style_reaches_its_clips_alone(watched: Watched) -> None:
    watched.drop("ballet_01", "street_01")
    watched.clips()
    manifest = watched.store.raw_clips / "clips.csv"
    manifest.write_text("clip,style,performer,take\nstreet_01,house,ann,take7\n")
    assert watched.clips() == {"street_01"}


def test_annotations_start_the_clips_they_speak_of(watched: Watched) -> None:
    watched.drop("ballet_01", "street_01")
    watched.clips()
    folder = watched.store.raw_annotations
    for name in ("ballet_01", "contemporary_01"):
        shutil.copy(watched.corpus.root / "annotations" / f"{name}.json", folder)
    assert watched.annotated() == {"ballet_01"}
    assert "annotations for contemporary_01, a clip that is not registered" in watched.heard.text
    assert watched.annotated() == set()

    path = folder / "ballet_01.json"
    document = json.loads(path.read_text())
    document["annotations"] = document["annotations"][:20]
    path.write_text(json.dumps(document))
    assert watched.annotated() == {"ballet_01"}
    path.unlink()  # what it said no longer holds
    assert watched.annotated() == {"ballet_01"}
