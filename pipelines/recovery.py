"""Runs and pool slots that a killed ``dance run`` leaves behind in Dagster.

A run that the command line starts carries a tag with process id and host. When that process no
longer exists, the run is closed as failed and its slots are freed, so the next run can start.
"""

import socket
from typing import Final

import dagster as dg
import psutil

PROCESS_TAG: Final = "dance/process"
# Includes runs that were created and not started: a kill can come between the two.
UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tags() -> dict[str, str]:
    """Tags that tie a run to this process: pids are reused, so its start time is part of it."""
    me = psutil.Process()
    return {PROCESS_TAG: f"{socket.gethostname()}:{me.pid}:{me.create_time():.2f}"}


def _alive(tag: str) -> bool:
    host, pid, started = tag.rsplit(":", 2)
    if host != socket.gethostname():
        return True  # on another machine: its state is unknown here
    try:
        process = psutil.Process(int(pid))
        # A killed process is listed until its parent has waited for it.
        same = f"{process.create_time():.2f}" == started
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def close_orphaned_runs(instance: dg.DagsterInstance) -> list[str]:
    """Close runs whose process was killed and free their pool slots; returns the run ids."""
    closed: list[str] = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        tag = run.tags.get(PROCESS_TAG)
        # A re-execution in the web UI copies the tags of the run that it repeats.
        if tag is None or run.parent_run_id is not None or _alive(tag):
            continue
        instance.report_run_failed(run, "The process of this run was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        closed.append(run.run_id)
    return closed
