"""How the steps of a run are executed: the one executor of the graph, whoever starts the run."""

import os
from collections.abc import Iterator, Set
from typing import Any, Final

import dagster as dg

from dance_models.processes import DECODING
from pipelines.automation.jobs import TRAINING
from pipelines.storage.databases import wait_for_locks

# Imported once by the server that a run's steps are forked from, and the decoders of its clips.
# Modules that start threads of Python when they are imported must not be here. Each of these
# processes runs the main module of the command again: most of what that imports is here, and not
# itself, of which Python warns. Each opens Dagster's instance, too, which imports its storage by
# name: 0.6 s of processor time in every step.
PRELOADED: Final = (
    "pipelines.graph",
    *DECODING,
    "pipelines.commands.common",
    "dagster._core.storage.sqlite_storage",
)
# The steps that train, score, judge and report need these as well, and each would import them for
# two to five seconds. A run of the data set's steps alone goes without.
PRELOADED_FOR_NETWORKS: Final = (
    *PRELOADED,
    "torch",
    "mlflow",
    "mlflow.store.tracking.sqlalchemy_store",
    "matplotlib.figure",
)


class RunExecutor(dg.Executor):
    """Steps in processes forked from a server that has imported this package once.

    Eight stages with nothing to do took 8 s this way, 15 s with spawned processes and 1.5 s in one
    process, which cannot run trainings side by side. A run of short steps alone (the tables of
    clips, observations) stays in the run's own process: starting one for each of the four steps
    of a clip took longer than the steps.
    """

    def __init__(
        self,
        forked: dg.Executor,
        with_networks: dg.Executor,
        in_process: dg.Executor,
        *,
        networks: Set[str],
        short: Set[str],
    ) -> None:
        self._forked, self._with_networks, self._in_process = forked, with_networks, in_process
        self._networks, self._short = networks, short

    @property
    def retries(self) -> Any:
        """How failed steps are retried; the same for all ways."""
        return self._forked.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Execute the steps of a run that are still to be made."""
        steps = set(execution_plan.step_keys_to_execute)
        if steps <= self._short:
            chosen = self._in_process
        else:
            chosen = self._with_networks if steps & self._networks else self._forked
        yield from chosen.execute(plan_context, execution_plan)


def run_executor(networks: Set[str], short: Set[str], devices: int = 1) -> dg.ExecutorDefinition:
    """The executor; ``short`` names the steps that are worth no process of their own.

    ``networks`` are those that need torch and MLflow. ``max_concurrent`` 0 is one for each core. A
    training on several ``devices`` is as many processes, so fewer of them go side by side.
    """

    @dg.executor(
        name="forked",
        config_schema={
            "max_concurrent": dg.Field(
                int, default_value=0, description="Steps side by side; 0: one for each core."
            )
        },
        requirements=dg.multiple_process_executor_requirements(),
    )
    def forked(init: dg.InitExecutorContext) -> dg.Executor:
        wait_for_locks()
        retries: dict[str, Any] = {"retries": {"enabled": {}}}
        most: Any = init.executor_config["max_concurrent"] or os.cpu_count() or 1
        trainings = [
            {"key": key, "value": value, "limit": max(1, most // devices)}
            for key, value in (TRAINING.items() if devices > 1 else ())
        ]
        plain, with_networks = (
            _made(
                dg.multiprocess_executor,
                init,
                {
                    **retries,
                    "max_concurrent": most,
                    "start_method": {"forkserver": {"preload_modules": list(modules)}},
                    "tag_concurrency_limits": trainings,
                },
            )
            for modules in (PRELOADED, PRELOADED_FOR_NETWORKS)
        )
        in_process = _made(dg.in_process_executor, init, retries)
        return RunExecutor(plain, with_networks, in_process, networks=networks, short=short)

    return forked


def _made(
    kind: dg.ExecutorDefinition, init: dg.InitExecutorContext, config: dict[str, Any]
) -> dg.Executor:
    """One of Dagster's executors for this run, with a configuration."""
    create = kind.executor_creation_fn
    assert create is not None
    return create(
        dg.InitExecutorContext(
            job=init.job, executor_def=kind, executor_config=config, instance=init.instance
        )
    )
