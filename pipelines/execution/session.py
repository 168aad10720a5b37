"""One ``dance run`` as a person sees it: registration, progress bars, a summary."""

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from dance_models.errors import InputError
from dance_models.rows import METHOD_OF_ASSET, PRETRAININGS
from pipelines.execution.recovery import close_orphaned_runs
from pipelines.execution.runner import Request, Runner, StageOutcome
from pipelines.partitions import clip_keys
from pipelines.settings import activate, pretraining_experiment
from pipelines.steps import CLIP_STEPS
from pipelines.storage.motion import register_motion, unused_motion
from pipelines.storage.registration import register_annotations, register_clips
from pipelines.storage.store import TRAININGS, Store, open_instance

MOST_WARNINGS: Final = 40  # lines; a corpus with more has one thing wrong many times
FINDINGS_FOLDER: Final = "tables/findings in the store"


class RateColumn(ProgressColumn):
    """Items a second, or seconds an item when it is slow."""

    def render(self, task: Task) -> Text:
        """The rate as text, empty until there is one."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


@dataclass
class RunOutcome:
    """What a run came to."""

    outcomes: list[StageOutcome] = field(default_factory=list)
    quarantined: dict[str, str] = field(default_factory=dict)  # clip -> reason

    @property
    def failed(self) -> list[StageOutcome]:
        """Assets that failed."""
        return [o for o in self.outcomes if o.state == "failed"]


def quarantined_clips(store: Store, clips: Sequence[str]) -> dict[str, str]:
    """Clips that cannot be used, with the reason that probing or sampling gave."""
    reasons: dict[str, str] = {}
    for clip in clips:
        probe, frames = store.table("clip_probe", clip), store.table("sampled_frames", clip)
        reason = None
        if probe.is_file():
            reason = pl.read_parquet(probe, columns=["reason"])["reason"][0]
        if not reason and frames.is_file():
            reason = pl.read_parquet_metadata(frames).get("quarantined")
        if reason:
            reasons[clip] = reason
    return reasons


class Session:
    """Registers what the user named and runs the graph, reporting to a console."""

    def __init__(
        self,
        store: Store,
        request: Request,
        console: Console,
        workers: int | None = None,
    ) -> None:
        self.profile = request.resolved()
        # The defaults of the web UI's configs in this process and in its children.
        activate(request.profile, request.ablations)
        self.store, self.request, self.console = store, request, console
        self.instance = open_instance(store)
        for run_id in close_orphaned_runs(self.instance):
            self.console.print(f"Run {run_id[:8]} was killed; its work goes on from what it left.")
        self.runner = Runner(self.request, workers)

    # --- input ----------------------------------------------------------------------------------
    def register(
        self, clips: Path | None, annotations: Path | None, motion: Path | None = None
    ) -> None:
        """Register folders; with none, what the store knows and holds is looked at again."""
        for folder in (clips, annotations, motion):
            if folder is not None and not folder.is_dir():
                raise InputError("there is no such folder", file=folder)
        found = register_clips(self.store, self.instance, [self.store.raw_clips, *_given(clips)])
        problems = list(found.problems)
        problems += register_annotations(
            self.store, self.instance, [self.store.raw_annotations, *_given(annotations)]
        )
        for problem in problems:
            self._warn(f"{problem.file}: {problem.message}")
        for clip in found.missing:
            self._warn(f"{clip}: the file has gone; its tables are kept")
        keys = clip_keys(self.instance)
        if not keys:
            raise InputError(
                "there is no clip to work on",
                file=clips or self.store.raw_clips,
                hint="Name a folder with video files: dance run --clips DIR",
            )
        self.console.print(
            f"{len(keys)} clips registered ({len(found.new)} new, {len(found.changed)} changed), "
            f"profile [bold]{self.request.profile}[/], store {self.store.path}"
        )
        given = [self.store.raw_motion, *_given(motion)]
        files = register_motion(self.store, self.instance, given).height
        if files:
            self.console.print(f"{files} motion files to pre-train on")
        elif motion is not None:
            self._warn(f"{motion}: no motion files (BVH, JSON, NumPy), so nothing is pre-trained")

    def render_demo(self, clips: int, frames: int, seed: int) -> Path:
        """Render the demo corpus into the store (what is there already stands); its folder."""
        from dance_models.demo.corpus import DemoCorpusConfig, write_demo_corpus

        folder = self.store.path / "raw" / f"demo-{clips}x{frames}-{seed}"
        config = DemoCorpusConfig(
            clips=clips, frames=frames, seed=seed, workers=os.cpu_count() or 1
        )
        with self._progress() as progress:
            task = progress.add_task("rendering the synthetic demo corpus", total=clips)
            write_demo_corpus(folder, config, on_clip=lambda *_: progress.advance(task))
        return folder

    # --- the graph ------------------------------------------------------------------------------
    def run(self) -> RunOutcome:
        """Run everything asked for and print what became of it."""
        started = perf_counter()
        result = RunOutcome()
        clips = clip_keys(self.instance)
        if any(self.request.wants(step) for step in CLIP_STEPS):
            self._prepare_weights()
            with self._progress() as progress:
                task = progress.add_task("clips", total=len(clips))
                for chain in self.runner.run_clips(clips):
                    result.outcomes += chain
                    progress.advance(task)
        with self._progress() as progress:
            self._run_dataset(progress, result)
        result.quarantined = quarantined_clips(self.store, clips)
        for source, problem in unused_motion(self.store).items():
            self._warn(f"motion {source}: {problem}")
        self._summarise(result, perf_counter() - started)
        return result

    def _prepare_weights(self) -> None:
        """Fetch the estimator's weights once, before parallel workers want them."""
        from dance_models.estimators.factory import needs_weights

        wanted = not self.request.only or "pose_tracks" in self.request.only
        if wanted and needs_weights(self.profile.estimator):
            from dance_models.estimators.weights import fetch_weights

            with self.console.status("estimator weights"):
                fetch_weights(self.store.weights)

    def _run_dataset(self, progress: Progress, result: RunOutcome) -> None:
        tasks: dict[str, TaskID] = {}

        def start(assets: Sequence[str]) -> None:
            for asset in assets:
                tasks[asset] = progress.add_task(asset, total=1)

        with self._watch_training(progress, tasks):
            for chain in self.runner.run_dataset(start):
                result.outcomes += chain
                for outcome in chain:
                    task = tasks[outcome.asset]
                    progress.update(task, total=1, completed=1)

    @contextmanager
    def _watch_training(self, progress: Progress, tasks: dict[str, TaskID]) -> Iterator[None]:
        """Show the epochs of running trainings, which live in other processes."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(2):
                for asset in TRAININGS:
                    state = self._training_state(asset) if asset in tasks else None
                    if state and not progress.tasks[tasks[asset]].finished:
                        progress.update(
                            tasks[asset], total=state["epochs"] + 1, completed=state["epoch"]
                        )

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _training_state(self, asset: str) -> dict[str, int] | None:
        """Epochs done and to do over all folds, None before the first."""
        from pipelines.assets.training import training_folder

        config = (
            pretraining_experiment(self.profile, asset)
            if asset in PRETRAININGS
            else self.profile.networks[METHOD_OF_ASSET[asset]]
        )
        folder = training_folder(self.store, asset, config)
        states = [json.loads(p.read_text("utf-8")) for p in folder.rglob("progress.json")]
        if not states:
            return None
        parts = 1 + (self.profile.split.folds if config.folds else 0)
        done = sum(state["epoch"] for state in states)
        return {"epoch": done, "epochs": parts * states[0]["epochs"]}

    # --- output ---------------------------------------------------------------------------------
    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            refresh_per_second=2,  # drawing ten times a second is a sixth of a core
        )

    def _warn(self, text: str) -> None:
        self.console.print(f"[yellow]warning:[/] {escape(text)}")

    def _summarise(self, result: RunOutcome, seconds: float) -> None:
        table = Table("asset", "made", "fresh", "failed", "seconds", title="What was run")
        for asset in dict.fromkeys(o.asset for o in result.outcomes):
            mine = [o for o in result.outcomes if o.asset == asset]
            states = Counter(o.state for o in mine)
            spent = sum(o.seconds for o in mine)
            counts = [str(states[s]) if states[s] else "" for s in ("made", "fresh", "failed")]
            table.add_row(asset, *counts, f"{spent:.1f}")
        self.console.print(table)
        for clip, reason in sorted(result.quarantined.items()):
            self._warn(f"quarantined {clip}: {reason}")
        self._print_warnings(result)
        for outcome in result.failed:
            where = f"{outcome.asset}[{outcome.clip}]" if outcome.clip else outcome.asset
            self.console.print(
                f"[bold red]failed[/] {escape(where)}: {escape(outcome.error or '')}",
                highlight=False,
            )
        self.console.print(f"Done in {seconds:.0f} s.")

    def _print_warnings(self, result: RunOutcome) -> None:
        """One line a check and clip; the web UI shows every frame with its picture."""
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


def _given(folder: Path | None) -> list[Path]:
    return [folder.resolve()] if folder is not None else []
