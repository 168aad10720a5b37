"""How far a video is: a bar with frames a second, or a line every ten seconds in a log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.shown import shown

EVERY_S: Final = 10.0

Advance = Callable[[int, int], None]  # frames done, and in all (0: not known)


class ReportingConsole(Console):
    """Prints nothing; progress goes to a function of what is done, frames done, and in all."""

    def __init__(self, report: Callable[[str, int, int], None]) -> None:
        super().__init__(quiet=True)
        self.report = report


@contextmanager
def frame_progress(console: Console, what: str) -> Iterator[Advance]:
    """Show the progress of ``what``, such as "dance.mp4: estimating", while the block lasts."""
    if isinstance(console, ReportingConsole):
        yield partial(console.report, what)
    elif console.is_terminal:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=4,
            transient=True,
        ) as bar:
            yield _on_bar(bar, what)
    else:
        yield _in_lines(console, what)


def _on_bar(bar: Progress, what: str) -> Advance:
    task, began = bar.add_task(shown(what), total=None, rate=""), monotonic()

    def advance(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total or None, rate=_rate(done, began))

    return advance


def _in_lines(console: Console, what: str) -> Advance:
    began = last = monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        if monotonic() - last >= EVERY_S:
            last = monotonic()
            of = f" of {total}" if total else ""
            console.print(shown(f"{what}: {done}{of} frames, {_rate(done, began)}"))

    return advance


def _rate(done: int, began: float) -> str:
    return f"{done / max(monotonic() - began, 1e-6):.1f} frames/s"
