"""Declarative automation: the data set follows the clips and their annotations."""

from typing import Final

import dagster as dg

from pipelines.automation.switches import sensor_status

_CONDITION: Final = dg.AutomationCondition
# A blocking check stops its own run alone, so that what hangs on it must ask for itself.
_CHECKED: Final = _CONDITION.all_deps_blocking_checks_passed()
# With `eager` one clip whose run failed would hold up the data set for ever, and clips that were
# there before automation was switched on would never become one.
_ONCE_MISSING: Final = _CONDITION.missing() & ~_CONDITION.execution_failed()
_TO_COME: Final = _ONCE_MISSING & ~_CONDITION.will_be_requested()

WHEN_CLIPS_ARE_DONE: Final = (
    (_CONDITION.any_deps_updated() | _ONCE_MISSING).since_last_handled()
    & _CONDITION.any_deps_match(~_CONDITION.missing()).allow(
        dg.AssetSelection.assets("pose_tracks")
    )
    & ~_CONDITION.any_deps_match(_TO_COME)
    & ~_CONDITION.any_deps_in_progress()
    & ~_CONDITION.in_progress()
    & _CHECKED
).with_label("when clips or annotations changed, all are done and no blocking check failed")

WHEN_DATASET_CHANGED: Final = (_CONDITION.eager() & _CHECKED).with_label(
    "when what it is made from changed and no blocking check failed"
)

rebuild_dataset = dg.AutomationConditionSensorDefinition(
    "rebuild_dataset",
    target=dg.AssetSelection.groups("dataset"),
    default_status=sensor_status("dataset"),
    minimum_interval_seconds=15,
    description="Rebuilds the data set and its splits once all clips that changed are done; a clip "
    "whose run failed is left out until it is run again.",
)
