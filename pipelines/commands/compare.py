"""``dance compare``: how a practice differs from its reference, in time and in shape."""

import filecmp
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.pose_options import (
    CacheOption,
    ModelStoreOption,
    OnePersonOption,
    PredictionOption,
    RecognitionOption,
)
from pipelines.processes import remove_left_parts
from pipelines.shown import shown

if TYPE_CHECKING:
    from dance_models.analysis.video import VideoPoses
    from dance_models.comparison.compare import Comparison
    from dance_models.comparison.performance import Performance
    from pipelines.commands.video_arguments import NamedVideo, Places
    from pipelines.commands.video_poses import PoseOptions, PoseReader


def compare(
    reference: Annotated[Path, typer.Argument(help="The video that shows how it is meant.")],
    practice: Annotated[Path, typer.Argument(help="The video of the dancer who practises it.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("comparison"),
    person: OnePersonOption = None,
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    joints: common.JointsOption = "estimator",
    recognition: RecognitionOption = None,
    prediction: PredictionOption = None,
    store: ModelStoreOption = common.DEFAULT_STORE,
    cache: CacheOption = None,
    draw: Annotated[
        bool, typer.Option(help="Write both videos once more, with the skeleton drawn on them.")
    ] = True,
    debug: common.DebugOption = False,
) -> None:
    """Compare a practice with its reference: what is late or early, and which angles differ.

    Writes comparison.html, the page to open first: both videos side by side, the moments that
    differ most, and scores.
    """
    from pipelines.commands.video_poses import PoseOptions, check_pose_options, rule_of

    with common.reported(debug):
        options = PoseOptions(
            person=rule_of(person),
            tracks=tracks,
            pose_model=pose_model,
            joints=joints,
            models=(recognition, prediction),
            store=store,
            cache=cache,
        )
        check_pose_options(options, with_video=True)
        if options.person == "all":
            raise InputError("--person all: one person is compared", hint="Name one of them")
        compare_videos(_both(reference, practice, out), options, out, common.console(), draw=draw)


def _both(reference: Path, practice: Path, out: Path) -> "tuple[NamedVideo, NamedVideo]":
    """Both videos. Raises InputError for what cannot be opened, before anything is loaded."""
    from pipelines.commands.video_arguments import named_video

    for option, video in (("REFERENCE", reference), ("PRACTICE", practice)):
        if not video.exists():
            raise InputError(f"{option}: there is no such video", file=video)
    return named_video(reference, "reference"), named_video(practice, "practice")


def compare_videos(
    videos: "tuple[NamedVideo, NamedVideo]",
    options: "PoseOptions",
    out: Path,
    console: Console,
    *,
    draw: bool,
) -> "Comparison":
    """Write the page, ``comparison.json``, a still for each moment, and both videos with skeletons.

    ``videos``: reference, practice. Raises InputError for a video that cannot be read, and for one
    video twice, unless its poses are given: then they may be those of two people.
    """
    from dance_models.comparison.compare import compare
    from dance_models.comparison.video import performance_of
    from dance_models.files import replacing_together
    from pipelines.commands.video_arguments import say_left
    from pipelines.commands.video_poses import PoseReader, check_names

    if options.tracks is None and _same(*(video.path for video in videos)):
        raise InputError("REFERENCE and PRACTICE are the same video", file=videos[1].path)
    check_names(options, videos)
    results = _results(videos, out, draw=draw)
    sources = _sources(videos, options, (*results, *_stills(out)))
    reader = PoseReader.loaded(options, console)
    remove_left_parts(out)
    models = {"joints": f"as the {options.joints} defines them", **reader.models}
    poses: list[VideoPoses] = []
    performances: list[Performance] = []
    notes: list[str] = []
    for video, name in zip(videos, told_apart(videos), strict=True):
        found = _poses(reader, video, models)
        performance, remarks = performance_of(video.path, found, name)
        notes += [f"{name}: {remark}" for remark in remarks]
        poses.append(found)
        performances.append(performance)
    comparison = compare(performances[0], performances[1])
    earlier = _stills_of_the_last(results[1])
    with replacing_together(out, results[0].stem, results[0].name) as part:
        pairs = zip(videos, poses, strict=True) if draw else ()
        drawn = [_drawn(reader, *pair, part) for pair in pairs]
        made = _write(comparison, videos, performances, part, models, notes, drawn)
    written = [out / path.name for path in made]
    _remove(earlier.difference(written))
    _print(reader.console, comparison, notes)
    reader.console.print(f"Written: {shown(', '.join(map(str, written)))}", soft_wrap=True)
    say_left(reader.console, _results(videos, out, draw=True), written, sources)
    return comparison


def _sources(
    videos: "tuple[NamedVideo, NamedVideo]", options: "PoseOptions", results: Sequence[Path]
) -> "Places":
    """What is read. Raises InputError where a result would replace it, or cannot be written."""
    from pipelines.commands.video_arguments import check_places, places_of, refuse_replacing
    from pipelines.commands.video_poses import poses_read

    read = [path for video in videos for path in (video.path, *poses_read(options, video))]
    read += [image for video in videos if video.path.is_dir() for image in video.path.iterdir()]
    check_places(results)
    sources = places_of(read)
    refuse_replacing(results, sources)
    return sources


def told_apart(videos: "tuple[NamedVideo, NamedVideo]") -> tuple[str, str]:
    """What reference and practice are called; two of one name are told apart."""
    reference, practice = (video.shown for video in videos)
    if reference == practice:
        return f"{reference} (reference)", f"{practice} (practice)"
    return reference, practice


def _same(one: Path, other: Path) -> bool:
    """Whether two videos have the same content; folders of images are not looked into."""
    if one.is_file() and other.is_file():
        return filecmp.cmp(one, other, shallow=False)
    return one.samefile(other)


def _poses(reader: "PoseReader", video: "NamedVideo", models: dict[str, str]) -> "VideoPoses":
    """The refined poses of a video; notes in ``models`` what estimated them."""
    from dance_models.analysis.video import poses_of
    from pipelines.commands.frame_progress import frame_progress

    (person,) = reader.people(video, video.stem)
    models["estimator"] = person.estimator
    with frame_progress(reader.console, f"{video.stem}: refining") as progress:
        return poses_of(person.seen, reader.networks, reader.options.joints, progress)


def _results(videos: "tuple[NamedVideo, NamedVideo]", out: Path, *, draw: bool) -> tuple[Path, ...]:
    """The page, the document and, with ``draw``, both drawn videos."""
    from dance_models.analysis.results import overlay_path

    drawn = [overlay_path(out, video.stem) for video in videos] if draw else []
    return (out / "comparison.html", out / "comparison.json", *drawn)


def _stills(out: Path) -> tuple[Path, ...]:
    """All that a comparison may write."""
    from dance_models.comparison.stills import still_path
    from dance_models.config import ComparisonConfig

    return tuple(still_path(out, number) for number in range(1, ComparisonConfig().moments + 1))


def _stills_of_the_last(plain: Path) -> set[Path]:
    """Those that the document of an earlier comparison names: this one may have fewer moments."""
    with suppress(OSError, ValueError, TypeError, KeyError):  # none, or not ours
        named = [moment["still"] for moment in json.loads(plain.read_text("utf-8"))["moments"]]
        return {path for path in _stills(plain.parent) if path.name in named}
    return set()


def _remove(files: Iterable[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)


def _drawn(reader: "PoseReader", video: "NamedVideo", poses: "VideoPoses", out: Path) -> Path:
    """The video with its skeletons, beside the page."""
    from dance_models.analysis.overlay import write_overlay
    from dance_models.analysis.results import overlay_path
    from pipelines.commands.frame_progress import frame_progress

    target = overlay_path(out, video.stem)
    with frame_progress(reader.console, f"{video.stem}: drawing") as progress:
        write_overlay(video.path, poses, target, None, progress)
    return target


def _write(
    found: "Comparison",
    videos: "tuple[NamedVideo, NamedVideo]",
    performances: "Sequence[Performance]",
    out: Path,
    models: Mapping[str, str],
    notes: Sequence[str],
    drawn: Sequence[Path],
) -> list[Path]:
    """Write everything but the drawn videos; what a user opens, the page first."""
    from dance_models.analysis.page.write import write_page
    from dance_models.comparison.document import document
    from dance_models.comparison.page import page_content
    from dance_models.comparison.stills import write_stills
    from dance_models.tables import write_text

    page, plain, *_ = _results(videos, out, draw=False)
    pairs = [(v.path, p) for v, p in zip(videos, performances, strict=True)]
    stills = write_stills(found, pairs[0], pairs[1], out)
    described = document(found, [still.name for still in stills], dict(models))
    described["warnings"] = [*notes, *described["warnings"]]
    write_text(plain, json.dumps(described) + "\n")
    names = (drawn[0].name, drawn[1].name) if drawn else (None, None)
    write_page(page_content(found, stills, notes, names, models), page)
    return [page, plain, *stills, *drawn]


def _print(console: Console, found: "Comparison", notes: Sequence[str]) -> None:
    from dance_models.comparison.sentences import sentences

    for warning in (*notes, *found.warnings):
        console.print(f"[yellow]warning:[/] {shown(warning)}", soft_wrap=True)
    for sentence in sentences(found):
        console.print(shown(sentence), soft_wrap=True)
    for number, moment in enumerate(found.moments, 1):
        console.print(f"{number:2d}. {shown(moment.words)}", soft_wrap=True)
    for hint in found.hints:
        console.print(f"Beyond a range: {shown(hint)}", soft_wrap=True)
