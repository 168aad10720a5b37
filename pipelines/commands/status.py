"""``dance status`` and ``dance tables``: what the store holds, in words."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from dance_models.errors import InputError
from pipelines.execution.runner import Request, stale_steps
from pipelines.execution.session import quarantined_clips
from pipelines.partitions import clip_keys
from pipelines.settings import active_profile
from pipelines.skip_rule import last_materialization
from pipelines.steps import CLIP_STEPS, assets_of
from pipelines.storage.annotations import registered_annotations
from pipelines.storage.clips import corpus_label
from pipelines.storage.store import Store, open_instance

REPORT_NAMES = ("recognition_report", "prediction_report")


def print_status(store: Store, console: Console) -> None:
    """Print counts, quarantine and what is stale under the active profile."""
    if not store.dagster_home.is_dir():
        raise InputError(
            "there is no store here", file=store.path, hint="Start one with `dance run --clips DIR`"
        )
    instance = open_instance(store)
    clips = clip_keys(instance)
    profile = active_profile().name
    files = registered_annotations(store).height
    console.print(
        f"{store.path}\ncorpus: {corpus_label(store)}; {len(clips)} clips, "
        f"{files} annotation files; profile {profile}"
    )
    stale = Counter(asset for asset, _ in stale_steps(Request(store.path, profile), instance))
    per_clip = {step.asset for step in CLIP_STEPS}
    table = Table("asset", "there", "stale", "last run")
    for asset in assets_of(active_profile()):
        keys: list[str | None] = [*clips] if asset in per_clip else [None]
        there = sum(store.output(asset, clip).is_file() for clip in keys)
        newest = last_materialization(instance, asset, None)
        version = (newest.tags or {}).get("dagster/data_version", "") if newest else ""
        table.add_row(
            asset, f"{there}/{len(keys)}", str(stale[asset]) if stale[asset] else "", version[:12]
        )
    console.print(table)
    for clip, reason in sorted(quarantined_clips(store, clips).items()):
        console.print(f"quarantined {clip}: {reason}", markup=False)


def print_tables(store: Store, console: Console) -> None:
    """Print the rendered reports; raises InputError when there is none yet."""
    paths = [store.reports / f"{name}.txt" for name in REPORT_NAMES]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise InputError("there is no report yet", file=store.reports, hint="Run `dance run` first")
    for path in found:
        console.print(path.read_text("utf-8"), markup=False, highlight=False, soft_wrap=True)
