"""Sensors of the raw folders: new and changed clips and annotations become runs."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import dagster as dg

from dance_models.config import Profile
from dance_models.files import is_hidden
from dance_models.text import first_lines, printable
from dance_models.video.images import may_count
from dance_models.video.scan import MANIFEST, is_video
from pipelines.assets.annotations import pose_annotations
from pipelines.assets.clips import clip_probe
from pipelines.assets.dataset import pose_dataset
from pipelines.automation.far_folders import FarFolders, Watched, nothing
from pipelines.automation.folders import Changes, FolderScan, keep_scan, scan_again, scan_of
from pipelines.automation.jobs import INGEST_CLIPS
from pipelines.automation.switches import AutomationSettings
from pipelines.partitions import CLIPS, clip_keys
from pipelines.stage import inputs_digest
from pipelines.storage.annotations import register_annotations, registered_annotations
from pipelines.storage.bucket_clips import mirror_again
from pipelines.storage.clips import (
    CORPUS_FILE,
    folder_looks_registered,
    looks_registered,
    register_clips,
    registered_clips,
    update_digests,
)
from pipelines.storage.folders import away_folders, registered_folders
from pipelines.storage.pointers import clip_folders
from pipelines.storage.shard_keys import by_shard
from pipelines.storage.shards import shards_of
from pipelines.storage.store import Store

INTERVAL_S: Final = 15
LISTING_S: Final = 10.0  # for a bucket; Dagster ends a tick after a minute
# Dagster ends a sensor's tick after a minute; reading this much takes half of it at 130 MB/s.
BYTES_A_SCAN: Final = 4_000_000_000
CLIPS_A_SCAN: Final = 200  # each is registered with Dagster, too
ANNOTATION_BYTES_A_SCAN: Final = 200_000_000  # these are parsed
SCANS: Final = "scans"  # in Dagster's home: what the cursors name
MANIFESTS: Final = (MANIFEST, CORPUS_FILE)
Answer = dg.SensorResult | dg.SkipReason


@dataclass
class News:
    """What was not said in the last tick of this process.

    Dagster keeps a file for each tick that says something and never deletes it: four a minute for
    as long as an object of a bucket cannot be used.
    """

    before: frozenset[str] = frozenset()

    def of(self, lines: Iterable[str]) -> list[str]:
        """Those of the lines of this tick."""
        now = list(lines)
        new = [line for line in now if line not in self.before]
        self.before = frozenset(now)
        return new


def clip_sensor(profile: Profile, automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``new_clips``: partitions and runs for new and changed clips."""
    far, of_buckets = FarFolders(), News()

    @dg.sensor(
        job_name=INGEST_CLIPS,
        minimum_interval_seconds=INTERVAL_S,
        default_status=automation.sensor_status("clips"),
        description="Ingests what is new or changed in raw/clips, in the folders and buckets that "
        "commands were given clips in, and of clips that were named alone. A clip whose file is "
        "missing is reported, and its tables are kept. A file counts once two scans found it "
        "unchanged.",
    )
    def new_clips(context: dg.SensorEvaluationContext, store: Store) -> Answer:
        for line in of_buckets.of(mirror_again(store, within_s=LISTING_S)):
            context.log.warning(line)
        scans = store.dagster_home / SCANS / "new_clips"
        last = scan_of(scans, context.cursor)
        changes, parts = _scanned(context, store, far, last)
        gone = (f"{path} is missing; the tables of its clip are kept" for path in changes.missing)
        for line in first_lines(gone, "missing files"):
            context.log.warning(printable(line))
        if not changes.settled:
            return _waiting(context, scans, changes, parts)
        # Registering has side effects. Whether a clip is ingested is read from its tables,
        # so that a scan repeated after the daemon died here requests the same runs.
        touched = _register(context, store, changes)
        wanted = [
            row["clip"]
            for row in registered_clips(store).to_dicts()
            if Path(row["path"]) in touched
            and not is_ingested(store, context.instance, profile, row["clip"])
        ]
        cursor = keep_scan(scans, context.cursor, changes.scan)
        if not wanted:
            return dg.SensorResult(skip_reason="the changes need no new run", cursor=cursor)
        return dg.SensorResult(
            run_requests=_requests(store, wanted, changes.scan),
            dynamic_partitions_requests=None
            if shards_of(store)
            else [CLIPS.build_add_request(wanted)],
            cursor=cursor,
        )

    return new_clips


def _own_folders(store: Store) -> list[Path]:
    """The store's folders of clips, resolved as the paths of clips are; raw/clips may be a link."""
    return [folder.resolve() for folder in clip_folders(store)]


def _named_folders(store: Store) -> list[Path]:
    """The folders elsewhere that commands were given clips in."""
    own = [*_own_folders(store), store.raw_buckets.resolve()]
    named = registered_folders(store).filter(content="clips")["folder"]
    return [path for path in map(Path, named) if not any(map(path.is_relative_to, own))]


def _scanned(
    context: dg.SensorEvaluationContext, store: Store, far: FarFolders, last: FolderScan
) -> tuple[Changes, list[str]]:
    """What is new, and what is said of folders that were not looked at to the end."""
    registered = {Path(row["path"]): row for row in registered_clips(store).to_dicts()}
    looks = far.look(_watched_elsewhere(store, registered.keys()), last.resume)
    for line in looks.news(last.away):
        context.log.warning(printable(line))
    elsewhere = looks.states
    known = _known(registered, elsewhere)

    changes = scan_again(
        store.raw_clips,
        last,
        _own_files(store),
        BYTES_A_SCAN,
        known=known,
        elsewhere=elsewhere,
        looked=looks.covers,
        clips_at_most=CLIPS_A_SCAN,
        # Only of what is registered a return may be taken for no change.
        kept=lambda path: path in registered or path.parent in registered,
    )
    scan = replace(changes.scan, resume=looks.resume(), away=looks.away())
    return replace(changes, scan=scan), [printable(line) for line in looks.parts()]


def _known(
    registered: Mapping[Path, Mapping[str, Any]], elsewhere: Mapping[str, Sequence[int]]
) -> Callable[[Path], bool]:
    """Whether a file elsewhere, or the folder of images that it is in, is as it was registered."""
    folders: dict[Path, dict[Path, Sequence[int]]] = {}
    for path, state in ((Path(name), state) for name, state in elsewhere.items()):
        if path.parent in registered:
            folders.setdefault(path.parent, {})[path] = state
    same = {
        folder: folder_looks_registered(registered[folder], states)
        for folder, states in folders.items()
    }

    def known(path: Path) -> bool:
        state = elsewhere.get(str(path))
        if state is None:
            return False
        row = registered.get(path)
        return looks_registered(row, state) if row is not None else same.get(path.parent, False)

    return known


def _may_be_of_a_clip(path: Path) -> bool:
    return is_video(path) or may_count(path)


def _watched_elsewhere(store: Store, registered: Collection[Path]) -> list[Watched]:
    """The folders that were named, and those of clips that were named alone."""
    own, named = _own_folders(store), _named_folders(store)
    alone: dict[Path, list[Path]] = {root: [] for root in named}
    for path in sorted(registered):
        if not any(map(path.is_relative_to, own)):
            root = next(filter(path.is_relative_to, named), path.parent)
            # What the walk passes over was named, too.
            if root not in named or any(map(is_hidden, path.relative_to(root).parts)):
                alone.setdefault(root, []).append(path)
    return [
        Watched(
            root,
            _may_be_of_a_clip if root in named else nothing,
            store.is_made,
            tuple(clips),
        )
        for root, clips in alone.items()
    ]


def _own_files(store: Store) -> list[Path]:
    """Watched files of the store outside of raw/clips: manifests and pointers."""
    folder, *pointed = _own_folders(store)
    pointers = [path for mirror in pointed for path in mirror.rglob("[!.]*") if path.is_file()]
    return [*(folder.parent / name for name in MANIFESTS), *pointers]


def _register(context: dg.SensorEvaluationContext, store: Store, changes: Changes) -> set[Path]:
    """Register the settled files; returns those whose clips may have to be ingested."""
    own = _own_folders(store)
    settled = _with_folders(changes.settled) - _with_folders(changes.growing)
    touched = {path for path in settled if any(map(path.is_relative_to, own))}
    if any(path.name in MANIFESTS for path in settled):  # any clip may be of another style now
        touched |= _with_folders(map(Path, changes.scan.handled))
    # A command that registers a clip elsewhere ingests it: what is known there has changed.
    registered = {Path(path) for path in registered_clips(store)["path"]}
    elsewhere = {path for path in settled if not any(map(path.is_relative_to, own))}
    changed, new = elsewhere & registered, elsewhere - registered
    named = [one for one in _named_folders(store) if any(p.is_relative_to(one) for p in new)]
    found = register_clips(
        store,
        context.instance,
        [*own, *named],
        (touched | new).__contains__,
        settled.__contains__,
    )
    for line in first_lines((f"{p.file}: {p.message}" for p in found.problems), "problems"):
        context.log.warning(printable(line))
    update_digests(store, context.instance, changed)
    register_annotations(store, context.instance, [])  # their images may be those of a new clip
    return touched | changed | new


def _with_folders(files: Iterable[Path]) -> set[Path]:
    """Files, and the folders that are clips because of such images."""
    paths = set(files)
    return paths | {p.parent for p in paths if may_count(p)}


def is_ingested(store: Store, instance: dg.DagsterInstance, profile: Profile, clip: str) -> bool:
    """Whether the tables of a clip exist and were made from the registered files."""
    stages = set(pose_dataset.upstream())
    return all(store.table(stage.name, clip).is_file() for stage in stages) and clip_probe.is_fresh(
        instance, store, profile, clip
    )


def annotation_sensor(profile: Profile, automation: AutomationSettings) -> dg.SensorDefinition:
    """The sensor ``changed_annotations``: runs for the clips that changed files mention."""

    @dg.sensor(
        job_name=INGEST_CLIPS,
        minimum_interval_seconds=INTERVAL_S,
        default_status=automation.sensor_status("annotations"),
        description="Reads what is new or changed in raw/annotations for the clips concerned; "
        "unchanged results are reused.",
    )
    def changed_annotations(context: dg.SensorEvaluationContext, store: Store) -> Answer:
        scans = store.dagster_home / SCANS / "changed_annotations"
        last = scan_of(scans, context.cursor)
        elsewhere = _annotations_elsewhere(store)
        # A file that returns is read in any case: that it was missing has not to be remembered.
        changes = scan_again(
            store.raw_annotations, last, elsewhere, ANNOTATION_BYTES_A_SCAN, kept=nothing
        )
        if not changes.settled and not changes.missing:
            return _waiting(context, scans, changes)
        clips = _register_annotations(context, store, changes)
        scan = replace(changes.scan, clips=_mentioned(store, changes.scan.handled))
        known = clip_keys(store, context.instance)
        others = sorted(clips - set(known))
        unknown = (f"annotations for {clip}, a clip that is not registered" for clip in others)
        for line in first_lines(unknown, "such clips"):
            context.log.warning(line)
        wanted = [
            clip
            for clip in known
            if clip in clips and _annotations_changed(store, context.instance, profile, clip)
        ]
        cursor = keep_scan(scans, context.cursor, scan)
        if not wanted:
            return dg.SensorResult(
                skip_reason="the changes concern no clip that is ingested", cursor=cursor
            )
        return dg.SensorResult(run_requests=_requests(store, wanted, scan), cursor=cursor)

    return changed_annotations


def _register_annotations(
    context: dg.SensorEvaluationContext, store: Store, changes: Changes
) -> set[str]:
    """Register the settled files; returns the clips that changed files mention or mentioned.

    What they mentioned is in the cursor too: a tick that was killed, or the sensor of clips, may
    have registered them since.
    """
    settled, folder = set(changes.settled), store.raw_annotations.resolve()
    before = registered_annotations(store)
    elsewhere = {path.parent for path in settled if not path.is_relative_to(folder)}
    problems = register_annotations(
        store, context.instance, [folder, *sorted(elsewhere)], settled.__contains__
    )
    for line in first_lines((f"{p.file}: {p.message}" for p in problems), "problems"):
        context.log.warning(printable(line))
    for away, files in away_folders(store, "annotations").items() if changes.missing else ():
        context.log.warning(
            printable(f"{away} is not there; what was read of its {files} files is kept")
        )
    changed = {str(path) for path in (*changes.settled, *changes.missing)}
    rows = (*before.to_dicts(), *registered_annotations(store).to_dicts())
    mentioned = {clip for row in rows if row["path"] in changed for clip in row["clips"]}
    return mentioned.union(*(changes.scan.clips.get(path, ()) for path in changed))


def _mentioned(store: Store, handled: Collection[str]) -> dict[str, list[str]]:
    """The clips that each of the handled files mentions, as they are registered."""
    rows = registered_annotations(store).select("path", "clips").iter_rows()
    return {path: list(clips) for path, clips in rows if path in handled}


def _annotations_elsewhere(store: Store) -> list[Path]:
    folder = store.raw_annotations.resolve()
    paths = (Path(path) for path in registered_annotations(store)["path"])
    return [path for path in paths if not path.is_relative_to(folder)]


def _annotations_changed(
    store: Store, instance: dg.DagsterInstance, profile: Profile, clip: str
) -> bool:
    """Whether reading a clip's annotations gives another result.

    A clip without a probe is still to be ingested, and reads them then.
    """
    probed = store.table(clip_probe.name, clip).is_file()
    return probed and not pose_annotations.is_fresh(instance, store, profile, clip)


def _requests(store: Store, clips: list[str], scan: FolderScan) -> list[dg.RunRequest]:
    """One run for each clip, or for each shard of clips; the same scan never starts it twice."""
    key = inputs_digest({"handled": scan.handled, "gone": scan.missing, "look": scan.number})[:12]
    shards = shards_of(store)
    partitions = by_shard(clips, shards) if shards else clips
    return [dg.RunRequest(run_key=f"{one} {key}", partition_key=one) for one in partitions]


def _waiting(
    context: dg.SensorEvaluationContext, scans: Path, changes: Changes, parts: Iterable[str] = ()
) -> dg.SkipReason:
    """Why nothing is done; ``parts`` is of folders that were not looked at to the end."""
    context.update_cursor(keep_scan(scans, context.cursor, changes.scan))
    reason = "nothing is new or changed"
    if changes.growing:
        reason = (
            f"{len(changes.growing)} files wait for a second scan, the first is "
            f"{printable(changes.growing[0].name)}"
        )
    return dg.SkipReason("; ".join([reason, *parts]))
