"""Which clip has failed when a worker process was killed."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import deadly_clips
import pytest

from pipelines.automation.failures import KILLED
from pipelines.execution import runner
from pipelines.execution.outcomes import StageOutcome
from pipelines.execution.request import Request
from pipelines.execution.runner import ClipRuns, LocalWorkers, Made, in_groups
from pipelines.partitions import CLIPS_PER_RUN
from pipelines.storage.clips import set_shards
from pipelines.storage.shard_keys import by_shard
from pipelines.storage.store import Store

pytestmark = pytest.mark.usefixtures("fork_server")


def test_one_killed_worker_costs_no_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is closed: as many deaths as a pool has slots would else stop everything."""
    clips, closed = ("one", "two", "three"), list[str]()
    monkeypatch.setattr(runner, "run_clips", deadly_clips.run_clips)
    monkeypatch.setattr(runner, "close_lost_tasks", lambda store, tasks: closed.extend(tasks))
    outcomes = [found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(2))(clips)]
    assert (tmp_path / "killed").exists()
    assert {found.clip: found.state for found in outcomes} == dict.fromkeys(clips, "made")
    assert closed and all(closed)


def test_a_clip_whose_worker_is_killed_every_time_has_failed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_clips", deadly_clips.run_clips)
    outcomes = [
        found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(2))(("deadly", "one", "two"))
    ]
    by_clip = {found.clip: found for found in outcomes}
    assert by_clip["deadly"].state == "failed"
    assert by_clip["deadly"].error == KILLED
    assert {by_clip[name].state for name in ("one", "two")} == {"made"}


def test_the_other_clips_of_a_killed_task_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_clips", deadly_clips.run_clips)
    clips = ["deadly", *map(str, range(8))]  # tasks of two clips
    outcomes = [found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(1))(clips)]
    failed = {found.clip for found in outcomes if found.state == "failed"}
    assert failed == {"deadly"}
    assert sorted(str(found.clip) for found in outcomes) == sorted(clips)


def test_a_worker_that_is_told_to_end_costs_no_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody told the command to end."""
    monkeypatch.setattr(runner, "run_clips", deadly_clips.run_clips)
    (tmp_path / "killed").touch()
    outcomes = [
        found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(1))(("one", "ended"))
    ]
    assert (tmp_path / "told").exists()
    assert {found.clip: found.state for found in outcomes} == {"one": "made", "ended": "made"}


def test_clips_of_a_shard_stay_together_until_the_deadly_one_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its steps is killed twice at most, so a shard may be killed more than once alone."""
    monkeypatch.setattr(runner, "run_clips", deadly_clips.run_clips_in_shards)
    set_shards(Store(root=str(tmp_path)), 2)
    clips = ("deadly", *"abcdef")
    assert len(by_shard(clips, 2)) == 2
    outcomes = [found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(2))(clips)]
    assert sorted(str(found.clip) for found in outcomes) == sorted(clips)
    assert {found.clip for found in outcomes if found.state == "failed"} == {"deadly"}
    assert (tmp_path / "times").read_text() == "6"


def test_an_interrupt_counts_against_no_clip(tmp_path: Path) -> None:
    """It kills the workers. Twice at one clip it was taken for a lack of memory."""
    store = Store(root=str(tmp_path))
    set_shards(store, 1)
    note = store.lock("sampled_frames", "shard-0000").with_suffix(".at")
    note.parent.mkdir(parents=True)

    class Interrupted(LocalWorkers):
        def make(self, *given: Any, **named: Any) -> Generator[Made]:
            try:
                yield ("one",), [[StageOutcome("clip_probe", "one", "made")]]
            finally:
                note.write_text('{"two": 2}')

    made = ClipRuns(Request(tmp_path), Interrupted(1))(("one", "two"))
    next(made)
    made.close()
    assert not note.exists()


def test_few_clips_are_a_task_each_and_many_share_one() -> None:
    assert in_groups("abcdefg", 2) == [(clip,) for clip in "abcdefg"]
    assert in_groups([], 2) == []
    assert set(map(len, in_groups("x" * 60, 2))) == {7, 4}
    assert max(map(len, in_groups("x" * 1000, 2))) == CLIPS_PER_RUN
