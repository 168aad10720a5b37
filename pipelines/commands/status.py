"""``dance status``: what the store holds, what is quarantined, and what is stale."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.commands import common
from pipelines.shown import shown

if TYPE_CHECKING:
    import dagster as dg
    import polars as pl

    from pipelines.execution.request import Request
    from pipelines.storage.store import Store


ClipsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--clip",
        help="Only this clip, and all of it: its key, its file's name, or how only its key begins; "
        "may be repeated.",
    ),
]


def status(
    store: common.StoreOption = common.DEFAULT_STORE,
    clip: ClipsOption = None,
    profile: common.LastProfileOption = None,
    devices: common.DevicesOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Print what the store holds, its champions, and what a run would make anew."""
    from pipelines.storage.disk import full_disk_reported
    from pipelines.storage.memory import remembering

    with common.reported(debug):
        found = common.existing(store)
        with full_disk_reported(found.path), remembering(found) as remembers:
            if clip is not None:
                _print_clips(remembers, profile, devices, clip, common.console())
            else:
                print_status(remembers, profile, devices, common.console())


def print_status(store: "Store", profile: str | None, devices: int | None, out: Console) -> None:
    """Print counts, quarantine and what is stale under a profile; None: that of the last run."""
    from pipelines.execution.session import quarantined_clips
    from pipelines.partitions import clip_keys
    from pipelines.storage.annotation_report import annotation_report, report_lines, report_sum
    from pipelines.storage.annotations import registered_annotations
    from pipelines.storage.clips import corpus_label
    from pipelines.storage.store import open_instance
    from pipelines.storage.tracks import track_lines

    instance = open_instance(store, runs=False)
    common.warn_once_of_rights(store, out)
    request = _request(store, instance, profile, devices)
    options = request.options
    clips = clip_keys(store, instance)
    files = registered_annotations(store).height
    out.print(
        f"{shown(str(store.path))}\ncorpus: {shown(corpus_label(store))}; {len(clips)} clips, "
        f"{files} annotation files; profile {shown(f'{options.name} {options.given()}'.strip())}",
        soft_wrap=True,
    )
    for line in store.told_of_bucket():
        out.print(shown(line), highlight=False, soft_wrap=True)
    _print_assets(request, instance, store, clips, out)
    for clip, reason in sorted(quarantined_clips(store, clips).items()):
        out.print(f"quarantined {shown(clip)}: {shown(reason)}", highlight=False, soft_wrap=True)
    for program, address in store.databases.named() if store.databases is not None else ():
        out.print(shown(f"database of {program}: {address}"), highlight=False, soft_wrap=True)
    _print_files(registered_annotations(store), out)
    _print_champions(store, out)
    report = annotation_report(store)
    for line in (*track_lines(store, clips), *report_lines(report)):
        out.print(shown(line), highlight=False, soft_wrap=True)
    out.print(shown(report_sum(store, report)), highlight=False, soft_wrap=True)


def _print_clips(
    store: "Store", profile: str | None, devices: int | None, named: Sequence[str], out: Console
) -> None:
    """Print what some clips are. Raises InputError when there is no such clip."""
    from pipelines.commands.clip_status import clips_named, print_clip
    from pipelines.storage.store import open_instance

    clips = clips_named(store, named)
    instance = open_instance(store, runs=False)
    request = _request(store, instance, profile, devices)
    for clip in clips:
        print_clip(request, instance, store, clip, out)


def _request(
    store: "Store", instance: "dg.DagsterInstance", profile: str | None, devices: int | None
) -> "Request":
    """All that a run would make, with the options of the last one."""
    from pipelines.execution.request import Request
    from pipelines.profile_options import DEFAULT_PROFILE, last_profile, noted_options

    chosen = profile or last_profile(instance) or DEFAULT_PROFILE
    return Request(store.path, replace(noted_options(store), name=chosen, devices=devices))


def _print_assets(
    request: "Request",
    instance: "dg.DagsterInstance",
    store: "Store",
    clips: list[str],
    out: Console,
) -> None:
    from rich.table import Table

    from pipelines.execution.runner import stale_stages
    from pipelines.materializations import newest_of

    stages = [s for flag in (True, False) for s in request.stages(partitioned=flag)]
    newest = newest_of(instance, [stage.name for stage in stages])
    stale = Counter(asset for asset, _ in stale_stages(request, instance, store, newest))
    table = Table("asset", "there", "stale", "last made")
    for stage in stages:
        keys: list[str | None] = [*clips] if stage.partitioned else [None]
        there = sum(store.output(stage.name, clip).is_file() for clip in keys)
        count = str(stale[stage.name]) if stale[stage.name] else ""
        made = _time(newest[stage.name].timestamp if stage.name in newest else None)
        table.add_row(stage.name, f"{there}/{len(keys)}", count, made)
    out.print(table)


def _time(seconds: float | None) -> str:
    """A time in this machine's zone, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""


def _print_champions(store: "Store", out: Console) -> None:
    """The version in use of each task, since when it is registered, and its scores."""
    from rich.table import Table

    from pipelines.tracking.registry import CHAMPION, MODELS, Registry
    from pipelines.tracking.tracker import Tracker

    tracker = Tracker(store)
    if not tracker.exists():
        return
    table = Table("champion", "version", "registered", "validation", "test")
    for task, model in MODELS.items():
        registry = Registry(tracker, task)
        number = registry.aliases().get(CHAMPION)
        if number is None:
            table.add_row(model, "none")
            continue
        tags = registry.tags(number)
        scores = [
            "\n".join(
                shown(f"{name.removeprefix(split)} {value}")
                for name, value in sorted(tags.items())
                if name.startswith(split)
            )
            for split in ("val/", "test/")
        ]
        table.add_row(model, number, _time(registry.registered_at(number)), *scores)
    out.print(table)


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
        table.add_row(*("" if value is None else shown(str(value)) for value in row))
    out.print(table)
