"""One ``dance run`` as a person sees it: registration, progress bars, a summary."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from dance_models.annotations.image_names import Reading
from dance_models.errors import DamagedFileError, InputError
from dance_models.tables import read_columns
from dance_models.text import first_lines
from dance_models.video.images import is_clip_on_disk
from dance_models.video.scan import is_video, scan_clips
from pipelines.assets.pretraining import pretraining_motion
from pipelines.cluster import LOCAL, Cluster
from pipelines.execution.outcomes import StageOutcome
from pipelines.execution.progress import duration, progress_bars, shown_progress
from pipelines.execution.ray_workers import RayWorkers
from pipelines.execution.request import Request
from pipelines.execution.runner import (
    ClipRuns,
    ClipWorkers,
    DatasetRun,
    LocalWorkers,
    planned_clips,
)
from pipelines.graph import stages_of
from pipelines.partitions import clip_keys, clip_order
from pipelines.profile_options import note_options
from pipelines.recovery import close_dead_trainings, recover
from pipelines.sharding import drop_clips, put_in_shards, record_shards
from pipelines.shown import shown
from pipelines.stage import Stage
from pipelines.storage.annotation_report import (
    annotation_report,
    lost_anything,
    report_lines,
    report_sum,
    write_report,
)
from pipelines.storage.annotations import register_annotations
from pipelines.storage.bucket import SCHEME
from pipelines.storage.bucket_clips import mirror_again
from pipelines.storage.clips import ClipChanges, register_clips, registered_clips
from pipelines.storage.databases import held_open, loss_reported
from pipelines.storage.disk import full_disk_reported, require_space
from pipelines.storage.folders import Dropped, away_folders, remember_tracks
from pipelines.storage.locks import alone, held_locks, holder, shared
from pipelines.storage.memory import remembering
from pipelines.storage.motion import register_motion, unused_motion
from pipelines.storage.pointers import clip_folders, drop_copies
from pipelines.storage.remote_notes import Traffic
from pipelines.storage.shards import clips_of_shards, enough_shards, shards_of
from pipelines.storage.store import Store, open_instance
from pipelines.storage.tracks import unused_track_files
from pipelines.storage.weights import ready_weights

MOST_WARNINGS: Final = 40  # lines; a corpus with more has one thing wrong many times
FINDINGS_FOLDER: Final = "tables/findings in the store"


@dataclass
class RunOutcome:
    """The outcome of a run."""

    outcomes: list[StageOutcome] = field(default_factory=list)
    quarantined: dict[str, str] = field(default_factory=dict)  # clip -> reason
    lossless: bool = True  # every annotation, frame and file that was given is used

    @property
    def failed(self) -> list[StageOutcome]:
        """Assets that failed."""
        return [o for o in self.outcomes if o.state == "failed"]


def quarantined_clips(store: Store, clips: Sequence[str]) -> dict[str, str]:
    """Clips that cannot be used, with the reason that probing or sampling gave."""
    found = {clip: _reason(store, clip) for clip in clips}
    return {clip: reason for clip, reason in found.items() if reason}


def _reason(store: Store, clip: str) -> str | None:
    probe, frames = store.table("clip_probe", clip), store.table("sampled_frames", clip)
    reason = None
    with suppress(DamagedFileError):  # what is damaged is made again
        if probe.is_file():
            reason = store.fact(probe, "reason", partial(_of_probe, probe))
        if not reason and frames.is_file():
            reason = store.stated(frames, "quarantined").get("quarantined")
    return reason


def _of_probe(probe: Path) -> str | None:
    (reason,) = read_columns(probe, ["reason"])["reason"]
    return None if reason is None else str(reason)


@dataclass(frozen=True)
class Given:
    """The folders, or single files, that a command named."""

    clips: Sequence[Path] = ()
    annotations: Sequence[Path] = ()
    motion: Sequence[Path] = ()
    # Addresses of folders of buckets, listed just now, and what of them is no clip.
    listed: Mapping[str, Sequence[str]] = field(default_factory=dict)


def refuse_missing(given: Given) -> None:
    """Refuse paths that do not exist, and single files that are no clips, before anything is read.

    Raises InputError, which names the option.
    """
    for option in ("clips", "annotations", "motion"):
        for path in getattr(given, option):
            if path.parts[:1] == ("s3:",):
                raise InputError(
                    f"--{option}: only `dance run --clips` reads from a bucket",
                    file=str(path).replace("s3:/", SCHEME),
                    hint="Copy the files to a folder, and name that",
                )
            if not path.exists():
                raise InputError(f"--{option}: there is no such folder or file", file=path)
    for path in given.clips:
        if path.is_file() and not is_video(path):
            raise InputError(
                "--clips: this is no video",
                file=path,
                hint="Name videos or folders of them; annotation files go to --annotations",
            )


def refuse_unusable(store: Store, given: Given) -> None:
    """Refuse what :func:`refuse_missing` does, and a first run without a clip.

    Raises InputError before anything is made.
    """
    refuse_missing(given)
    scans = [scan_clips(path) for path in given.clips]
    if registered_clips(store).height:
        return
    scans += [scan_clips(path) for path in clip_folders(store) if path.is_dir()]
    if not any(scan.entries for scan in scans):
        problems = [f"{p.file}: {p.message}" for scan in scans for p in scan.problems]
        raise InputError(
            "\n".join(["there is no clip to work on", *first_lines(problems, "problems")]),
            file=given.clips[0] if given.clips else store.raw_clips,
            hint="Name a folder with video files: dance run --clips DIR",
        )


class Session:
    """Registers what the user named and runs the graph, reporting to a console."""

    def __init__(
        self,
        request: Request,
        console: Console,
        workers: int | None = None,
        cluster: Cluster | None = None,
        shards: int | None = None,
    ) -> None:
        self.request, self.console, self.shards = request, console, shards
        self.profile = request.profile
        self.cluster = cluster
        own = os.cpu_count() or 1
        self.workers = workers or (own if cluster is None else max(own, cluster.cpus))
        self.store = request.opened
        require_space(self.store.path)
        self.instance = open_instance(self.store, request.cores)
        self._used = ExitStack()  # the lock that says so, from registering to the end of the run
        remote = self.store.remote
        self._traffic = remote.traffic() if remote is not None else Traffic()
        for line in self.store.told_of_bucket():
            self._say(line)
        for line in recover(self.instance, self.store):
            console.print(shown(line), highlight=False, soft_wrap=True)

    # --- input ----------------------------------------------------------------------------------
    def register(self, given: Given, chosen: Reading | None = None) -> None:
        """Register what was named, and the store's own raw folders.

        ``chosen`` says how the annotation files that were named are read.
        Raises InputError when a folder does not exist, there is no clip at all, or the shards that
        were asked for cannot be.
        """
        refuse_unusable(self.store, given)
        clips, annotations = (
            [path.resolve() for path in named] for named in (given.clips, given.annotations)
        )
        no_clips = [line for lines in given.listed.values() for line in lines]
        for line in (*no_clips, *mirror_again(self.store, given.listed)):
            self._warn(line)
        self._put_in_shards(clips)
        self._used.enter_context(shared(self.store.commands_lock))
        self._refuse_other_shards()
        found = self._register_clips(clips)
        self._warn_of_away(
            "annotations", "what was read of its {} annotation files is", annotations
        )
        register_annotations(
            self.store,
            self.instance,
            [self.store.raw_annotations, *annotations],
            chosen=chosen,
            chosen_for=annotations,
        )
        missing = (f"{clip}: the file is missing; its tables are kept" for clip in found.missing)
        self._warn_of(missing, "clips without a file")
        keys, shards = clip_keys(self.store, self.instance), shards_of(self.store)
        if shards:
            self._say(f"The clips are in {shards} shard{'s' if shards > 1 else ''}.")
        self.console.print(
            f"{len(keys)} clips registered ({len(found.new)} new, {len(found.changed)} changed), "
            f"profile [bold]{shown(self.request.options.name)}[/], store "
            f"{shown(str(self.store.path))}",
            soft_wrap=True,
        )
        self._register_motion(given.motion)
        self.profile = self.request.profile  # with pre-trained rows, now that there is motion

    def _put_in_shards(self, named: Sequence[Path]) -> None:
        """Have shards in a store with many clips, or as many as are wanted."""
        store, before = self.store, shards_of(self.store)
        drop_clips(store, self.instance)  # of a process that was killed
        if before and self.shards in (None, before):
            return
        clips = self._count_clips(named)
        shards = self.shards or enough_shards(clips)
        if not shards:
            return
        with alone(store.commands_lock) as is_alone:
            locks = [holder(store.servers_lock), *held_locks(store.locks).values()]
            users = [str(user) for user in locks if user is not None]
            if users or not is_alone:
                user = users[0] if users else "another command or server that has the graph"
                self._not_in_shards(clips, shards, user)
                return
            assets = [stage.name for stage in stages_of(self.profile) if stage.partitioned]
            put_in_shards(store, self.instance, assets, shards)

    def _refuse_other_shards(self) -> None:
        """Raise InputError when another command chose a number since this one put clips in shards.

        From here on no other can.
        """
        now = shards_of(self.store)
        if self.shards not in (None, now):
            self._used.close()
            raise InputError(
                f"--shards: another command has put the clips in {now} shards just now, "
                f"and not in {self.shards}",
                file=self.store.path,
                hint="Run again to change that, or run without --shards",
            )

    def _not_in_shards(self, clips: int, shards: int, user: str) -> None:
        """Warn that the store is in use by ``user``; the next run tries again.

        Raises InputError where that number was asked for.
        """
        message = f"the {clips} clips are not put in {shards} shards (docs/scale.md): the store is "
        message += f"in use by {user}"
        if self.shards:
            hint = "End that and run again, or run without --shards"
            raise InputError(f"--shards: {message}", file=self.store.path, hint=hint)
        self._warn(f"{message}. End that, and run again")

    def _count_clips(self, named: Sequence[Path]) -> int:
        """How many clips there are once these folders are registered.

        A file that was moved stays the clip that it was, so registered files that have gone are
        taken for such. Where they are not, the next run counts them.
        """
        folders = [*clip_folders(self.store), *named]
        found = {str(e.path) for folder in folders for e in scan_clips(folder).entries}
        registered = set(registered_clips(self.store)["path"])
        there = {path for path in registered - found if is_clip_on_disk(Path(path))}
        return max(len(registered), len(found | there))

    def _register_clips(self, named: Sequence[Path]) -> ClipChanges:
        """Clips are read whole, which takes a while for many of them."""
        with progress_bars(self.console) as bars:
            task = bars.add_task("reading clips", total=None)

            def show(done: int, of: int) -> None:
                bars.update(task, completed=done, total=of)

            folders = [*clip_folders(self.store), *named]
            return register_clips(self.store, self.instance, folders, progress=show)

    def _register_motion(self, motion: Sequence[Path]) -> None:
        from dance_models.motion.read import unusable_sources

        named = [path.resolve() for path in motion]
        self._warn_of_away("motion", "its {} motion files are", named)
        folders = [self.store.raw_motion, *named]
        files = register_motion(self.store, self.instance, folders[:1], named).height
        unusable = (p for folder in folders for p in unusable_sources(folder))
        self._warn_of((f"{p.file}: {p.message}; not used" for p in unusable), "motion files")
        if files:
            self.console.print(f"{files} motion files to pre-train on")
        elif motion:
            listed = ", ".join(map(str, motion))
            self._warn(f"{listed}: no motion files (BVH, JSON, NumPy), so nothing is pre-trained")

    def _warn_of_away(self, content: Dropped, what: str, named: Sequence[Path]) -> None:
        """Say which folders are not there, and what registering ``named`` ones does with them."""
        then = "not used any more, as others were named" if named else "kept"
        for folder, files in away_folders(self.store, content).items():
            self._warn(f"{folder} is not there; {what.format(files)} {then}")

    def render_demo(self, clips: int, frames: int, seed: int) -> Path:
        """Render the demo corpus into the store (existing clips are kept); its folder."""
        from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus

        folder = self.store.path / "raw" / f"demo-{clips}x{frames}-{seed}"
        config = DemoCorpusConfig(clips=clips, frames=frames, seed=seed, workers=self.workers)
        with progress_bars(self.console) as progress:
            task = progress.add_task("rendering the synthetic demo corpus", total=clips)
            write_demo_corpus(folder, config, on_clip=lambda *_: progress.advance(task))
        return folder

    @property
    def _engine(self) -> str:
        return LOCAL if self.cluster is None else self.cluster.engine

    # --- the graph ------------------------------------------------------------------------------
    def run(self) -> RunOutcome:
        """Run everything that was requested and print the outcome.

        Raises InputError when the disk of the store is full, or its databases or its bucket went
        away.
        """
        away = loss_reported(self.store.databases)
        with self._used, held_open(), full_disk_reported(self.store.path), away:
            outcome = self._run()
        drop_copies(self.store)
        self._send()
        return outcome

    def _send(self) -> None:
        """What no stage sends: the reports of this command, and what one that was killed left."""
        remote = self.store.remote
        if remote is not None:
            remote.publish()
            self._say(f"{remote.bucket.url}: {remote.traffic().since(self._traffic)}")

    def _run(self) -> RunOutcome:
        started = perf_counter()
        result = RunOutcome()
        for owner in sorted(set(map(str, held_locks(self.store.locks).values()))):
            self._warn(f"this store is in use by {owner}: what it makes is waited for and reused")
        clips = clip_keys(self.store, self.instance)
        of_clips = self.request.stages(partitioned=True)
        stages = [*of_clips, *self.request.stages(partitioned=False)]
        note_options(self.store, self.request.options, {stage.name for stage in stages})
        if of_clips:
            self._prepare_weights()
            with progress_bars(self.console) as progress, self._clip_workers() as workers:
                task = progress.add_task("clips", total=len(clips))
                # Most clips of a second run are fresh, and no worker has to be started for them.
                planned = planned_clips(self.request, self.instance, clips)
                stale = [
                    clip
                    for clip in clip_order(self.store, self.instance)
                    if clip in planned and planned[clip].to_run
                ]
                self._record_shards(of_clips, planned.keys() - set(stale))
                for plan in (plan for plan in planned.values() if not plan.to_run):
                    result.outcomes += plan.outcomes
                    progress.advance(task)
                # Closed at once, wherever an interrupt comes: what runs is ended by that.
                with closing(ClipRuns(self.request, workers)(stale)) as made:
                    for outcomes in made:
                        result.outcomes += outcomes
                        progress.advance(task)
        result.outcomes += self._run_dataset()
        with remembering(self.store) as store:
            result.quarantined = quarantined_clips(store, clips)
        idle = unused_motion(self.store).items()
        self._warn_of((f"motion {source}: {problem}" for source, problem in idle), "motion files")
        unused = self._unused_tracks(clips)
        self._warn_of(unused, "files of poses that are not used")
        self._summarise(result, perf_counter() - started)
        found = (f for outcome in result.outcomes for f in outcome.findings)
        lost = any(f.check == "track_files" and f.value > 0 for f in found)
        result.lossless = result.lossless and not unused and not lost
        return result

    def _record_shards(self, stages: Sequence[Stage], fresh: Set[str]) -> None:
        """Tell Dagster of shards whose clips are all ``fresh``, where it does not know."""
        shards = shards_of(self.store)
        if not shards:
            return
        of_shard = clips_of_shards(self.store).items()
        whole = {shard for shard, clips in of_shard if fresh >= set(clips)}
        with remembering(self.store) as store:
            record_shards(store, self.instance, stages, whole)

    @contextmanager
    def _clip_workers(self) -> Iterator[ClipWorkers]:
        """Where clips are made. Raises InputError when a node cannot work on the store."""
        if self.cluster is None:
            yield LocalWorkers(self.workers)
            return
        with self.cluster.admitted(self.store) as ticket:
            yield RayWorkers(self.cluster, ticket)
        if (remote := self.store.remote) is not None:
            remote.fetch()  # what nodes with a scratch of their own made

    def _run_dataset(self) -> list[StageOutcome]:
        """The stages over all clips, in one run; in two when there is motion to be read first.

        Whether the pre-trained rows are in the graph depends on what reading the motion gives.
        """
        found: dict[tuple[str, str | None], StageOutcome] = {}
        wanted = {stage.name for stage in self.request.stages(partitioned=False)}
        parts = [wanted]
        if self.store.has_motion() and pretraining_motion.name in wanted:
            first = {stage.name for stage in pretraining_motion.upstream()}
            parts.insert(0, wanted & {pretraining_motion.name, *first})
        for part in parts:
            options = replace(self.request.options, motion=self.store.has_motion())
            request = replace(self.request, options=options, only=frozenset(part))
            names = {stage.name for stage in stages_of(request.profile)}
            request = replace(request, only=frozenset(part & names))
            if not request.only:
                continue
            run = DatasetRun(request, self.instance, self.workers, self._engine)
            with progress_bars(self.console) as progress, shown_progress(run, progress):
                for outcome in run.execute():
                    found.setdefault((outcome.asset, outcome.clip), outcome)
            if any(outcome.stops(None) for outcome in found.values()):
                break
        close_dead_trainings(self.instance, self.store)  # of a step that was killed
        return list(found.values())

    def _prepare_weights(self) -> None:
        """Fetch the estimator's weights, as `pose_tracks` would, where a person sees the lines."""
        wanted = any(stage.name == "pose_tracks" for stage in self.request.stages(partitioned=True))
        if wanted:
            with self.console.status("estimator weights"):
                ready_weights(self.store, self.profile.estimator, self._say)

    # --- output ---------------------------------------------------------------------------------
    def _unused_tracks(self, clips: Sequence[str]) -> list[str]:
        """What of the folder of ``--tracks`` is of no registered clip; the folder is kept."""
        estimator = self.request.options.estimator
        folder = estimator.precomputed_dir if estimator is not None else None
        remember_tracks(self.store, Path(folder) if folder else None)
        return unused_track_files(self.store, clips)

    def _say(self, text: str) -> None:
        self.console.print(shown(text), soft_wrap=True)

    def _warn(self, text: str) -> None:
        self.console.print(f"[yellow]warning:[/] {shown(text)}", soft_wrap=True)

    def _warn_of(self, lines: Iterable[str], what: str) -> None:
        """Warn of the first of many, and of how many more there are."""
        for line in first_lines(lines, what):
            self._warn(line)

    def _summarise(self, result: RunOutcome, seconds: float) -> None:
        self._print_made(result)
        quarantined = sorted(result.quarantined.items())
        self._warn_of((f"quarantined {c}: {why}" for c, why in quarantined), "quarantined clips")
        for line in (line for outcome in result.outcomes for line in outcome.made_again):
            self._warn(line)
        self._print_warnings(result)
        self._print_losses(result)
        for outcome in result.failed:
            where = f"{outcome.asset}[{outcome.clip}]" if outcome.clip else outcome.asset
            self.console.print(
                f"[bold red]failed[/] {shown(where)}: {shown(outcome.error or '')}",
                highlight=False,
                soft_wrap=True,
            )
        self.console.print(f"Done in {duration(seconds)}.", highlight=False)

    def _print_made(self, result: RunOutcome) -> None:
        """A row for each asset that was made or failed; the others are only counted."""
        table = Table("asset", "made", "failed", "seconds", title="What was made", box=SIMPLE)
        assets = list(dict.fromkeys(outcome.asset for outcome in result.outcomes))
        fresh = 0
        for asset in assets:
            mine = [o for o in result.outcomes if o.asset == asset]
            states = Counter(o.state for o in mine)
            if not states["made"] and not states["failed"]:
                fresh += 1
                continue
            counts = [str(states[s]) if states[s] else "" for s in ("made", "failed")]
            table.add_row(shown(asset), *counts, f"{sum(o.seconds for o in mine):.1f}")
        if table.row_count:
            self.console.print(table)
        if fresh:
            rest = "All" if fresh == len(assets) else "The other"
            self.console.print(f"{rest} {fresh} assets were up to date.", highlight=False)

    def _print_losses(self, result: RunOutcome) -> None:
        """What was given and is not used, in groups, and the sum."""
        report = annotation_report(self.store)
        result.lossless = not lost_anything(report)
        for line in report_lines(report):
            self._warn(line)
        write_report(self.store, report)
        self.console.print(shown(report_sum(self.store, report)), highlight=False, soft_wrap=True)

    def _print_warnings(self, result: RunOutcome) -> None:
        """One line for each check and clip; the web UI shows every frame with its picture."""
        from dance_models.quality.findings import lines

        found = [
            f"{outcome.asset}: {line}"
            for outcome in result.outcomes
            for line in lines(f for f in outcome.findings if f.severity == "warn")
        ]
        for line in found[:MOST_WARNINGS]:
            self._warn(line)
        if len(found) > MOST_WARNINGS:
            more = len(found) - MOST_WARNINGS
            self._warn(f"and {more} more findings of checks; see the web UI or {FINDINGS_FOLDER}")
