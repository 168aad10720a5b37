"""Progress where there is no terminal."""

import io

from rich.console import Console

from pipelines.execution.progress import ProgressLines, duration, progress_bars


def test_a_log_gets_lines_on_what_is_being_done() -> None:
    out = io.StringIO()
    progress = progress_bars(Console(file=out, width=40))
    assert isinstance(progress, ProgressLines)
    assert progress.line() == ""
    clips = progress.add_task("clips", total=6)
    progress.update(clips, completed=2)
    training = progress.add_task("mkff_st_gcn", total=1)
    progress.add_task("a [b]", total=None)
    assert progress.line() == "0 s: clips 2 of 6, mkff_st_gcn, a [b]"
    progress.update(clips, completed=6)
    progress.update(training, completed=4, total=5, epochs=4)
    assert progress.line() == "0 s: mkff_st_gcn epoch 4 of 4, a [b]"
    assert out.getvalue() == ""


def test_a_line_comes_while_the_block_runs() -> None:
    out = io.StringIO()
    with ProgressLines(Console(file=out), every_s=0.001) as progress:
        progress.add_task("a [b]", total=1)
        while "\n" not in out.getvalue():
            pass
    assert out.getvalue().splitlines()[0] == "0 s: a [b]"


def test_a_terminal_gets_bars() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    assert not isinstance(progress_bars(console), ProgressLines)


def test_durations_are_words() -> None:
    assert [duration(s) for s in (0.4, 45, 60, 200.4)] == ["0 s", "45 s", "1 min 0 s", "3 min 20 s"]
