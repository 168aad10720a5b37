"""A step over one shard, clip by clip."""

import json
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dance_models.errors import InputError
from dance_models.quality.findings import Finding
from pipelines.checks.asset_checks import AssetChecks, Check
from pipelines.shard_step import (
    CLIPS,
    CLIPS_MADE,
    KILLED,
    PICTURED,
    SENT_AT_ONCE,
    MadeClip,
    ShardStep,
)
from pipelines.storage.store import Store

SHARD = "shard-0003"
CHECKS = AssetChecks(
    "numbers", (Check("spots", "No spots.", blocking=True),), lambda store, quality, clip: []
)


@dataclass
class Work:
    """What is done for the clips of a shard."""

    store: Store
    instance: dg.DagsterInstance
    bad: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    left_out: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    pictured: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda clip: None

    def make(self, clip: str, pictured: bool) -> MadeClip:
        self.asked.append(clip)
        self.before(clip)
        if pictured:
            self.pictured.append(clip)
        if clip in self.bad:
            raise RuntimeError("half-way")
        table = self.store.table("numbers", clip)
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(clip)
        return MadeClip({}, [Finding("spots", clip, "a spot", 2.0, 1.0)], clip in self.fresh)

    def run(self, *clips: str) -> "dg.MaterializeResult[object]":
        self.asked.clear()
        log = logging.getLogger("test")
        step = ShardStep(
            "numbers", SHARD, self.store, self.instance, log, CHECKS, self.make, self.left_out.get
        )
        return step.run(clips)


@pytest.fixture
def work(tmp_path: Path, instance: dg.DagsterInstance) -> Work:
    return Work(Store(root=str(tmp_path)), instance)


def _results(result: "dg.MaterializeResult[object]") -> dict[str | None, dg.AssetCheckResult]:
    return {one.check_name: one for one in result.check_results or ()}


def test_every_clip_is_told_of(work: Work) -> None:
    work.bad, work.fresh, work.left_out = {"b"}, {"c"}, {"d": "a check stopped it"}
    result = work.run("a", "b", "c", "d")
    assert result.metadata is not None
    assert result.metadata[CLIPS] == {
        "made": ["a"],
        "failed": {"b": "RuntimeError: half-way"},
        "left_out": {"d": "a check stopped it"},
        "made_again": {},
    }
    assert (result.metadata["clips"], result.metadata["reused"]) == (4, 1)
    made = _results(result)[CLIPS_MADE]
    assert (made.passed, made.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert made.description == "b: RuntimeError: half-way"


def test_what_is_wrong_with_the_input_is_said_as_it_is(work: Work) -> None:
    def refused(clip: str) -> None:
        if clip == "b":
            raise InputError("the file has gone", file=Path("/b.mp4"), hint="Put it back")

    work.before = refused
    result = work.run("a", "b")
    assert _results(result)[CLIPS_MADE].description == "b: /b.mp4: the file has gone. Put it back"


def test_findings_are_a_warning_that_stops_no_other_clip(work: Work) -> None:
    spots = _results(work.run("a", "b"))["spots"]
    assert (spots.passed, spots.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert spots.metadata["count"].value == 2
    assert _results(work.run("a", "b"))[CLIPS_MADE].passed


def test_a_step_that_makes_nothing_fails(work: Work) -> None:
    work.bad = {"a", "b"}
    with pytest.raises(dg.Failure, match="b: RuntimeError: half-way") as failure:
        work.run("a", "b")
    became: Any = failure.value.metadata[CLIPS].value
    assert became["failed"] == dict.fromkeys(("a", "b"), "RuntimeError: half-way")
    assert work.run().metadata is not None, "a shard without clips is made"


def test_the_version_is_that_of_what_is_there(work: Work) -> None:
    first, again = work.run("a", "b"), work.run("a", "b")
    assert first.data_version == again.data_version
    assert work.run("a", "b", "c").data_version != first.data_version


def test_the_first_clips_have_pictures(work: Work) -> None:
    work.run(*"abcdefgh")
    assert work.pictured == list("abcdefgh"[:PICTURED])


class Sent:
    """In the place of a bucket: what was sent at a time."""

    def __init__(self) -> None:
        self.clips: list[list[str]] = []

    def commit_clips(self, stage: str, clips: list[str]) -> None:
        assert stage == "numbers"
        self.clips.append(list(clips))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    found = Sent()
    monkeypatch.setattr(Store, "remote", found)
    return found


def test_clips_are_sent_some_at_a_time_and_all_that_are_there_at_the_end(
    work: Work, sent: Sent
) -> None:
    clips = [f"clip_{number:02}" for number in range(2 * SENT_AT_ONCE + 3)]
    work.bad, work.fresh, work.left_out = {clips[0]}, {clips[1]}, {clips[2]: "a check stopped it"}
    work.run(*clips)
    there = [clip for clip in clips if clip not in (clips[0], clips[2])]
    first, second, last = sent.clips
    assert first == there[1 : 1 + SENT_AT_ONCE]
    assert second == there[1 + SENT_AT_ONCE : 1 + 2 * SENT_AT_ONCE]
    assert last == there, "also what an earlier step made that was killed"


def test_a_clip_that_fails_is_not_sent(work: Work, sent: Sent) -> None:
    work.bad = {"a"}
    with pytest.raises(dg.Failure):
        work.run("a")
    assert sent.clips == [[]]


def _killed_at(work: Work, deadly: str, *clips: str) -> None:
    """Run the step in a process that is killed at one clip."""
    pid = os.fork()
    if pid == 0:
        work.before = lambda clip: os.kill(os.getpid(), signal.SIGKILL) if clip == deadly else None
        try:
            work.run(*clips)
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_a_clip_that_kills_its_process_is_made_last_and_then_left_out_once(work: Work) -> None:
    clips, note = ("a", "b", "c"), work.store.lock("numbers", SHARD).with_suffix(".at")
    _killed_at(work, "a", *clips)
    assert json.loads(note.read_text()) == {"a": 1}
    assert not work.store.table("numbers", "b").exists()
    _killed_at(work, "a", *clips)
    assert json.loads(note.read_text()) == {"a": 2}
    assert work.store.table("numbers", "b").exists()
    result = work.run(*clips)
    assert work.asked == ["b", "c"]
    assert result.metadata is not None
    assert result.metadata[CLIPS]["failed"] == {"a": KILLED}
    assert not note.exists()
    work.run(*clips)
    assert work.asked == ["a", "b", "c"], "the next run tries it again"


def test_another_clip_at_which_the_process_was_killed_is_counted_on_its_own(work: Work) -> None:
    clips, note = ("a", "b", "c"), work.store.lock("numbers", SHARD).with_suffix(".at")
    _killed_at(work, "a", *clips)
    _killed_at(work, "c", *clips)
    assert json.loads(note.read_text()) == {"a": 1, "c": 1}
    work.run(*clips)
    assert work.asked == ["b", "a", "c"]
    assert not note.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"a": null}', '{"a": "x"}'])
def test_a_damaged_note_is_none(work: Work, text: str) -> None:
    note = work.store.lock("numbers", SHARD).with_suffix(".at")
    note.parent.mkdir(parents=True)
    note.write_text(text)
    work.run("a")
    assert work.asked == ["a"]
