"""The sensor of the alias ``champion``, whoever moved it: the gate, a command or a person."""

import json
import time

import dagster as dg

from pipelines.assets.champion_exports import champions
from pipelines.automation.jobs import EXPORT_CHAMPIONS
from pipelines.automation.switches import AutomationSettings
from pipelines.storage.store import Store


def champion_sensor(automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``champion_changed``."""

    @dg.sensor(
        job_name=EXPORT_CHAMPIONS,
        minimum_interval_seconds=30,
        default_status=automation.sensor_status("champions"),
        description="Exports the champions when an alias champion was moved in MLflow.",
    )
    def champion_changed(
        context: dg.SensorEvaluationContext, store: Store
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            moves, last = json.loads(context.cursor or "")
            moves = int(moves)
        except (ValueError, TypeError):
            # None yet, or one that is damaged or was reset: the champions are exported once more,
            # under a key that is new, since Dagster starts no run under one that it knows.
            moves, last = int(time.time()), {}
        now = champions(store)
        if now == last:
            named = ", ".join(f"{task} version {version}" for task, version in now.items())
            return dg.SkipReason(f"the champions are unchanged: {named or 'none'}")
        # Counted, because a rollback leads to an earlier state.
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=f"move {moves + 1}")],
            cursor=json.dumps([moves + 1, now]),
        )

    return champion_changed
