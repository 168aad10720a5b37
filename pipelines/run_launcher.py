"""Dagster's launcher of runs, which notes which process launched one, and on which host."""

from typing import Final

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher import LaunchRunContext
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX
from dagster._grpc.types import CancelExecutionRequest

from pipelines.processes import identity

LAUNCHER_TAG: Final = f"{HIDDEN_TAG_PREFIX}dance_launcher"  # not shown in the list of runs


def launcher_of(run: DagsterRun) -> str | None:
    """The process that launched a run; None when it is not noted.

    A re-execution in the web UI copies the tags of the run that it repeats, so the tag says whose
    it is.
    """
    whose, _, process = run.tags.get(LAUNCHER_TAG, "").partition(" ")
    return process if process and whose == run.run_id[:8] else None


class NotingRunLauncher(DefaultRunLauncher):
    """Starts runs in the code server, as by default.

    Configured in ``dagster.yaml``. With its tag ``pipelines.recovery`` knows a run that died, even
    before its process existed, from one on another host.
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        """Tag and start a run."""
        run = context.dagster_run
        tag = f"{run.run_id[:8]} {identity()}"
        self._instance.add_run_tags(run.run_id, {LAUNCHER_TAG: tag})
        super().launch_run(context)

    def interrupt(self, run_id: str) -> None:
        """Ask a run's process to end, so that the run is tried again later.

        Unlike ``terminate``, after which a run is cancelled and stays so.
        """
        client = self._get_grpc_client_for_termination(run_id)  # type: ignore[no-untyped-call]
        if client is not None:
            client.cancel_execution(CancelExecutionRequest(run_id=run_id))
