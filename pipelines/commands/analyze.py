"""``dance analyze``: refined poses, forecasts and an overlay of anyone's video."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.pose_options import (
    CacheOption,
    ModelStoreOption,
    PersonRuleOption,
    PredictionOption,
    RecognitionOption,
)

if TYPE_CHECKING:
    from pipelines.commands.video_analysis import Wanted
    from pipelines.commands.video_poses import PoseOptions

Horizon = Literal["80", "160", "320", "400"]


VideosArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="Videos with a dancer, folders of videos, or folders of numbered images."),
]
OutOption = Annotated[Path, typer.Option(help="Folder for the results.")]
HorizonOption = Annotated[
    Horizon, typer.Option(help="How far ahead the drawn forecast looks, in milliseconds.")
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Poses of one video: a file, or a folder with one file a frame. With the video, or "
        "without.",
        rich_help_panel=common.OTHER_POSES,
    ),
]
FpsOption = Annotated[
    float | None,
    typer.Option(
        help="Without the video: how many frames a second the poses have.",
        rich_help_panel=common.OTHER_POSES,
    ),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        help="Without the video: WIDTHxHEIGHT of its picture in pixels, if the file does not say.",
        rich_help_panel=common.OTHER_POSES,
    ),
]
CausalOption = Annotated[
    bool,
    typer.Option(help="Correct each pose from its frame and earlier ones alone, as when live."),
]
FastOption = Annotated[
    bool,
    typer.Option(
        "--fast",
        help="Faster and a little less accurate: the pose estimator looks at each picture once, "
        "not also at its mirror image.",
    ),
]
DrawOption = Annotated[
    bool, typer.Option(help="Write the video once more, with the skeleton drawn on it.")
]
FormatOption = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        help="File to write for other programs: csv, parquet, coco, openpose, trc, mot or c3d; "
        "may be repeated. Default: all but c3d. none: no such file.",
    ),
]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        help="How many metres a pixel is at the dancer, for TRC and C3D files. Default: these are "
        "in pixels."
    ),
]


def analyze(
    videos: VideosArgument = None,
    out: OutOption = Path("analysis"),
    horizon: HorizonOption = "160",
    person: PersonRuleOption = None,
    poses: FromOption = None,
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    fps: FpsOption = None,
    size: SizeOption = None,
    causal: CausalOption = False,
    fast: FastOption = False,
    joints: common.JointsOption = "estimator",
    draw: DrawOption = True,
    formats: FormatOption = None,
    metres_per_pixel: ScaleOption = None,
    recognition: RecognitionOption = None,
    prediction: PredictionOption = None,
    store: ModelStoreOption = common.DEFAULT_STORE,
    cache: CacheOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Measure a dancer in a video: a page with angles, speeds and the moments to look at.

    For each video it writes VIDEO.html, the page to open first, the video with the skeleton drawn
    on it, and files for other programs.
    """
    from pipelines.commands.video_analysis import Wanted
    from pipelines.commands.video_poses import PoseOptions, rule_of

    with common.reported(debug):
        options = PoseOptions(
            person=rule_of(person),
            poses=poses,
            pose_model=pose_model,
            tracks=tracks,
            fps=fps,
            size=_size(size),
            causal=causal,
            fast=fast,
            joints=joints,
            models=(recognition, prediction),
            store=store,
            cache=cache,
        )
        kinds, scale = _formats(formats), _scale(metres_per_pixel)
        wanted = Wanted(out, int(horizon), draw, debug, kinds, scale)
        failed = _analysed(videos or [], options, wanted)
    if failed:
        raise typer.Exit(common.EXIT_FAILED)


def _analysed(videos: Sequence[Path], options: "PoseOptions", wanted: "Wanted") -> int:
    """Analyse what can be; how many could not be. Raises InputError when none can be opened."""
    from pipelines.commands.video_analysis import analyse_videos
    from pipelines.commands.video_arguments import named_videos
    from pipelines.commands.video_poses import check_pose_options

    check_pose_options(options, with_video=bool(videos))
    named = named_videos(videos, wanted.out, people=options.person == "all")
    if videos and not named.videos:
        raise named.refused[0]
    out = common.error_console()
    for error in named.refused:
        common.say_error(out, error)
    if options.poses is not None and len(named.videos) > 1:
        raise InputError(
            f"--from is of one video, and {len(named.videos)} are given",
            hint="Give one video, or --tracks DIR with a file for each",
        )
    return len(named.refused) + analyse_videos(named.videos, options, wanted, common.console())


def _formats(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """The formats to write, None for the usual ones.

    Raises InputError for one that is not known or not installed.
    """
    from dance_models.analysis.files.write import check_formats

    if names is None:
        return None
    chosen = tuple(name for name in names if name != "none")
    check_formats(chosen)
    return chosen


def _scale(metres_per_pixel: float | None) -> float | None:
    if metres_per_pixel is not None and not 0 < metres_per_pixel < 1:
        raise InputError(
            f"--metres-per-pixel {metres_per_pixel:g} is no scale", hint="For example 0.004"
        )
    return metres_per_pixel


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    # Digits of other scripts are no numbers, and no picture has sides of six digits.
    found = re.fullmatch(r"0*([1-9][0-9]{0,4})x0*([1-9][0-9]{0,4})", text.lower())
    if found is None:
        raise InputError(f"--size {text!r} is not WIDTHxHEIGHT", hint="For example 1280x720")
    return int(found[1]), int(found[2])
