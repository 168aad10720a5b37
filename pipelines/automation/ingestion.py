"""Sensors of the raw folders: new and changed clips and annotations become runs."""

from pathlib import Path

import dagster as dg

from pipelines.automation.folders import Changes, Look, look_again
from pipelines.automation.jobs import ingest_clips
from pipelines.automation.switches import sensor_status
from pipelines.partitions import CLIPS, clip_keys
from pipelines.registration import (
    register_annotations,
    register_clips,
    registered_annotations,
    registered_clips,
)
from pipelines.skip_rule import inputs_digest
from pipelines.store import Store

INTERVAL_S = 15
Answer = dg.SensorResult | dg.SkipReason


@dg.sensor(
    job=ingest_clips,
    minimum_interval_seconds=INTERVAL_S,
    default_status=sensor_status("clips"),
    description="Ingests what is new or changed in `raw/clips`; a clip that has gone is reported, "
    "and its tables stay. A file counts once two looks found it unchanged.",
)
def new_clips(context: dg.SensorEvaluationContext, store: Store) -> Answer:
    """Partitions and runs for new and changed clips."""
    changes = look_again(store.raw_clips, Look.from_cursor(context.cursor))
    for path in changes.gone:
        context.log.warning(f"{path} has gone; the tables of its clip are kept")
    if not changes.settled:
        return _waiting(context, changes)
    ready = set(changes.settled)
    if any(path.name in {"clips.csv", "CORPUS"} for path in ready):
        ready |= {path for path in store.raw_clips.rglob("*") if path not in changes.growing}
    before = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    # Registering has an effect of its own: if this look is repeated, all settled files count again.
    result = register_clips(store, context.instance, [store.raw_clips], ready.__contains__)
    for problem in result.problems:
        context.log.warning(f"{problem.file}: {problem.message}")
    rows = {row["clip"]: row for row in registered_clips(store).to_dicts()}
    wanted = sorted(
        clip
        for clip, row in rows.items()
        if before.get(clip) != row or Path(row["path"]) in changes.settled
    )
    return dg.SensorResult(
        run_requests=_requests(wanted, changes.look),
        dynamic_partitions_requests=[CLIPS.build_add_request(wanted)] if wanted else [],
        cursor=changes.look.cursor(),
    )


@dg.sensor(
    job=ingest_clips,
    minimum_interval_seconds=INTERVAL_S,
    default_status=sensor_status("annotations"),
    description="Reads what is new or changed in `raw/annotations` for the clips concerned; what "
    "did not change is not made again.",
)
def changed_annotations(context: dg.SensorEvaluationContext, store: Store) -> Answer:
    """Runs for the clips that changed annotation files speak of, or spoke of before they went."""
    changes = look_again(store.raw_annotations, Look.from_cursor(context.cursor))
    if not changes.settled and not changes.gone:
        return _waiting(context, changes)
    if changes.growing:  # reading the folder reads all of it
        return dg.SkipReason(f"{changes.growing[0].name} is still being written")
    before = registered_annotations(store)
    for problem in register_annotations(store, context.instance, [store.raw_annotations]):
        context.log.warning(f"{problem.file}: {problem.message}")
    after = registered_annotations(store)
    changed = {str(path) for path in (*changes.settled, *changes.gone)}
    spoken_of = {
        clip
        for row in (*before.to_dicts(), *after.to_dicts())
        if row["path"] in changed
        for clip in row["clips"]
    }
    known = clip_keys(context.instance)
    for clip in sorted(spoken_of - set(known)):
        context.log.warning(f"annotations for {clip}, a clip that is not registered")
    wanted = [clip for clip in known if clip in spoken_of]
    return dg.SensorResult(
        run_requests=_requests(wanted, changes.look), cursor=changes.look.cursor()
    )


def _requests(clips: list[str], look: Look) -> list[dg.RunRequest]:
    """A run a clip; the same look never starts it twice."""
    key = inputs_digest({"handled": look.handled, "gone": look.gone})[:12]
    return [dg.RunRequest(run_key=f"{clip} {key}", partition_key=clip) for clip in clips]


def _waiting(context: dg.SensorEvaluationContext, changes: Changes) -> dg.SkipReason:
    context.update_cursor(changes.look.cursor())
    if changes.growing:
        return dg.SkipReason(
            f"{len(changes.growing)} files wait for a second look, the first is "
            f"{changes.growing[0].name}"
        )
    return dg.SkipReason("nothing is new or changed")
