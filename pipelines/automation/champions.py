"""The sensor of the alias ``champion``, whoever moved it: the gate, a command, a hand in MLflow."""

import json

import dagster as dg

from pipelines.assets.champion_exports import champions
from pipelines.automation.jobs import export_champions
from pipelines.automation.switches import sensor_status
from pipelines.storage.store import Store


@dg.sensor(
    job=export_champions,
    minimum_interval_seconds=30,
    default_status=sensor_status("champions"),
    description="Exports the champions when an alias `champion` moved in MLflow, whoever moved it.",
)
def champion_changed(
    context: dg.SensorEvaluationContext, store: Store
) -> dg.SensorResult | dg.SkipReason:
    """A run whenever the aliases are not what they were at the last look."""
    moves, last = json.loads(context.cursor) if context.cursor else (0, {})
    now = champions(store)
    if now == last:
        said = ", ".join(f"{task} version {version}" for task, version in now.items()) or "none"
        return dg.SkipReason(f"the champions are what they were: {said}")
    # Counted, because a rollback leads to a state that was there before.
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"move {moves + 1}")],
        cursor=json.dumps([moves + 1, now]),
    )
