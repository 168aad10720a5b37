"""Which clip has failed when a worker process was killed."""

from pathlib import Path

import deadly_clips
import pytest

from pipelines.execution import runner
from pipelines.execution.request import Request
from pipelines.execution.runner import KILLED, ClipRuns, LocalWorkers


def test_one_killed_worker_costs_no_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = ("one", "two", "three")
    monkeypatch.setattr(runner, "run_clip", deadly_clips.run_clip)
    outcomes = [found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(2))(clips)]
    assert (tmp_path / "killed").exists()
    assert {found.clip: found.state for found in outcomes} == dict.fromkeys(clips, "made")


def test_a_clip_whose_worker_is_killed_every_time_has_failed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run_clip", deadly_clips.run_clip)
    outcomes = [
        found for (found,) in ClipRuns(Request(tmp_path), LocalWorkers(2))(("deadly", "one", "two"))
    ]
    by_clip = {found.clip: found for found in outcomes}
    assert by_clip["deadly"].state == "failed"
    assert by_clip["deadly"].error == KILLED
    assert {by_clip[name].state for name in ("one", "two")} == {"made"}
