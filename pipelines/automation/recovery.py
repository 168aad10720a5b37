"""The sensor that closes runs and trainings whose process was killed."""

import dagster as dg

from pipelines.recovery import recover
from pipelines.storage.store import Store

INTERVAL_S = 30


def recovery_sensor() -> dg.SensorDefinition:
    """The sensor ``dead_runs``.

    On without being switched on: it starts nothing, and without it a dead run keeps its place in
    the queue and automation stands still.
    """

    @dg.sensor(
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Closes runs whose process was killed, so that their places are free, and the "
        "MLflow runs of their trainings. Always on.",
    )
    def dead_runs(context: dg.SensorEvaluationContext, store: Store) -> dg.SkipReason:
        lines = recover(context.instance, store)
        for line in lines:
            context.log.warning(line)
        return dg.SkipReason(" ".join(lines) or "every unfinished run has its process")

    return dead_runs
