"""The networks behind HTTP: tracks in pixels or a video in, refined and forecast poses out."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from numpy.typing import NDArray
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from dance_models import __version__
from dance_models.config import ServingConfig
from dance_models.errors import InputError
from pipelines.web.api_limits import Counted, Limited, Metrics, received, while_there
from pipelines.web.api_models import (
    Answer,
    ForecastRequest,
    Forecasts,
    Health,
    Problem,
    Refined,
    TrackRequest,
)
from pipelines.web.guard import JSON
from pipelines.web.private_folders import private_folder

if TYPE_CHECKING:
    from dance_models.data.pose_runs import PoseRun
    from dance_models.serving.models import Served
    from dance_models.serving.video import VideoReader

PREFIX: Final = "dance-video-"  # of the temporary folder of a video
CLIENT_LEFT: Final = 499  # HTTP has none for it; proxies use this one
BUSY_S: Final = 5  # after which a client that was refused may ask again
DECIMALS: Final = 2  # of pixels
VIDEO: Final = "/v1/video"
PATHS: Final = ("/v1/refine", "/v1/forecast", VIDEO, "/health", "/metrics", "/openapi.json")
VIDEO_TYPES: Final = (
    "application/octet-stream", "video/mp4", "video/quicktime", "video/webm", "video/x-matroska",
    "video/x-msvideo", "video/mpeg",
)  # fmt: skip
MEDIA_TYPES: Final = (JSON, *VIDEO_TYPES)
DESCRIPTION: Final = (
    "Refines and forecasts the poses of one dancer. Everything is in pixels as the picture is "
    "shown, x to the right and y down, and in seconds."
)
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    408: {"model": Problem, "description": "The body did not arrive in time."},
    413: {"model": Problem, "description": "The body is too large."},
    415: {"description": "The body is of another type, or compressed."},
    422: {"model": Problem, "description": "The request cannot be used; the error says why."},
    503: {"model": Problem, "description": "Busy, or it took too long; ask again later."},
}
_OF_TRACKS: Final = {400: {"model": Problem, "description": "The body is no JSON."}, **_REFUSALS}
_OF_VIDEOS: Final = {507: {"model": Problem, "description": "It cannot be kept."}, **_REFUSALS}
_log = logging.getLogger(__name__)


class Api:
    """The answers of a server. Tracks are worked on side by side, videos one at a time."""

    def __init__(self, served: "Served", video: "VideoReader", limits: ServingConfig) -> None:
        self.served, self.video, self.limits = served, video, limits
        self.metrics = Metrics()
        self.tracks = ThreadPoolExecutor(limits.workers, "track")
        self.videos = ThreadPoolExecutor(1, "video")
        self.watching = asyncio.Lock()

    async def refine(self, track: TrackRequest, request: Request) -> Response:
        """Refine a track: the estimator's errors are repaired, and it shakes less."""
        return await self._worked(request, lambda: self._refined(track))

    async def forecast(self, track: ForecastRequest, request: Request) -> Response:
        """The next 40 to 400 ms, from poses that are refined without looking ahead."""
        return await self._worked(request, lambda: self._forecast(track))

    async def analyze(self, request: Request) -> Response:
        """Find the dancer in a video, refine and forecast: the JSON of `dance analyze`.

        The body is the file itself. One video is taken at a time.
        """
        if self.watching.locked():
            raise HTTPException(503, "another video is being analyzed", _retry())
        async with self.watching:
            with private_folder(PREFIX) as folder:
                file = folder / "video.mp4"
                await received(request, file, self.limits.video_s)
                loop, stop = asyncio.get_running_loop(), threading.Event()
                job = loop.run_in_executor(
                    self.videos, self.video.analysis, file, folder, stop.is_set
                )
                return JSONResponse(await while_there(request, job, stop.set))

    async def health(self) -> Health:
        """That the server answers, its version and its networks."""
        return Health(version=__version__, models=dict(self.served.described))

    async def measured(self) -> Response:
        """Requests, errors and seconds in Prometheus' text format."""
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    def _refined(self, asked: TrackRequest) -> dict[str, Any]:
        from dance_models.serving.tracks import refine_track

        run = self._run(asked)
        poses = refine_track(self.served.networks.refiner, run, asked.joints)
        times = [round(float(at), 6) for at in run.time_s]
        return {**self._head("recognition"), "time_s": times, "keypoints": _plain(poses)}

    def _forecast(self, asked: ForecastRequest) -> dict[str, Any]:
        from dance_models.serving.tracks import AHEAD_MS, forecast_track

        every = asked.after == "every"
        found = forecast_track(self.served.networks, self._run(asked), asked.joints, every=every)
        forecasts = [
            {"frame": f.frame, "time_s": round(f.time_s, 6), "keypoints": _plain(f.poses)}
            for f in found
        ]
        head = self._head("recognition", "prediction")
        return {**head, "ahead_ms": list(AHEAD_MS), "forecasts": forecasts}

    def _run(self, asked: TrackRequest) -> "PoseRun":
        from dance_models.serving.tracks import track_of

        whole = {len(point) for frame in asked.keypoints for point in frame if point is not None}
        missing = [None] * (max(whole, default=2))
        points = [[point or missing for point in frame] for frame in asked.keypoints]
        return track_of(
            points, score=asked.scores, time_s=asked.time_s, fps=asked.fps, limits=self.limits
        )

    def _head(self, *tasks: str) -> dict[str, Any]:
        models = {task: self.served.described[task] for task in tasks}
        return Answer(models=models).model_dump()

    async def _worked(self, request: Request, work: Callable[[], dict[str, Any]]) -> Response:
        """The answer that ``work`` gives in one of the threads; 503 when it takes too long.

        What waits for a thread is not begun once its time is over or its client has left.
        """
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self.tracks, lambda: json.dumps(work()).encode())
        try:
            answered = while_there(request, job, job.cancel)
            body = await asyncio.wait_for(answered, self.limits.track_s)
        except TimeoutError as error:
            why = f"this was not done within {self.limits.track_s:g} s"
            raise HTTPException(503, why, _retry()) from error
        return Response(body, media_type=JSON)


def make_api(served: "Served", video: "VideoReader", limits: ServingConfig) -> FastAPI:
    """The application, not yet behind the guard."""
    api = Api(served, video, limits)
    # Its pages of documentation would be loaded from another site.
    app = FastAPI(
        title="Dance poses", version=__version__, description=DESCRIPTION,
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.post("/v1/refine", response_model=Refined, responses=_OF_TRACKS)(api.refine)
    app.post("/v1/forecast", response_model=Forecasts, responses=_OF_TRACKS)(api.forecast)
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = {"requestBody": {"content": dict.fromkeys(VIDEO_TYPES, binary), "required": True}}
    app.post(VIDEO, response_model=dict[str, Any], responses=_OF_VIDEOS, openapi_extra=content)(
        api.analyze
    )
    app.get("/health")(api.health)
    app.get("/metrics", response_class=Response)(api.measured)
    app.add_exception_handler(InputError, _input_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _failed)
    sizes = {VIDEO: round(limits.most_video_mb * 1e6)}
    app.add_middleware(Limited, most=round(limits.most_body_mb * 1e6), others=sizes)
    app.add_middleware(Counted, metrics=api.metrics, paths=PATHS)
    return app


def _plain(poses: NDArray[np.float32]) -> list[list[list[float] | None]]:
    """(T, J, 2) as lists; None where a coordinate is missing."""
    known: list[list[bool]] = np.asarray(np.isfinite(poses).all(axis=-1)).tolist()
    rounded = np.round(poses.astype(np.float64), DECIMALS).tolist()
    return [
        [point if there else None for point, there in zip(*frame, strict=True)]
        for frame in zip(rounded, known, strict=True)
    ]


# --- errors -----------------------------------------------------------------------------------


def _retry() -> dict[str, str]:
    return {"Retry-After": str(BUSY_S)}


def _problem(
    status: int, error: str, headers: Mapping[str, str] | None = None, **where: Any
) -> JSONResponse:
    known = {name: value for name, value in where.items() if value is not None}
    return JSONResponse({"error": error, **known}, status, headers)


async def _input_error(_: Request, error: Exception) -> Response:
    """What is wrong with the input and what to do, without names of files of this machine."""
    from dance_models.serving.video import TookTooLongError

    assert isinstance(error, InputError)
    status = 503 if isinstance(error, TookTooLongError) else 422
    return _problem(status, error.advice, frame=error.frame, joint=error.joint)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return _problem(422, f"{place}: {first['msg']}" if place else str(first["msg"]))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, str(error.detail), error.headers)


async def _left(_: Request, error: Exception) -> Response:
    """For the metrics alone: nobody reads it."""
    return Response(status_code=CLIENT_LEFT)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s failed", request.url.path, exc_info=error)
    return _problem(500, "this is a fault of the server; its log says more")
