"""The server of ``dance live``: one page, a WebSocket for its frames, and one for its jobs.

The browser sends one message a frame: its capture time and how far ahead it last drew, both
in milliseconds of the browser's own clock as little-endian doubles, and the number of the shot as
an unsigned integer, then a JPEG. The answer is JSON and holds the capture time again, so that no
two clocks are compared. Of frames that wait, the newest alone is looked at. Nothing of a picture is
kept. With another shot's number the chain begins anew.
"""

import asyncio
import contextlib
import json
import math
import struct
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dance_models.errors import InputError
from dance_models.text import brief
from pipelines.live.job_routes import UPLOAD, VIDEO_TYPE, add_job_routes, serve_jobs
from pipelines.live.jobs import Jobs
from pipelines.web.api_limits import Limited
from pipelines.web.guard import guarded

if TYPE_CHECKING:
    from dance_models.live.chain import LiveChain, LivePose

PAGE: Final = Path(__file__).parent / "page"
FILES: Final = {
    "/": ("live.html", "text/html"),
    "/live.css": ("live.css", "text/css"),
    "/live.js": ("live.js", "text/javascript"),
    "/jobs.js": ("jobs.js", "text/javascript"),
}
HEADER: Final = struct.Struct("<ddI")  # capture and measured delay, ms; shot
LARGEST_FRAME: Final = 2 * 2**20  # bytes
SMALL_BODY: Final = 4096  # bytes of requests that are no video
LEAST_INTERVAL_S: Final = 1 / 120  # a frame that comes sooner is left out
RELOADED_TRIES: Final = 10  # tenths of a second
IN_USE: Final = 4001  # WebSocket codes for applications begin at 4000
SOURCE_ENDED: Final = 4002
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


@dataclass(eq=False)
class Live:
    """What the page shares: one chain, for one page at a time."""

    chain: "LiveChain"
    edges: tuple[tuple[int, int], ...]  # pairs of joints that are drawn
    # JPEGs, and whether one begins a shot; None for the browser's camera
    source: Callable[[], Iterator[tuple[bytes, bool]]] | None = None
    described: str = "the browser's camera"
    busy: bool = False
    shot: int = 0  # of the last frame
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))


class Newest:
    """A queue of length one: what is put replaces what waits."""

    def __init__(self) -> None:
        self._waiting: tuple[bytes, float] | None = None
        self._there = asyncio.Event()
        self.replaced = 0

    def put(self, data: bytes) -> None:
        """Let ``data`` wait in place of what waited."""
        self.replaced += self._waiting is not None
        self._waiting = data, time.perf_counter()
        self._there.set()

    async def take(self) -> tuple[bytes, float]:
        """What waits, and when it came; waits for it."""
        await self._there.wait()
        self._there.clear()
        assert self._waiting is not None
        taken, self._waiting = self._waiting, None
        return taken


class Headers:
    """Adds the headers that keep the page to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the headers in its answer."""

        async def send_with_headers(message: Message) -> Any:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def make_app(live: Live, jobs: Jobs) -> ASGIApp:
    """The page and its WebSockets ``/live``, ``/camera`` and ``/jobs``, behind the UI's guard."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with jobs.serving():
            yield
        live.pool.shutdown(wait=False, cancel_futures=True)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    for address, (name, kind) in FILES.items():
        app.get(address, response_class=HTMLResponse)(_file(PAGE / name, kind))

    @app.get("/about")
    def about() -> JSONResponse:
        own = live.source is None
        limits = {
            "most_mb": jobs.limits.most_video_mb,
            "most_minutes": jobs.limits.most_frames / 30 / 60,
        }
        told = {"edges": live.edges, "browser": own, "source": live.described, **limits}
        return JSONResponse(told)

    @app.websocket("/live")
    async def frames(socket: WebSocket) -> None:
        await _serve_frames(socket, live)

    @app.websocket("/camera")
    async def camera(socket: WebSocket) -> None:
        await _serve_camera(socket, live)

    @app.websocket("/jobs")
    async def job_news(socket: WebSocket) -> None:
        await serve_jobs(socket, jobs)

    add_job_routes(app, jobs)
    largest = {UPLOAD: round(jobs.limits.most_video_mb * 1e6)}
    limited = Limited(app, SMALL_BODY, largest)
    return guarded(Headers(limited), media_types=(VIDEO_TYPE,))


def _file(path: Path, kind: str) -> Callable[[], Response]:
    def answer() -> Response:
        return Response(path.read_text("utf-8"), media_type=kind)

    return answer


# --- frames in, poses out ---------------------------------------------------------------------


async def _serve_frames(socket: WebSocket, live: Live) -> None:
    await socket.accept()
    for _ in range(RELOADED_TRIES):  # a page that is loaded again: its old self is just leaving
        if not live.busy:
            break
        await asyncio.sleep(0.1)
    else:
        await socket.close(IN_USE, "another page is live already")
        return
    live.busy = True
    newest = Newest()
    answering = asyncio.create_task(_answer(socket, live, newest))
    try:
        last = -math.inf
        while True:
            data = await socket.receive_bytes()
            if len(data) > LARGEST_FRAME or len(data) <= HEADER.size:
                await socket.send_json({"problem": "this frame is too large or empty"})
            elif time.monotonic() - last < LEAST_INTERVAL_S:
                newest.replaced += 1
            else:
                last = time.monotonic()
                newest.put(data)
    except (WebSocketDisconnect, KeyError):  # KeyError: text in place of bytes
        pass
    finally:
        answering.cancel()
        # After the frame that is being looked at; not awaited, since this task may be cancelled.
        live.pool.submit(live.chain.restart)
        live.busy = False


async def _answer(socket: WebSocket, live: Live, newest: Newest) -> None:
    loop = asyncio.get_running_loop()
    while True:
        data, came = await newest.take()
        try:
            answer = await loop.run_in_executor(live.pool, look, live, data, came)
            text = json.dumps({**answer, "replaced": newest.replaced}, allow_nan=False)
        except Exception as error:  # without this loop no frame is ever answered again
            traceback.print_exc()
            text = json.dumps({"problem": f"this frame could not be looked at: {brief(error)}"})
        await socket.send_text(text)


def look(live: Live, data: bytes, came: float) -> dict[str, Any]:
    """The answer to one message that came at ``came`` of ``perf_counter``."""
    from dance_models.live.pictures import decode_jpeg

    began = time.perf_counter()
    capture, delay, shot = HEADER.unpack_from(data)
    try:
        if not (math.isfinite(capture) and math.isfinite(delay)):
            raise InputError("this frame has no time")
        image = decode_jpeg(data[HEADER.size :])
        decoded = time.perf_counter()
        if shot != live.shot:
            live.shot = shot
            live.chain.restart()
        found = live.chain.see(image, capture / 1000, delay / 1000)
    except InputError as error:
        return {"problem": str(error)}
    stages = {
        "wait": 1000 * (began - came),
        "decode": 1000 * (decoded - began),
        **found.stages_ms,
    }
    size = [image.shape[1], image.shape[0]]
    whole = 1000 * (time.perf_counter() - came)
    return {
        "capture": capture, "shot": shot, "size": size, "stages": stages, "server": whole,
        **_told(found),
    }  # fmt: skip


def _told(found: "LivePose") -> dict[str, Any]:
    """The pose as JSON; hundredths of pixels are enough."""
    if found.pose is None or found.score is None:
        return {"pose": None}
    error = found.error
    return {
        "pose": found.pose.round(2).tolist(),
        "score": found.score.round(2).tolist(),
        "curve": None if found.curve is None else found.curve.round(2).tolist(),
        "error": None
        if error is None
        else [1000 * error.delay_s, error.forecast, error.standing_still],
    }


# --- the server's own camera ------------------------------------------------------------------


async def _serve_camera(socket: WebSocket, live: Live) -> None:
    """Pictures of the file or the camera as they come; the page shows them and sends them back."""
    await socket.accept()
    if live.source is None:
        await socket.close(SOURCE_ENDED, "the browser has the camera")
        return
    pictures = live.source()
    with ThreadPoolExecutor(1) as reading:
        loop = asyncio.get_running_loop()
        try:
            while (shown := await loop.run_in_executor(reading, next, pictures, None)) is not None:
                picture, begins = shown
                if begins:
                    await socket.send_json({"shot": "begins"})
                await socket.send_bytes(picture)
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: sent after the end
            return
        except InputError as error:
            await socket.send_json({"problem": str(error)})  # a reason would have to be short
            await socket.close(SOURCE_ENDED)
        finally:
            close = getattr(pictures, "close", None)
            if close is not None:
                await loop.run_in_executor(reading, close)
