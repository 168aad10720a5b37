"""The sensor that rebuilds the data set; the conditions are those of the assets."""

import dagster as dg

from pipelines.automation.switches import AutomationSettings


def dataset_sensor(automation: AutomationSettings) -> dg.AutomationConditionSensorDefinition:
    """The sensor ``rebuild_dataset``."""
    return dg.AutomationConditionSensorDefinition(
        "rebuild_dataset",
        target=dg.AssetSelection.groups("dataset"),
        default_status=automation.sensor_status("dataset"),
        minimum_interval_seconds=15,
        description="Rebuilds the data set and its splits once all clips that changed are done; a "
        "clip whose run failed is left out until it is run again.",
    )
