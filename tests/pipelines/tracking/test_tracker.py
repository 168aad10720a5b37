"""The runs of trainings: a training goes on in the run that was opened for it, if there is one."""

import subprocess

import pytest
from registry_case import ASSET, Case
from waiting import stop_waiting_for_locks, waits_for_locks

from pipelines.tracking import tracker
from pipelines.tracking.tracker import DAGSTER_RUN_TAG, RUN_NOTE


def test_a_training_that_goes_on_keeps_its_run(case: Case) -> None:
    folder = case.store.model(ASSET) / "unfinished"
    folder.mkdir(parents=True)
    assert case.tracker.opened_run(folder) is None
    run_id = case.tracker.open_run(folder, ASSET, {})
    case.tracker.close_run(run_id, "KILLED")
    assert case.tracker.open_run(folder, ASSET, {}) == run_id


@pytest.mark.parametrize("how", ["in MLflow", "with the database"])
def test_a_training_whose_run_was_deleted_gets_a_new_one(case: Case, how: str) -> None:
    """The remedy for a damaged database is to delete it, and the trainings stay."""
    folder = case.store.model(ASSET) / "unfinished"
    folder.mkdir(parents=True)
    deleted = case.tracker.open_run(folder, ASSET, {})
    if how == "in MLflow":
        case.tracker.client.delete_run(deleted)
    else:
        (folder / RUN_NOTE).write_text("0" * 32)
    assert case.tracker.opened_run(folder) is None
    again = case.tracker.open_run(folder, ASSET, {})
    assert again not in {deleted, "0" * 32}
    assert case.tracker.opened_run(folder) == again


@pytest.mark.parametrize(
    "note",
    [b"", b"0123456789", b"\xff\xfe\x00", b"x" * 5000],
    ids=["empty", "half", "no text", "long"],
)
def test_a_training_whose_note_is_damaged_gets_a_new_run(case: Case, note: bytes) -> None:
    """MLflow refused it as the name of a run, at each start, without naming the file."""
    folder = case.store.model(ASSET) / "unfinished"
    folder.mkdir(parents=True)
    (folder / RUN_NOTE).write_bytes(note)
    run_id = case.tracker.open_run(folder, ASSET, {})
    assert case.tracker.opened_run(folder) == run_id


def test_a_run_whose_process_is_killed_before_its_note_can_be_closed(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow shows it as running; the tag tells the sensor for whom, so that it is closed."""
    folder = case.store.model(ASSET) / "unfinished"
    folder.mkdir(parents=True)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracker, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        case.tracker.open_run(folder, ASSET, {DAGSTER_RUN_TAG: "killed"})
    assert list(case.tracker.running().values()) == ["killed"]


def test_many_runs_are_deleted_by_several_commands(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An argument of a command has 128 kB at most, about 3,900 names of runs."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    experiment = case.tracker.initialise()
    runs = [case.tracker.client.create_run(experiment).info.run_id for _ in range(3)]
    monkeypatch.setattr(tracker, "RUNS_AT_ONCE", 2)
    monkeypatch.setattr(subprocess, "run", run)
    case.tracker.delete_runs(runs)
    assert [command[-1] for command in commands] == [",".join(runs[:2]), runs[2]]


def test_who_opens_mlflows_database_waits_for_it(case: Case) -> None:
    stop_waiting_for_locks()
    tracker.Tracker(case.store).client.search_experiments()
    assert waits_for_locks()
