"""``dance status``: what the store holds, what is quarantined, and what is stale."""

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common

if TYPE_CHECKING:
    import polars as pl

    from pipelines.storage.store import Store


def status(
    store: common.StoreOption = common.DEFAULT_STORE,
    profile: common.ProfileOption = "demo",
    debug: common.DebugOption = False,
) -> None:
    """Print what the store holds, what is quarantined and what a run would make anew."""
    with common.reported(debug):
        print_status(common.opened(store), profile, common.console())


def print_status(store: "Store", profile: str, out: Console) -> None:
    """Print counts, quarantine and what is stale under a profile.

    Raises InputError when there is no store.
    """
    from rich.table import Table

    from pipelines.execution.request import Request
    from pipelines.execution.runner import stale_stages
    from pipelines.execution.session import quarantined_clips
    from pipelines.partitions import clip_keys
    from pipelines.profile_options import ProfileOptions
    from pipelines.stage import last_materialization
    from pipelines.storage.annotation_report import annotation_report, report_lines, report_sum
    from pipelines.storage.annotations import registered_annotations
    from pipelines.storage.clips import corpus_label
    from pipelines.storage.registration import VERSION_TAG
    from pipelines.storage.store import open_instance
    from pipelines.storage.tracks import track_lines

    if not store.dagster_home.is_dir():
        raise InputError(
            "there is no store here", file=store.path, hint="Start one with `dance run --clips DIR`"
        )
    request = Request(store.path, ProfileOptions(profile))
    instance = open_instance(store)
    clips = clip_keys(instance)
    files = registered_annotations(store).height
    out.print(
        f"{store.path}\ncorpus: {corpus_label(store)}; {len(clips)} clips, "
        f"{files} annotation files; profile {profile}"
    )
    stale = Counter(asset for asset, _ in stale_stages(request, instance))
    table = Table("asset", "there", "stale", "last run")
    for stage in [s for flag in (True, False) for s in request.stages(partitioned=flag)]:
        keys: list[str | None] = [*clips] if stage.partitioned else [None]
        there = sum(store.output(stage.name, clip).is_file() for clip in keys)
        newest = last_materialization(instance, stage.name, None)
        version = (newest.tags or {}).get(VERSION_TAG, "") if newest else ""
        count = str(stale[stage.name]) if stale[stage.name] else ""
        table.add_row(stage.name, f"{there}/{len(keys)}", count, version[:12])
    out.print(table)
    for clip, reason in sorted(quarantined_clips(store, clips).items()):
        out.print(f"quarantined {clip}: {reason}", markup=False)
    _print_files(registered_annotations(store), out)
    report = annotation_report(store)
    for line in (*track_lines(store, clips), *report_lines(report)):
        out.print(line, markup=False, soft_wrap=True)
    out.print(report_sum(store, report), highlight=False, soft_wrap=True)


def _print_files(files: "pl.DataFrame", out: Console) -> None:
    """What was read of the annotation files, by format; ``raw_annotations`` has a row a file."""
    import polars as pl
    from rich.table import Table

    if files.is_empty():
        return
    counts = ("people", "frames", "joints", "dropped")
    how = (pl.max("people"), pl.sum("frames"), pl.max("joints"), pl.sum("dropped"))
    named = files.with_columns(
        format=pl.col("format").fill_null("by an earlier version").replace("", "not read")
    )
    table = Table("annotations", "files", *counts)
    for row in named.group_by("format").agg(pl.len(), *how).sort("format").rows():
        table.add_row(*("" if value is None else str(value) for value in row))
    out.print(table)
