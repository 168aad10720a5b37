"""Declarative automation: the data set follows the clips and their annotations."""

from typing import Final

import dagster as dg

from pipelines.automation.switches import sensor_status

# `eager` waits until every registered clip is there and none is being made. A blocking check
# stops its own run alone, so that what hangs on it must ask for itself.
WHEN_CLIPS_CHANGED: Final = (
    dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
).with_label("when clips or annotations changed and no blocking check failed")

rebuild_dataset = dg.AutomationConditionSensorDefinition(
    "rebuild_dataset",
    target=dg.AssetSelection.groups("dataset"),
    default_status=sensor_status("dataset"),
    minimum_interval_seconds=15,
    description="Rebuilds the data set and its splits once all clips that changed are done. What "
    "was there when it is switched on for the first time starts nothing: run `build_dataset` once.",
)
