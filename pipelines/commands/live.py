"""``dance live``: a local page that draws the skeleton onto the dancer, now."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dance_models.config import JointDefinition
from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.commands.pose_options import CacheOption
from pipelines.commands.ui import check_port
from pipelines.shown import saying

if TYPE_CHECKING:
    from dance_models.live.chain import LiveChain
    from pipelines.live.app import Live
    from pipelines.live.jobs import Job, Jobs

PORT: Final = 8765
SHUTDOWN_S: Final = 2  # for open pages: their connections never end by themselves


def live(
    camera: Annotated[
        int | None,
        typer.Option(
            min=0, help="Number of a camera of this machine, from 0, in place of the browser's."
        ),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="A video in place of a camera, played in a loop.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port number in the page's address.")
    ] = PORT,
    host: Annotated[
        str,
        typer.Option(
            help="Name in the page's address, 127.0.0.1 or localhost: this machine alone."
        ),
    ] = "127.0.0.1",
    mirrored_pass: Annotated[
        bool,
        typer.Option(help="Look at each picture also mirrored, as `dance analyze` does: slower."),
    ] = False,
    joints: common.JointsOption = "estimator",
    cache: CacheOption = None,
    debug: common.DebugOption = False,
) -> None:
    """Serve a page that draws the skeleton onto the camera's picture in real time.

    Open the address that is printed in a browser of this machine. The page also analyzes and
    compares videos.
    """
    with common.reported(debug):
        source, described = _source(camera, video)
        _check(host, port)
        chain = _chain(joints, cache, mirrored_pass=mirrored_pass)
        saying(common.console())(f"Open http://{host}:{port} in a browser; Ctrl-C ends it.")
        _serve(_shared(chain, source, described), _jobs(joints, cache), host, port)


def _source(
    camera: int | None, video: Path | None
) -> tuple[Callable[[], Iterator[tuple[bytes, bool]]] | None, str]:
    """Where pictures come from, None for the browser.

    Raises InputError for no readable video, and for a camera that gives no picture.
    """
    from dance_models.live.pictures import camera_pictures, file_pictures
    from pipelines.commands.video_arguments import named_video

    if camera is not None and video is not None:
        raise InputError("--camera and --video exclude each other")
    if video is not None:
        if video.is_dir():
            raise InputError("--video: this is a folder", file=video, hint="Name one video")
        named_video(video, video.stem)
        return partial(file_pictures, video), video.name
    if camera is not None:
        with closing(camera_pictures(camera)) as pictures:
            next(pictures)
        return partial(camera_pictures, camera), f"camera {camera} of this machine"
    return None, "the browser's camera"


def _check(host: str, port: int) -> None:
    """Raise InputError for an address that others reach, or that is taken."""
    from pipelines.web.guard import LOOPBACK

    if host not in LOOPBACK:
        raise InputError(
            f"--host {host}: pictures of a camera are served to this machine alone",
            hint=f"Use {' or '.join(LOOPBACK)}",
        )
    check_port(port, "--port", host)


def _chain(joints: JointDefinition, cache: Path | None, *, mirrored_pass: bool) -> "LiveChain":
    """The shipped networks and BlazePose. Raises InputError when its weights cannot be had."""
    from dance_models.analysis import shipped
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.factory import make_estimator
    from dance_models.live.chain import LiveChain
    from pipelines.storage.weights import user_weights

    estimation = EstimatorConfig(
        threads=common.estimator_threads(), mirrored_pass=mirrored_pass, axis_check=True
    )
    weights = user_weights(cache).ready(estimation, saying(common.console()))
    estimator = make_estimator(estimation, weights, "live")
    return LiveChain(estimator, shipped.networks(causal=True), joints)


def _shared(
    chain: "LiveChain", source: Callable[[], Iterator[tuple[bytes, bool]]] | None, described: str
) -> "Live":
    from dance_models.skeleton import DANCE_14
    from pipelines.live.app import Live

    return Live(chain, tuple(DANCE_14.edges), source, described)


def _jobs(joints: JointDefinition, cache: Path | None) -> "Jobs":
    """Analyzing and comparing by upload, in processes that do what the commands do."""
    from dance_models.config import PageConfig
    from pipelines.commands.page_job import check_video, job_command
    from pipelines.live.jobs import Jobs

    def command(job: "Job") -> list[str]:
        videos = [job.video(part) for part in range(len(job.names))]
        return job_command(
            job.kind, videos, job.out,
            names=job.names, person=job.person, joints=joints, cache=cache,
        )  # fmt: skip

    return Jobs(command, check_video, PageConfig())


def _serve(live: "Live", jobs: "Jobs", host: str, port: int) -> None:
    """Serve until the process is told to end."""
    import uvicorn

    from pipelines.live.app import LARGEST_FRAME, make_app
    from pipelines.web.connections import Connection

    uvicorn.run(
        make_app(live, jobs),
        host=host,
        port=port,
        http=Connection,
        log_level="warning",
        ws_max_size=LARGEST_FRAME + 1024,
        ws_max_queue=4,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
