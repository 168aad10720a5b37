"""``dance status --clip``: what a store holds of single clips, and what a run would make anew."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from dance_models.annotations.image_names import Reading
from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import read_table
from pipelines.shown import shown

if TYPE_CHECKING:
    import dagster as dg
    import polars as pl

    from dance_models.config import Profile
    from dance_models.quality.findings import Finding
    from pipelines.execution.outcomes import Plan
    from pipelines.execution.request import Request
    from pipelines.stage import Stage
    from pipelines.storage.store import Store

MOST_NAMED: Final = 5  # clips of a hint
LEFT_OUT: Final = "clips_left_out"  # the check on the data set


def clips_named(store: "Store", names: Sequence[str]) -> list[str]:
    """The keys of registered clips by key, by the name of their file, or by how the key begins.

    Raises InputError for a name that is of none, or of several.
    """
    from pipelines.storage.annotations import clip_names

    known = Reading(clip_names(store))
    return list(dict.fromkeys(_clip_named(store, name, known) for name in names))


def _clip_named(store: "Store", name: str, known: Reading) -> str:
    from pipelines.storage.shards import clips_of_shards, shards_of

    # A name, or one with a suffix that is of its file and not of its name.
    if (clip := known.registered(name) or known.registered(name.rpartition(".")[0])) is not None:
        return clip
    begun = [clip for clip in known.names.listed if name and clip.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise InputError(
            f"--clip: {len(begun)} clips begin with {name!r}: {_first(begun)}",
            hint="Name one of them in full, or several with --clip for each",
        )
    if shards_of(store) and (its_clips := clips_of_shards(store).get(name)):
        raise InputError(
            f"--clip: {name!r} is a shard, of {len(its_clips)} clips: {_first(its_clips)}",
            hint="Name one of them",
        )
    nearest = known.nearest(name)
    listed = known.names.listed
    raise InputError(
        f"--clip: there is no clip {name!r} in this store",
        file=store.path,
        hint=f"The nearest is {nearest!r}"
        if nearest
        else f"Name one of its {len(listed)} clips ({_first(listed)})"
        if listed
        else "Register clips with `dance run --clips DIR`",
    )


def _first(clips: Sequence[str]) -> str:
    more = len(clips) - MOST_NAMED
    return ", ".join(clips[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def print_clip(
    request: "Request", instance: "dg.DagsterInstance", store: "Store", clip: str, out: Console
) -> None:
    """Print what one clip is, what is there of it, and where it is used."""
    from pipelines.storage.clips import clips_by_key

    for line in _registered(store, clip, clips_by_key(store)[clip]):
        out.print(shown(line), highlight=False, soft_wrap=True)
    table = Table("asset", "there", "state", "why")
    for row in _states(request, instance, store, clip):
        there = "yes" if row.there else ""
        table.add_row(shown(row.asset), shown(there), shown(row.state), shown(row.why))
    out.print(table)
    profile = request.profile
    found = (*_findings(request, store, clip), *_use(store, profile, clip))
    for line in found:
        out.print(shown(line), highlight=False, soft_wrap=True)


def _registered(store: "Store", clip: str, row: Mapping[str, object]) -> Iterator[str]:
    from pipelines.storage.shard_keys import shard_of
    from pipelines.storage.shards import shards_of

    away = "" if Path(str(row["path"])).exists() else " (the file is missing; its tables are kept)"
    yield f"clip {clip}"
    yield f"file: {row['path']}{away}"
    of = [f"{name} {row[name]}" for name in ("style", "performer", "take") if row[name]]
    yield ", ".join(of) or "no style, performer or take is known"
    if shards := shards_of(store):
        yield f"shard: {shard_of(clip, shards)} of {shards}"


@dataclass(frozen=True)
class _State:
    """One stage of a clip."""

    asset: str
    there: bool
    state: str
    why: str


def _states(
    request: "Request", instance: "dg.DagsterInstance", store: "Store", clip: str
) -> Iterator[_State]:
    """What a run would find and make, stage by stage."""
    from pipelines.execution.outcomes import plan

    stages, profile = request.stages(partitioned=True), request.profile
    planned = plan(stages, instance, store, profile, clip)
    for stage in stages:
        there = store.output(stage.name, clip).is_file()
        state, why = _state(stage, stages, planned, _stale(stage, instance, store, profile, clip))
        yield _State(stage.name, there, state, why)


def _state(
    stage: "Stage", stages: "Sequence[Stage]", planned: "Plan", stale: str | None
) -> tuple[str, str]:
    to_run = {other.name for other in planned.to_run}
    before = [other.name for other in stages if other.name in stage.names_before()]
    if stage.name in to_run:
        first = ", ".join(name for name in before if name in to_run)
        return "stale", stale or f"made again if what is before it changes: {first}"
    for outcome in planned.outcomes:
        if outcome.asset == stage.name:
            return "fresh", outcome.error or ""
    stopped = {o.asset for o in planned.outcomes if o.state == "failed"}
    by = ", ".join(name for name in before if name in stopped)
    return "left out", f"an error of the checks of {by} stops it"


def _stale(
    stage: "Stage", instance: "dg.DagsterInstance", store: "Store", profile: "Profile", clip: str
) -> str | None:
    """Why a stage is stale, None when it is fresh; and how it failed in its shard, if it did."""
    from pipelines.shard_step import error_of
    from pipelines.storage.shard_keys import shard_of
    from pipelines.storage.shards import shards_of

    try:
        found = stage.freshness(instance, store, profile, clip)
    except InputError as error:
        found = str(error)
    if not isinstance(found, str):
        return None
    shards = shards_of(store)
    before = error_of(instance, stage.name, shard_of(clip, shards), clip) if shards else None
    return f"{found}; it failed when its shard was made last: {before}" if before else found


def _findings(request: "Request", store: "Store", clip: str) -> Iterator[str]:
    """What the checks on the clip found, and those on the data set that name it."""
    from dance_models.quality.findings import lines

    found = False
    for partitioned in (True, False):
        for stage in request.stages(partitioned=partitioned):
            mine = _written(store, stage, clip if partitioned else None, clip)
            for severity, word in (("error", "error"), ("warn", "warning")):
                for line in lines(f for f in mine if f.severity == severity):
                    found = True
                    yield f"{word}: {stage.name}: {line}"
    if not found:
        yield "its checks found nothing"


def _written(store: "Store", stage: "Stage", of: str | None, clip: str) -> "list[Finding]":
    """The findings on one clip as they were last written; none where they are made again.

    Without those that a clip is not in the data set: :func:`_use` says whether it is, and why.
    """
    if stage.checks is None:
        return []
    try:
        written = stage.checks.written(store, of)
        return [f for f in written if f.clip == clip and f.check != LEFT_OUT]
    except DamagedFileError:
        return []


def _use(store: "Store", profile: "Profile", clip: str) -> Iterator[str]:
    """Whether it is quarantined, in the data set, and in which split."""
    import polars as pl

    from pipelines.execution.session import quarantined_clips

    reason = quarantined_clips(store, [clip]).get(clip)
    if reason:
        yield f"quarantined: {reason}"
    frames = _rows(store, "pose_dataset", clip, ["clip", "annotation"])
    annotated = 0 if frames is None else frames.filter(pl.col("annotation").is_not_null()).height
    yield f"data set: {_in_dataset(store, profile, clip, frames, annotated, reason)}"
    splits = _rows(store, "split_manifest", clip, ["clip", "group", "split", "fold"])
    if splits is None:
        yield "split: none is made yet"
    elif splits.is_empty():
        yield f"split: in none{'' if annotated else ', as it has no annotated frame there'}"
    else:
        _, group, split, fold = splits.row(0)
        yield f"split: {split}, group {group}, fold {fold}"


def _in_dataset(
    store: "Store",
    profile: "Profile",
    clip: str,
    frames: "pl.DataFrame | None",
    annotated: int,
    quarantined: str | None,
) -> str:
    from pipelines.checks.dataset_clips import unusable

    why: str | None
    try:
        why = unusable(store, profile.quality, clip)
    except InputError as error:
        why = str(error)
    if frames is not None and frames.height:
        until = f"; as its tables are now it would be left out ({why})" if why else ""
        return f"{frames.height} frames of it, {annotated} of them annotated{until}"
    if why or quarantined:
        return f"it is not in it ({why or quarantined})"
    if frames is None:
        return "it is not made yet"
    if not store.height(store.table("sampled_frames", clip)):
        return "it is not in it (no frame of it is kept)"
    return "it is not in it yet; `dance run` adds it"


def _rows(store: "Store", asset: str, clip: str, columns: list[str]) -> "pl.DataFrame | None":
    """The rows of a clip in a table over all clips; None when that is not there, or damaged."""
    with suppress(InputError):
        return read_table(store.made(asset), columns).filter(clip=clip)
    return None
