"""``dance analyze``: refined poses, forecasts and an overlay of anyone's video."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dance_models.errors import InputError
from pipelines.commands import common

if TYPE_CHECKING:
    from pipelines.commands.video_analysis import Wanted

Horizon = Literal["80", "160", "320", "400"]


VideosArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="Videos with a dancer, folders of videos, or folders of images."),
]
OutOption = Annotated[Path, typer.Option(help="Folder for the results.")]
HorizonOption = Annotated[
    Horizon, typer.Option(help="Milliseconds for which the drawn forecast looks ahead.")
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Poses of another estimator, a file or a folder of one a frame, in place of ours; "
        "with its video or without.",
    ),
]
FpsOption = Annotated[
    float | None, typer.Option(help="With --from and no video: frames a second of the poses.")
]
SizeOption = Annotated[
    str | None,
    typer.Option(help="With --from and no video: WIDTHxHEIGHT in pixels, where not stated."),
]
CausalOption = Annotated[
    bool, typer.Option(help="Refine each frame from that frame and earlier ones alone.")
]
DrawOption = Annotated[bool, typer.Option(help="Also draw the skeletons onto the video.")]
RecognitionOption = Annotated[
    str | None,
    typer.Option(
        help="NAME@ALIAS, an MLflow run id, or a network's asset of --store, in place of the "
        "network that comes with the package."
    ),
]
PredictionOption = Annotated[str | None, typer.Option(help="Likewise.")]
CacheOption = Annotated[
    Path | None, typer.Option(envvar="DANCE_CACHE", help="Folder for the estimator's weights.")
]


def analyze(
    videos: VideosArgument = None,
    out: OutOption = Path("analysis"),
    horizon: HorizonOption = "160",
    person: common.PersonOption = None,
    poses: FromOption = None,
    tracks: common.TracksOption = None,
    pose_model: common.PoseModelOption = None,
    fps: FpsOption = None,
    size: SizeOption = None,
    causal: CausalOption = False,
    joints: common.JointsOption = "estimator",
    draw: DrawOption = True,
    recognition: RecognitionOption = None,
    prediction: PredictionOption = None,
    store: common.StoreOption = common.DEFAULT_STORE,
    cache: CacheOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Refine, forecast and draw the poses of videos; needs no store and no training."""
    from pipelines.commands.video_analysis import Wanted

    with common.reported(debug):
        wanted = Wanted(
            out=out,
            horizon_ms=int(horizon),
            poses=poses,
            pose_model=pose_model,
            person=person,
            tracks=tracks,
            fps=fps,
            size=_size(size),
            causal=causal,
            joints=joints,
            draw=draw,
            models=(recognition, prediction),
            store=store,
            cache=cache,
            debug=debug,
        )
        failed = _analysed(videos or [], wanted)
    if failed:
        raise typer.Exit(common.EXIT_FAILED)


def _analysed(videos: Sequence[Path], wanted: "Wanted") -> int:
    """Analyse what can be; how many could not be. Raises InputError when none can be opened."""
    from pipelines.commands.video_analysis import analyse_videos, check_options
    from pipelines.commands.video_arguments import named_videos

    check_options(videos, wanted)
    named = named_videos(videos, wanted.out)
    if videos and not named.videos:
        raise named.refused[0]
    out = common.error_console()
    for error in named.refused:
        common.say_error(out, error)
    if wanted.poses is not None and len(named.videos) > 1:
        raise InputError(
            f"--from is of one video, and {len(named.videos)} are given",
            hint="Give one video, or --tracks DIR with a file for each",
        )
    return len(named.refused) + analyse_videos(named.videos, wanted)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise InputError(f"--size {text!r} is not WIDTHxHEIGHT", hint="For example 1280x720")
    return int(width), int(height)
