"""Progress of a run, with the epochs of trainings in other processes: bars, or lines in a log."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rich.console import Console
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
from rich.text import Text

from dance_models.config import HrnetExperiment, PredictionExperiment, RecognitionExperiment
from dance_models.errors import DamagedFileError
from dance_models.tables import read_note
from pipelines.assets.training import training_folder
from pipelines.execution.request import Request
from pipelines.execution.runner import DatasetRun
from pipelines.shown import shown
from pipelines.stage import Stage

LINE_S: Final = 10.0  # between two lines where there is no terminal


class RateColumn(ProgressColumn):
    """Items a second, or seconds an item when it is slow."""

    def render(self, task: Task) -> Text:
        """The rate as text, empty until there is one."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each")


class ProgressLines(Progress):
    """Progress where there is no terminal: every few seconds a line on what is being done."""

    def __init__(self, console: Console, every_s: float = LINE_S) -> None:
        super().__init__(console=console, disable=True)
        self._every_s, self._began = every_s, self.get_time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._print_lines, daemon=True)

    def start(self) -> None:
        """Begin to print."""
        self._thread.start()

    def stop(self) -> None:
        """End printing; a task that took less than the time between two lines has none."""
        self._stop.set()
        self._thread.join()

    def line(self) -> str:
        """What is being done and how far it is, "" when nothing is."""
        doing = ", ".join(_how_far(task) for task in self.tasks if not task.finished)
        return f"{duration(self.get_time() - self._began)}: {doing}" if doing else ""

    def _print_lines(self) -> None:
        while not self._stop.wait(self._every_s):
            if line := self.line():
                self.console.print(shown(line), highlight=False, soft_wrap=True)
                self.console.file.flush()  # a log is block-buffered


def _how_far(task: Task) -> str:
    if "epochs" in task.fields:  # what follows them is one more step of the bar
        return f"{task.description} epoch {task.completed:.0f} of {task.fields['epochs']}"
    if task.total and task.total > 1:
        return f"{task.description} {task.completed:.0f} of {task.total:.0f}"
    return task.description


def duration(seconds: float) -> str:
    """Seconds in words: ``45 s``, ``3 min 20 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def progress_bars(console: Console) -> Progress:
    """Empty progress bars, which vanish at the end; lines where the console is no terminal."""
    if not console.is_terminal:
        return ProgressLines(console)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,  # the summary of the run says what was made
        refresh_per_second=2,  # drawing ten times a second is a sixth of a core
    )


@contextmanager
def shown_progress(run: DatasetRun, bars: Progress) -> Iterator[None]:
    """One bar for each stage of a run, from its start to its end, while the block executes."""
    stages = {stage.name: stage for stage in run.planned.to_run}
    tasks: dict[str, TaskID] = {}
    stop = threading.Event()

    def update() -> None:
        for name, ended in run.progress().items():
            if name not in stages:  # a check that is a separate step
                continue
            if name not in tasks:
                tasks[name] = bars.add_task(shown(name), total=1)
            task = tasks[name]
            if ended:
                bars.update(task, total=1, completed=1)
            else:
                epochs = _epochs(run.request, stages[name])
                if epochs:
                    bars.update(task, completed=epochs[0], total=epochs[1] + 1, epochs=epochs[1])

    def watch() -> None:
        while not stop.wait(2):
            with suppress(Exception):  # a locked database: a bar must not end the run
                update()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(Exception):  # it would hide how the run ended
            update()


def _epochs(request: Request, stage: Stage) -> tuple[int, int] | None:
    """Finished and total epochs over all folds and seeds; None before the first one."""
    store, profile = request.opened, request.profile
    context = stage.context(store, profile)
    config = context.config
    if not isinstance(config, RecognitionExperiment | PredictionExperiment | HrnetExperiment):
        return None
    folder = training_folder(store, stage.name, stage.digest(context))
    states = []
    for path in folder.rglob("progress.json"):
        with suppress(DamagedFileError):
            states.append(read_note(path))
    if not states:
        return None
    parts = 1 + (profile.split.folds * config.seeds if config.folds else 0)
    return sum(state["epoch"] for state in states), parts * states[0]["epochs"]
