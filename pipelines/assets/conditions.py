"""When the data set is rebuilt after its clips and annotations, as declarative automation."""

from typing import Final

import dagster as dg

_CONDITION: Final = dg.AutomationCondition
# A blocking check stops only its own run, so stages downstream have to require it too. Not the data
# set: it leaves out clips that a check stopped, and to Dagster a warning has not passed either.
_CHECKED: Final = _CONDITION.all_deps_blocking_checks_passed()
# Dagster's `since_last_handled` forgets an update when the target is made, or in the tick after its
# request, though the run may have read its inputs before. So only a request without an update since
# ends it; a run too many reuses what is fresh.
_UPDATED: Final = _CONDITION.any_deps_updated()
_HANDLED: Final = _CONDITION.newly_requested() | _CONDITION.initial_evaluation()
_INPUT_CHANGED: Final = _UPDATED.since(_HANDLED & ~_UPDATED)
# With `eager`, one clip whose run failed would hold up the data set for good. And clips that were
# ingested before automation was enabled would never enter it.
_ONCE_MISSING: Final = _CONDITION.missing() & ~_CONDITION.execution_failed()
# Until its first run was seen. To Dagster a run that was cancelled has not failed, so its clip
# would hold up the data set for good.
_TO_COME: Final = (
    _ONCE_MISSING
    & _CONDITION.newly_missing().since(_CONDITION.in_progress() | _CONDITION.initial_evaluation())
    & ~_CONDITION.will_be_requested()
)

WHEN_CLIPS_ARE_DONE: Final = (
    (_INPUT_CHANGED | _ONCE_MISSING.since_last_handled())
    & _CONDITION.any_deps_match(~_CONDITION.missing()).allow(
        dg.AssetSelection.assets("pose_tracks")
    )
    & ~_CONDITION.any_deps_match(_TO_COME)
    & ~_CONDITION.any_deps_in_progress()
    & ~_CONDITION.in_progress()
).with_label("when clips or annotations changed and all are done")

# A report needs no clip to be complete.
WHEN_INPUT_CHANGED: Final = (
    _INPUT_CHANGED & ~_CONDITION.any_deps_in_progress() & ~_CONDITION.in_progress()
).with_label("when clips or annotations changed")

WHEN_DATASET_CHANGED: Final = (_CONDITION.eager() & _CHECKED).with_label(
    "when an upstream table changed and no blocking check failed"
)
