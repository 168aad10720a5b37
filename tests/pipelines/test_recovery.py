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

from pipelines.recovery import PROCESS_TAG, close_orphaned_runs, process_tags
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
