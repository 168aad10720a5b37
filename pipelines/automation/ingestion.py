"""Sensors of the raw folders: new and changed clips and annotations become runs."""

from pathlib import Path
from typing import Final

import dagster as dg
import polars as pl

from pipelines.automation.folders import Changes, Look, look_again
from pipelines.automation.jobs import ingest_clips
from pipelines.automation.switches import sensor_status
from pipelines.partitions import CLIPS, clip_keys
from pipelines.settings import active_profile
from pipelines.skip_rule import inputs_digest
from pipelines.steps import CLIP_STEPS
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.clips import CORPUS_FILE, register_clips, registered_clips, update_digests
from pipelines.storage.store import Store

INTERVAL_S: Final = 15
# Dagster ends a sensor's tick after a minute; reading so much takes half of it at 130 MB/s.
BYTES_A_LOOK: Final = 4_000_000_000
ANNOTATION_BYTES_A_LOOK: Final = 200_000_000  # these are parsed
MANIFESTS: Final = ("clips.csv", CORPUS_FILE)
Answer = dg.SensorResult | dg.SkipReason


@dg.sensor(
    job=ingest_clips,
    minimum_interval_seconds=INTERVAL_S,
    default_status=sensor_status("clips"),
    description="Ingests what is new or changed in `raw/clips`, and what changed of clips that are "
    "registered elsewhere; a clip that has gone is reported, and its tables stay. A file counts "
    "once two looks found it unchanged.",
)
def new_clips(context: dg.SensorEvaluationContext, store: Store) -> Answer:
    """Partitions and runs for new and changed clips."""
    last = Look.from_cursor(context.cursor)
    changes = look_again(store.raw_clips, last, _beside(store), BYTES_A_LOOK)
    for path in changes.gone:
        context.log.warning(f"{path} has gone; the tables of its clip are kept")
    if not changes.settled:
        return _waiting(context, changes)
    # Registering has an effect of its own. Whether a clip is ingested is asked of its tables, so
    # that a look that is repeated, because the daemon died here, asks for the same runs.
    touched = _register(context, store, changes, last)
    wanted = [
        row["clip"]
        for row in registered_clips(store).to_dicts()
        if Path(row["path"]) in touched and not is_ingested(store, context.instance, row["clip"])
    ]
    if not wanted:
        return dg.SensorResult(
            skip_reason="what changed asks for nothing", cursor=changes.look.cursor()
        )
    return dg.SensorResult(
        run_requests=_requests(wanted, changes.look),
        dynamic_partitions_requests=[CLIPS.build_add_request(wanted)],
        cursor=changes.look.cursor(),
    )


def _beside(store: Store) -> list[Path]:
    """What counts although it lies outside of the folder: manifests above it, clips elsewhere."""
    folder = store.raw_clips.resolve()
    registered = (Path(path) for path in registered_clips(store)["path"])
    elsewhere = [path for path in registered if not path.is_relative_to(folder)]
    return [*(folder.parent / name for name in MANIFESTS), *elsewhere]


def _register(
    context: dg.SensorEvaluationContext, store: Store, changes: Changes, last: Look
) -> set[Path]:
    """Register what settled; the files whose clips may have to be ingested."""
    settled, folder = set(changes.settled), store.raw_clips.resolve()
    # Whoever registered a clip elsewhere ingests it; what is overwritten later is for us.
    elsewhere = {
        path
        for path in settled
        if not path.is_relative_to(folder.parent) and str(path) in last.handled
    }
    touched = {path for path in settled if path.is_relative_to(folder)}
    if any(path.name in MANIFESTS for path in settled):  # any clip may be of another style now
        touched |= {Path(path) for path in changes.look.handled}
    found = register_clips(
        store, context.instance, [folder], touched.__contains__, settled.__contains__
    )
    for problem in found.problems:
        context.log.warning(f"{problem.file}: {problem.message}")
    update_digests(store, context.instance, elsewhere)
    return touched | elsewhere


def is_ingested(store: Store, instance: dg.DagsterInstance, clip: str) -> bool:
    """Whether the tables of a clip are there and were made from what is registered."""
    probe = CLIP_STEPS[0]
    return all(store.table(step.asset, clip).is_file() for step in CLIP_STEPS) and probe.is_fresh(
        instance, store, active_profile(), clip
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
    last = Look.from_cursor(context.cursor)
    changes = look_again(
        store.raw_annotations, last, _annotations_elsewhere(store), ANNOTATION_BYTES_A_LOOK
    )
    if not changes.settled and not changes.gone:
        return _waiting(context, changes)
    settled, folder = set(changes.settled), store.raw_annotations.resolve()
    before = registered_annotations(store)
    elsewhere = {path.parent for path in settled if not path.is_relative_to(folder)}
    problems = register_annotations(
        store, context.instance, [folder, *sorted(elsewhere)], settled.__contains__
    )
    for problem in problems:
        context.log.warning(f"{problem.file}: {problem.message}")
    clips = _spoken_of(before, registered_annotations(store), changes)
    known = clip_keys(context.instance)
    for clip in sorted(clips - set(known)):
        context.log.warning(f"annotations for {clip}, a clip that is not registered")
    wanted = [
        clip for clip in known if clip in clips and _reads_anew(store, context.instance, clip)
    ]
    if not wanted:
        return dg.SensorResult(
            skip_reason="what changed says nothing new of a clip that is ingested",
            cursor=changes.look.cursor(),
        )
    return dg.SensorResult(
        run_requests=_requests(wanted, changes.look), cursor=changes.look.cursor()
    )


def _annotations_elsewhere(store: Store) -> list[Path]:
    folder = store.raw_annotations.resolve()
    paths = (Path(path) for path in registered_annotations(store)["path"])
    return [path for path in paths if not path.is_relative_to(folder)]


def _spoken_of(before: pl.DataFrame, after: pl.DataFrame, changes: Changes) -> set[str]:
    changed = {str(path) for path in (*changes.settled, *changes.gone)}
    rows = (*before.to_dicts(), *after.to_dicts())
    return {clip for row in rows if row["path"] in changed for clip in row["clips"]}


def _reads_anew(store: Store, instance: dg.DagsterInstance, clip: str) -> bool:
    """Whether reading a clip's annotations gives something else.

    A clip without a probe is still to be ingested, and reads them then.
    """
    step = next(step for step in CLIP_STEPS if step.asset == "pose_annotations")
    probed = store.table("clip_probe", clip).is_file()
    return probed and not step.is_fresh(instance, store, active_profile(), clip)


def _requests(clips: list[str], look: Look) -> list[dg.RunRequest]:
    """A run a clip; the same look never starts it twice."""
    key = inputs_digest({"handled": look.handled, "gone": look.gone, "look": look.number})[:12]
    return [dg.RunRequest(run_key=f"{clip} {key}", partition_key=clip) for clip in clips]


def _waiting(context: dg.SensorEvaluationContext, changes: Changes) -> dg.SkipReason:
    context.update_cursor(changes.look.cursor())
    if changes.growing:
        return dg.SkipReason(
            f"{len(changes.growing)} files wait for a second look, the first is "
            f"{changes.growing[0].name}"
        )
    return dg.SkipReason("nothing is new or changed")
