"""The process of one job of the page of ``dance live``: ``python -m pipelines.commands.page_job``.

It does what ``dance analyze`` and ``dance compare`` do, and writes lines of JSON to its standard
output: ``stage``, ``done`` and ``total`` while it works, or ``problem``, which is the last one.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from dance_models.config import PageConfig
from dance_models.errors import input_error_of
from dance_models.processes import end_with_starter
from pipelines.commands.frame_progress import ReportingConsole

if TYPE_CHECKING:
    from pipelines.commands.video_poses import PoseOptions

EVERY_S: Final = 0.1  # between two reports of one stage
NICE: Final = 5  # below the live picture, which has to keep up
COMPARED: Final = ("reference", "practice")

Tell = Callable[[dict[str, Any]], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Do one job and end; what goes wrong is told in a line, and the exit code is 1."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.commands.page_job")
    parser.add_argument("kind", choices=["analyze", "compare"])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--name", action="append", default=[], help="of each video, as it is shown")
    parser.add_argument("--person")
    parser.add_argument("--joints", default="estimator")
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args(arguments)
    end_with_starter(grace_s=1)
    os.nice(NICE)
    try:
        from pipelines.commands.video_poses import PoseOptions, rule_of

        options = PoseOptions(
            person=rule_of(chosen.person), joints=chosen.joints, cache=chosen.cache
        )
        do_job(chosen.videos, options, chosen.out, _tell, chosen.name)
    except Exception as error:
        told = input_error_of(error)
        if told is None:
            import traceback

            traceback.print_exc()
        words = f"{type(error).__name__}: {error}" if told is None else told.advice
        _tell({"problem": words})
        sys.exit(1)


def do_job(
    videos: Sequence[Path],
    options: "PoseOptions",
    out: Path,
    tell: Tell,
    names: Sequence[str] = (),
) -> None:
    """Analyze one video, or compare two. Raises what the commands raise.

    ``names`` of the videos are shown in the results, and are never paths; none: those of the files.
    """
    from dance_models.analysis.video import check_length
    from pipelines.commands.compare import compare_videos
    from pipelines.commands.video_analysis import Wanted, analyse_videos
    from pipelines.commands.video_arguments import named_video

    last, most = ("", 0.0), PageConfig().most_frames

    def report(stage: str, done: int, total: int) -> None:
        nonlocal last
        check_length(done, total, most)
        if stage != last[0] or done == total or monotonic() - last[1] >= EVERY_S:
            last = stage, monotonic()
            tell({"stage": stage, "done": done, "total": total})

    report("loading the networks", 0, 0)
    console = ReportingConsole(report)
    titles = list(names) or [""] * len(videos)
    named = [named_video(path, path.stem, name) for path, name in zip(videos, titles, strict=True)]
    if len(named) == 1:
        analyse_videos(named, options, Wanted(out), console)
    else:
        compare_videos((named[0], named[1]), options, out, console, draw=True)


def check_video(path: Path) -> None:
    """Raise InputError for what is no video or too long, from what the file says of itself."""
    from dance_models.analysis.video import check_length
    from dance_models.video.source import open_source
    from pipelines.commands.video_arguments import named_video

    named_video(path, path.stem)
    with open_source(path) as source:
        check_length(0, source.declared, PageConfig().most_frames)


def job_command(
    kind: str,
    videos: Sequence[Path],
    out: Path,
    *,
    names: Sequence[str] = (),
    person: str | None = None,
    joints: str = "estimator",
    cache: Path | None = None,
) -> list[str]:
    """The command line of the process of a job; ``names`` as for :func:`do_job`."""
    command = [sys.executable, "-m", "pipelines.commands.page_job", kind, *map(str, videos)]
    command += ["--out", str(out), "--joints", joints]
    command += [f"--name={name}" for name in names]  # one argument: a name may begin with a dash
    command += ["--person", person] if person else []
    return command + (["--cache", str(cache.absolute())] if cache else [])


def _tell(what: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the server was killed: nobody wants the results
        os._exit(1)


if __name__ == "__main__":
    main()
