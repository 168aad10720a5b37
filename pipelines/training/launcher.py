"""Where training runs: out of process, on this machine or on a cluster, through Dagster Pipes."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from dance_models.processes import STARTER
from pipelines.cluster import LOCAL
from pipelines.known_warnings import known_warnings_ignored
from pipelines.processes import TRAINING_STOP_S
from pipelines.tracking.tracker import MLFLOW_ENVIRONMENT
from pipelines.training.child_error import error_of, forget_error
from pipelines.training.ray_training import train_on_cluster


class TrainingLauncher(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Starts ``python -m pipelines.training.child`` as a subprocess and streams its log.

    With the engine of a cluster (``ray:auto``, ``ray://HOST:PORT``) it is a task of Ray there.
    """

    engine: str = LOCAL
    termination_timeout_s: float = TRAINING_STOP_S + 5  # a terminated training ends itself before

    def launch(
        self, context: dg.AssetExecutionContext, job: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Run one training; returns the message it reported at its end.

        Raises InputError when the child fails, with the child's own message where it left one, and
        Failure when it reports nothing.
        """
        forget_error(Path(job["folder"]))
        with known_warnings_ignored():  # parts of Pipes are a preview
            if self.engine != LOCAL:
                return train_on_cluster(self.engine, context, job)
            return self._run(context, job)

    def _run(self, context: dg.AssetExecutionContext, job: Mapping[str, Any]) -> Mapping[str, Any]:
        client = dg.PipesSubprocessClient(termination_timeout_seconds=self.termination_timeout_s)
        folder = Path(job["folder"])
        try:
            completed = client.run(
                context=context,
                command=[sys.executable, "-m", "pipelines.training.child"],
                extras=dict(job),
                env={**MLFLOW_ENVIRONMENT, STARTER: str(os.getpid())},
            )
        except Exception as failure:
            raise error_of(folder, failure) from failure
        messages = completed.get_custom_messages()
        if not messages:
            raise dg.Failure("The training ended without reporting a result; see its log above.")
        return dict(messages[-1])
