"""Runs, pool slots and trainings that killed processes leave open in Dagster and in MLflow.

A run that the command line starts carries a tag with its process. A run that the web UI or the
daemon starts carries one of the process that launched it, and its own process writes its id as the
first event. When that process no longer exists, the run is closed as failed and its slots and its
place in the queue are free. A queued run has no process and waits rightly.
A run of clips on a cluster ends with the command that asked for it, on whatever host it is.
"""

from collections.abc import Sequence
from typing import Final

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.tags import (
    AUTO_RETRY_RUN_ID_TAG,
    MAX_RETRIES_TAG,
    RUN_FAILURE_REASON_TAG,
    WILL_RETRY_TAG,
)

from pipelines.processes import host_of, identity, is_alive, running
from pipelines.run_launcher import NotingRunLauncher, launcher_of
from pipelines.servers import until
from pipelines.storage.store import Store, open_instance
from pipelines.tracking.tracker import Tracker

PROCESS_TAG: Final = "dance/process"
TASK_TAG: Final = "dance/task"  # of a run of clips: what a worker was given to do
GIVER_TAG: Final = "dance/task_given_by"  # on a cluster: the process of the command that gave it
# Includes runs that were created and not started: a kill can come between the two.
UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
NOT_RETRIED: Final = "Failed to retry run"  # how Dagster's daemon says that it gives up
LOOKED_AT: Final = 50  # of the newest failed runs
STARTED_PROCESS: Final = "Started process for run"  # how Dagster's event begins


def process_tags() -> dict[str, str]:
    """Tags that tie a run to this process. The daemon does not try such a run again."""
    return {PROCESS_TAG: identity(), MAX_RETRIES_TAG: "0"}


def recover(instance: dg.DagsterInstance, store: Store) -> list[str]:
    """Close what killed processes left open, and say in a line each what was closed or left alone.

    Called at the start of each command that runs the graph, and by the sensor ``dead_runs``.
    """
    closed = close_orphaned_runs(instance)
    lines = [
        f"Run {run_id[:8]} was killed; it is closed as failed. The next run continues from what "
        "it left."
        for run_id in closed
    ]
    lines += [
        f"The MLflow run {run_id[:8]} of a training that was killed is closed."
        for run_id in close_dead_trainings(instance, store)
    ]
    lines += [
        f"Run {run_id[:8]} is tried again: the code server was away when that was tried before."
        for run_id in retry_again(instance)
    ]
    for run_id, host in runs_elsewhere(instance).items():
        lines.append(
            f"Run {run_id[:8]} was started on the host {host} and is left alone. If it is dead, "
            "terminate it in the web UI."
        )
    return lines


def close_orphaned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Close runs whose process was killed and free their pool slots; returns the run ids."""
    closed: list[str] = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        if not _is_dead(instance, run):
            continue
        again = instance.get_run_by_id(run.run_id)
        if again is None or again.is_finished:  # it has ended while we looked
            continue
        _close(instance, run)
        closed.append(run.run_id)
    return closed


def close_lost_tasks(store: Store, tasks: Sequence[str]) -> None:
    """Close the runs of tasks whose worker died, on whatever machine it was.

    At once: their slots are those that the tasks beside them wait for, and without any slot left
    they would wait for ever.
    """
    if not tasks:
        return
    left = dg.RunsFilter(statuses=UNFINISHED, tags={TASK_TAG: list(tasks)})
    with open_instance(store, runs=False) as instance:
        for run in instance.get_runs(filters=left):
            _close(instance, run)


def _close(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_failed(run, "The process of this run was killed.")
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def retry_again(instance: dg.DagsterInstance) -> list[str]:
    """Have the daemon try interrupted runs again on which it gave up; returns their ids.

    It gives up when the code server is away, as it is for seconds after it was killed. A second
    event of a run's failure reaches the daemon as the first one did, and counts its tries anew.
    """
    given_up = _given_up(instance)
    for run in given_up:
        instance.report_run_failed(run, "The code server was away; the run is tried again.")
    return [run.run_id for run in given_up]


def any_going_on(instance: dg.DagsterInstance) -> bool:
    """Whether a run has begun and not ended."""
    return bool(instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED)))


def going_on(instance: dg.DagsterInstance) -> set[str]:
    """Runs that the daemon goes on with when it runs: unfinished ones, and interrupted ones.

    With the runs that they repeat, without which it cannot repeat them once more.
    """
    statuses = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]
    unfinished = instance.get_runs(filters=dg.RunsFilter(statuses=statuses))
    waiting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={WILL_RETRY_TAG: "true"})
    interrupted = [
        run for run in instance.get_runs(filters=waiting) if AUTO_RETRY_RUN_ID_TAG not in run.tags
    ]
    runs = (*unfinished, *interrupted, *_given_up(instance))
    named = (run_id for r in runs for run_id in (r.run_id, r.parent_run_id, r.root_run_id))
    return {run_id for run_id in named if run_id is not None}


def _given_up(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Interrupted runs that the daemon could not try again."""
    found: list[dg.DagsterRun] = []
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={WILL_RETRY_TAG: "false"})
    for run in instance.get_runs(filters=failed, limit=LOOKED_AT):
        by_asset = run.tags.get(RUN_FAILURE_REASON_TAG) == RunFailureReason.STEP_FAILURE.value
        if by_asset or AUTO_RETRY_RUN_ID_TAG in run.tags:
            continue
        kinds = {dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.RUN_FAILURE}
        events = [record.dagster_event for record in instance.all_logs(run.run_id, of_type=kinds)]
        last = [event for event in events if event and (event.is_run_failure or _gave_up(event))]
        if last and _gave_up(last[-1]):
            found.append(run)
    return found


def _gave_up(event: dg.DagsterEvent) -> bool:
    return event.message == NOT_RETRIED


def interrupt_runs(instance: dg.DagsterInstance, seconds: float) -> None:
    """Interrupt the runs in progress that this host's servers launched; the daemon resumes them.

    Waits so long for their ends. Runs of ``dance run`` go on, and queued ones stay in the queue.
    """
    here = host_of(identity())

    def left() -> list[dg.DagsterRun]:
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
        processes = ((run, launcher_of(run)) for run in runs)
        return [run for run, process in processes if process and host_of(process) == here]

    launcher = instance.run_launcher
    stop = launcher.interrupt if isinstance(launcher, NotingRunLauncher) else launcher.terminate
    for run in left():
        try:
            stop(run.run_id)
        except dg.DagsterError:  # its server is gone; the run ends with it
            continue
    until(lambda: not left(), seconds)


def runs_elsewhere(instance: dg.DagsterInstance) -> dict[str, str]:
    """Unfinished runs of other hosts, whose state is unknown here -> their host."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
    here = host_of(identity())
    hosts = {run.run_id: host_of(process) for run in runs if (process := _process(run))}
    return {run_id: host for run_id, host in hosts.items() if host != here}


def close_dead_trainings(instance: dg.DagsterInstance, store: Store) -> list[str]:
    """Mark MLflow runs as killed that are running by themselves while their Dagster run has ended.

    Returns their ids.
    """
    tracker, closed = Tracker(store), []
    for run_id, dagster_run in tracker.running().items():
        run = instance.get_run_by_id(dagster_run)
        if run is None or run.is_finished:
            tracker.close_run(run_id, "KILLED")
            closed.append(run_id)
    return closed


def _process(run: dg.DagsterRun) -> str | None:
    """The process that executes or launched a run, where a tag of its own says it."""
    # A re-execution in the web UI copies the tags of the run that it repeats.
    own = run.tags.get(PROCESS_TAG) if run.parent_run_id is None else None
    return launcher_of(run) or own


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    process = _process(run)
    giver = run.tags.get(GIVER_TAG) if run.parent_run_id is None else None
    if giver is not None and host_of(giver) == host_of(identity()) and not is_alive(giver):
        return True  # Ray ended its task with the command, on whatever host it was
    if process is not None and host_of(process) != host_of(identity()):
        return False
    if launcher_of(run) is None and process is not None:
        return not is_alive(process)
    started = _started(instance, run)
    if started is None:  # its process has not written yet; Dagster's daemon limits how long
        return process is not None and not is_alive(process)
    pid, at = started
    found = running(pid)
    if found is None:
        return True
    # Else the id may be another process's by now, unless the launcher is there that started it.
    return not (found.create_time() <= at + 1 or (process is not None and is_alive(process)))


def _started(instance: dg.DagsterInstance, run: dg.DagsterRun) -> tuple[int, float] | None:
    """The id of a launched run's process, and when it wrote it, in seconds since 1970."""
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    for record in logs:
        event = record.dagster_event
        if event is None or not (event.message or "").startswith(STARTED_PROCESS):
            continue
        pid = event.engine_event_data.metadata.get("pid")
        if pid is not None and str(pid.value).isdigit():
            return int(str(pid.value)), record.timestamp
    return None
