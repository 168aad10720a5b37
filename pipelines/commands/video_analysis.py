"""The work of ``dance analyze``, one video after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.frame_progress import frame_progress
from pipelines.commands.video_arguments import (
    NamedVideo,
    Places,
    check_places,
    places_of,
    refuse_replacing,
    say_left,
)
from pipelines.commands.video_poses import (
    PoseOptions,
    PoseReader,
    SeenPerson,
    check_names,
    poses_read,
)
from pipelines.processes import remove_left_parts
from pipelines.shown import saying, shown

HORIZON_MS: Final = 160  # for which the drawn forecast looks ahead


@dataclass(frozen=True)
class Wanted:
    """What the command writes."""

    out: Path
    horizon_ms: int = HORIZON_MS
    draw: bool = True
    debug: bool = False
    formats: tuple[str, ...] | None = None  # None: all that need no extra
    metres_per_pixel: float | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The formats of files for other tools."""
        from dance_models.analysis.files.write import DEFAULT_FORMATS

        return DEFAULT_FORMATS if self.formats is None else self.formats


def analyse_videos(
    videos: Sequence[NamedVideo], options: PoseOptions, wanted: Wanted, console: Console
) -> int:
    """Analyse each; one that cannot be is said and the others go on. How many could not be.

    Raises InputError when the networks or the estimator's weights cannot be had.
    """
    check_names(options, videos)
    reader = PoseReader.loaded(options, console)
    remove_left_parts(wanted.out)
    read = places_of(video.path for video in videos)
    failed = 0
    named: Sequence[NamedVideo | None] = videos or [None]
    for number, video in enumerate(named):
        if len(named) > 1 and video is not None:
            out = reader.console
            saying(out)(f"{video.path} ({number + 1} of {len(named)})")
        try:
            _analyse(reader, video, wanted, read)
        except (InputError, OSError, MemoryError) as error:
            if wanted.debug or len(named) == 1:
                raise
            common.say_error(common.error_console(), error)
            failed += 1
    return failed


def _analyse(reader: PoseReader, video: NamedVideo | None, wanted: Wanted, videos: Places) -> None:
    """One video, or a pose file alone; ``videos`` are all that are read."""
    options = reader.options
    assert video is not None or options.poses is not None
    name = video.stem if video is not None else options.poses.stem if options.poses else ""
    poses = places_of(poses_read(options, video))
    of_person = f"{name}-person1" if options.person == "all" else name
    check_places(_results(of_person, video, wanted))
    if options.person != "all":  # before minutes of estimating
        refuse_replacing(_results(name, video, wanted), videos, poses)
    began, people = monotonic(), 0
    for person in reader.people(video, name):
        people = max(people, person.number or 0)
        stem = name if person.number is None else f"{name}-person{person.number}"
        refuse_replacing(_results(stem, video, wanted), videos, poses)
        written = _write(reader, person, stem, video, wanted, monotonic() - began)
        _say_left(reader.console, wanted, stem, written, videos, poses)
        began = monotonic()
    if people:  # there were more of them in an earlier run
        _say_left(reader.console, wanted, f"{name}-person{people + 1}", (), videos, poses)


def _results(stem: str, video: NamedVideo | None, wanted: Wanted) -> tuple[Path, ...]:
    """What is written under the name ``stem``."""
    from dance_models.analysis.results import result_paths

    draw = video is not None and wanted.draw
    return result_paths(wanted.out, stem, wanted.kinds, draw=draw)


def _say_left(
    out: Console, wanted: Wanted, stem: str, written: Sequence[Path], *read: Places
) -> None:
    """Say what an earlier run wrote under the name ``stem`` and this one did not."""
    from dance_models.analysis.files.write import FILE_FORMATS
    from dance_models.analysis.results import result_paths

    possible = result_paths(wanted.out, stem, tuple(FILE_FORMATS), draw=True)
    say_left(out, possible, written, *read)


def _write(
    reader: PoseReader,
    person: SeenPerson,
    stem: str,
    video: NamedVideo | None,
    wanted: Wanted,
    seen_s: float,
) -> tuple[Path, ...]:
    """Refine the poses of one person, which took ``seen_s`` seconds so far, and write all files.

    The files are returned.
    """
    from dance_models.analysis.results import write_results
    from dance_models.analysis.video import poses_of

    began, out, joints = monotonic(), reader.console, reader.options.joints
    with frame_progress(out, f"{stem}: refining") as progress:
        poses = poses_of(person.seen, reader.networks, joints, progress)
        person.seen = poses.seen  # without what only refining needs of each frame
    refined_s = monotonic() - began
    models = {"estimator": person.estimator, "joints": f"as the {joints} defines them"}
    with frame_progress(out, f"{stem}: drawing") as progress:
        written = write_results(
            poses,
            {**models, **reader.models},
            wanted.out,
            stem,
            video=video.path if video is not None and wanted.draw else None,
            horizon_ms=wanted.horizon_ms,
            formats=wanted.kinds,
            metres_per_pixel=wanted.metres_per_pixel,
            progress=progress,
            title=_title(video, person),
        )
    writing_s, frames = monotonic() - began - refined_s, len(person.seen.run)
    whole_s = seen_s + refined_s + writing_s
    print_summary(out, written.summary)
    saying(out)(
        f"{frames} frames in {whole_s:.1f} s: {frames / whole_s:.1f} frames/s (estimating "
        f"{frames / max(seen_s, 1e-6):.0f}, refining {frames / max(refined_s, 1e-6):.0f}, writing "
        f"{frames / max(writing_s, 1e-6):.0f})"
    )
    page, *others = written.files
    out.print(f"[bold]Page:[/] {shown(str(page))}", soft_wrap=True)
    out.print(f"Beside it: {shown(', '.join(path.name for path in others))}", soft_wrap=True)
    return written.files


def _title(video: NamedVideo | None, person: SeenPerson) -> str:
    """That of the page, "" for its file's name."""
    who = f", person {person.number}" if person.number is not None else ""
    return f"{video.title}{who}" if video is not None and video.title else ""


def print_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """What happened in the video, and how good the forecast is on it."""
    from dance_models.analysis.figures import NAMED
    from dance_models.analysis.sentences import sentences

    say = saying(console)
    for sentence in sentences(summary):
        say(sentence)
    jitter = summary["jitter_percent_of_torso_per_frame_squared"]
    for part in ("at_rest", "in_motion"):
        rows = [f"{NAMED[name]} {row[part]}" for name, row in jitter.items() if part in row]
        if rows:
            say(
                f"Jitter (trembling) {part.replace('_', ' ')}: {', '.join(rows)} % of the torso a "
                "frame squared."
            )
    for warning in summary["warnings"]:
        console.print(f"[yellow]warning:[/] {shown(warning)}", soft_wrap=True)
