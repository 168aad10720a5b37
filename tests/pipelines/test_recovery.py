"""A killed process leaves a run that looks active and an occupied pool slot."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX, WILL_RETRY_TAG
from registry_case import Case

from pipelines.processes import identity
from pipelines.recovery import (
    GIVER_TAG,
    PROCESS_TAG,
    UNFINISHED,
    close_dead_trainings,
    close_lost_tasks,
    close_orphaned_runs,
    interrupt_runs,
    process_tags,
    recover,
    retry_again,
    runs_elsewhere,
)
from pipelines.run_launcher import LAUNCHER_TAG, NotingRunLauncher
from pipelines.storage.store import Store, open_instance

KILLED = textwrap.dedent(
    """
    import os, signal, sys
    import dagster as dg
    from pipelines.recovery import process_tags
    from pipelines.storage.store import Store, open_instance

    @dg.asset(pool="decode")
    def suicidal() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    instance = open_instance(Store(root=sys.argv[1]))
    defs = dg.Definitions(assets=[suicidal])
    job = defs.resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, tags=process_tags())
    """
)


def test_runs_of_a_killed_process_are_closed_and_their_slots_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    store = Store(root=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    with open_instance(store) as instance:
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.STARTED
        assert instance.event_log_storage.get_concurrency_info("decode").active_slot_count == 1
        assert close_orphaned_runs(instance) == [run.run_id]
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        assert instance.event_log_storage.get_concurrency_info("decode").active_slot_count == 0
        assert close_orphaned_runs(instance) == []


def test_runs_of_a_lost_task_are_closed_on_whatever_machine_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    store = Store(root=str(tmp_path))
    code = KILLED.replace("process_tags()", "{'dance/process': 'elsewhere:1', TASK_TAG: 'lost'}")
    code = code.replace("import process_tags", "import TASK_TAG")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    close_lost_tasks(store, ["another"])
    with open_instance(store) as instance:
        slots = instance.event_log_storage
        assert slots.get_concurrency_info("decode").active_slot_count == 1
        close_lost_tasks(store, ["another", "lost"])
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.FAILURE
        assert slots.get_concurrency_info("decode").active_slot_count == 0


@pytest.mark.parametrize(
    ("giver", "is_closed"), [("dead", True), ("alive", False), ("of another host", False)]
)
def test_a_run_on_another_host_is_closed_with_the_command_that_gave_its_task(
    instance: dg.DagsterInstance, giver: str, is_closed: bool
) -> None:
    own = {"dead": DEAD, "alive": identity(), "of another host": "third:1:0.00"}[giver]
    run = new_run(instance)
    instance.add_run_tags(run.run_id, {PROCESS_TAG: "elsewhere:1:0.00", GIVER_TAG: own})
    assert close_orphaned_runs(instance) == ([run.run_id] if is_closed else [])
    assert runs_elsewhere(instance) == ({} if is_closed else {run.run_id: "elsewhere"})


def test_a_running_process_keeps_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    seen = []

    @dg.asset
    def busy(context: dg.AssetExecutionContext) -> None:
        seen.append(close_orphaned_runs(context.instance))

    with open_instance(Store(root=str(tmp_path))) as instance:
        job = dg.Definitions(assets=[busy]).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, tags=process_tags()).success
    assert seen == [[]]


def test_a_run_killed_before_it_began_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")

    @dg.job
    def never_begun() -> None: ...

    of_dead_process = {
        PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}:0.00"
    }  # the pid is reused
    with open_instance(Store(root=str(tmp_path))) as instance:
        run = instance.create_run_for_job(never_begun, tags=of_dead_process)
        assert run.status == dg.DagsterRunStatus.NOT_STARTED
        assert close_orphaned_runs(instance) == [run.run_id]
        assert instance.get_runs()[0].is_finished


# --- runs of the web UI and the daemon --------------------------------------------------------

DEAD = f"{socket.gethostname()}:{os.getpid()}:0.00"  # its pid is reused


@dg.job
def launched() -> None: ...


def new_run(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    launcher: str | None = None,
) -> dg.DagsterRun:
    """A run as the web UI creates one, and the tag of its launcher."""
    run = instance.create_run_for_job(launched, status=status)
    if launcher is not None:
        instance.add_run_tags(run.run_id, {LAUNCHER_TAG: f"{run.run_id[:8]} {launcher}"})
    return run


def note_process(instance: dg.DagsterInstance, run: dg.DagsterRun, pid: int) -> None:
    """What Dagster's run process writes first."""
    message = f"Started process for run (pid: {pid})."
    instance.report_engine_event(message, run, EngineEventData.in_process(pid))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("launcher", [None, identity(), DEAD], ids=["none", "alive", "dead"])
def test_a_launched_run_is_closed_when_its_process_is_gone(
    instance: dg.DagsterInstance, launcher: str | None
) -> None:
    run, other = new_run(instance, launcher=launcher), new_run(instance, launcher=launcher)
    note_process(instance, run, dead_pid())
    note_process(instance, other, os.getpid())
    assert close_orphaned_runs(instance) == [run.run_id]
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING])
def test_a_run_that_is_being_launched_is_dead_when_its_launcher_is(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    dead = new_run(instance, status, launcher=DEAD)
    new_run(instance, status, launcher=identity())
    assert close_orphaned_runs(instance) == [dead.run_id]


def test_a_queued_run_and_one_that_no_process_is_known_of_are_left_alone(
    instance: dg.DagsterInstance,
) -> None:
    assert dg.DagsterRunStatus.QUEUED not in UNFINISHED
    new_run(instance)
    assert close_orphaned_runs(instance) == []


def test_a_reexecution_that_has_the_tags_of_a_dead_run_is_not_dead(
    instance: dg.DagsterInstance,
) -> None:
    parent = new_run(instance, launcher=DEAD)
    note_process(instance, parent, dead_pid())
    again = instance.create_run_for_job(
        launched,
        status=dg.DagsterRunStatus.STARTING,
        tags={**instance.get_run_by_id(parent.run_id).tags, PROCESS_TAG: DEAD},  # type: ignore[union-attr]
        parent_run_id=parent.run_id,
        root_run_id=parent.run_id,
    )
    assert close_orphaned_runs(instance) == [parent.run_id]
    instance.add_run_tags(again.run_id, {LAUNCHER_TAG: f"{again.run_id[:8]} {DEAD}"})
    assert close_orphaned_runs(instance) == [again.run_id]


def test_a_run_of_another_host_is_left_alone_and_named(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    run = new_run(instance, launcher="elsewhere:1:0.00")
    note_process(instance, run, dead_pid())
    assert close_orphaned_runs(instance) == []
    assert runs_elsewhere(instance) == {run.run_id: "elsewhere"}
    (line,) = recover(instance, Store(root=str(tmp_path)))
    assert "elsewhere" in line
    assert run.run_id[:8] in line


def test_the_mlflow_run_of_a_dead_training_is_closed(
    instance: dg.DagsterInstance, case: Case
) -> None:
    """Whoever closed its Dagster run: Dagster's code server does it, too."""
    dead, living = new_run(instance), new_run(instance)
    note_process(instance, dead, dead_pid())
    opened = {
        run.run_id: case.tracker.open_run(
            case.store.path / run.run_id, "stga_net", {"dagster/run_id": run.run_id}
        )
        for run in (dead, living)
    }
    assert close_dead_trainings(instance, case.store) == []
    close_orphaned_runs(instance)
    assert close_dead_trainings(instance, case.store) == [opened[dead.run_id]]
    states = [case.tracker.client.get_run(opened[r.run_id]).info.status for r in (dead, living)]
    assert states == ["KILLED", "RUNNING"]


def test_the_launcher_of_a_store_notes_who_launched_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dg.DefaultRunLauncher, "launch_run", lambda self, context: None)
    with open_instance(Store(root=str(tmp_path))) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, NotingRunLauncher)
        run = instance.create_run_for_job(launched)

        class Context:
            dagster_run = run

        launcher.launch_run(Context())  # type: ignore[arg-type]
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.tags[LAUNCHER_TAG] == f"{run.run_id[:8]} {identity()}"


def test_who_launched_a_run_is_not_shown_in_the_list_of_runs() -> None:
    assert LAUNCHER_TAG.startswith(HIDDEN_TAG_PREFIX)


def test_the_daemon_tries_a_killed_run_again_unless_a_command_ran_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    with open_instance(Store(root=str(tmp_path))) as instance:
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        of_servers = new_run(instance, launcher=DEAD)
        tags = {**process_tags(), PROCESS_TAG: DEAD}
        of_command = instance.create_run_for_job(launched, tags=tags)
        close_orphaned_runs(instance)
        found = {
            run.run_id: (run.status.value, run.tags.get(WILL_RETRY_TAG))
            for run in instance.get_runs()
        }
    assert found == {
        of_servers.run_id: ("FAILURE", "true"),
        of_command.run_id: ("FAILURE", "false"),
    }


def test_runs_are_interrupted_and_not_cancelled_when_their_servers_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(NotingRunLauncher, "interrupt", lambda self, run_id: asked.append(run_id))
    with open_instance(Store(root=str(tmp_path))) as instance:
        run = new_run(instance, launcher=identity())
        instance.create_run_for_job(
            launched, tags=process_tags(), status=dg.DagsterRunStatus.STARTED
        )
        interrupt_runs(instance, 0.0)
        assert asked == [run.run_id]
        assert instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.CANCELING])) == 0


def test_a_run_that_the_daemon_gave_up_is_tried_again(tmp_path: Path) -> None:
    with open_instance(Store(root=str(tmp_path))) as instance:
        runs = [new_run(instance, launcher=DEAD) for _ in range(2)]
        close_orphaned_runs(instance)
        given_up = runs[0].run_id
        # What Dagster's daemon writes when the code server is away.
        instance.report_engine_event("Failed to retry run", runs[0])
        instance.add_run_tags(given_up, {WILL_RETRY_TAG: "false"})
        assert retry_again(instance) == [given_up]
        assert instance.get_run_by_id(given_up).tags[WILL_RETRY_TAG] == "true"  # type: ignore[union-attr]
        assert retry_again(instance) == []


def test_a_queued_run_waits_for_the_code_server(tmp_path: Path) -> None:
    with open_instance(Store(root=str(tmp_path))) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_user_code_failure_retries > 0
        assert queue.max_concurrent_runs == 4
