"""What is done with every request to the API: its size is limited, and it is counted."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")
BUCKETS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # s
BODY_S: Final = 60.0  # in which a body that is no video must have arrived
SILENT_S: Final = 30.0  # in which some of a video must come
OTHER: Final = "other"  # paths that there are not, under one name: they are anybody's


async def received(request: Request, file: Path, seconds: float) -> None:
    """Write the body of a request to a file, as it comes.

    Raises HTTPException: 408 when it takes longer than ``seconds``, or nothing of it comes for
    ``SILENT_S``, 507 when it cannot be kept.
    """
    try:
        async with asyncio.timeout(seconds):
            with file.open("wb") as out:
                stream = request.stream()
                while (chunk := await _next(stream)) is not None:
                    out.write(chunk)
    except _SilentError as error:
        late = f"nothing of the video came for {SILENT_S:g} s"
        raise HTTPException(408, late, {"Connection": "close"}) from error
    except TimeoutError as error:
        late = f"the video did not arrive within {seconds:g} s"
        raise HTTPException(408, late, {"Connection": "close"}) from error
    except OSError as error:
        raise HTTPException(507, "the video cannot be kept: is the disk full?") from error


class _SilentError(Exception):
    pass


async def _next(stream: AsyncGenerator[bytes, None]) -> bytes | None:
    """What comes next, None at the end; a client that sends nothing would keep others waiting."""
    try:
        async with asyncio.timeout(SILENT_S):
            return await anext(stream, None)
    except TimeoutError as error:
        raise _SilentError from error


async def while_there(request: Request, job: "asyncio.Future[T]", stop: Callable[[], object]) -> T:
    """What ``job`` gives. Without the client, and when cancelled, ``stop`` is called to end it.

    Returns after the end of the job in any case, so that what it works with may be removed then.
    Raises ClientDisconnect.
    """
    gone = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((job, gone), return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            raise ClientDisconnect
    finally:
        gone.cancel()
        if not job.done():
            stop()
            await asyncio.wait((job,))
            if not job.cancelled():
                job.exception()  # else asyncio logs that nobody looked at it
    return job.result()


async def _left(request: Request) -> None:
    """Wait until the client has gone; its body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Metrics:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "dance_requests", "Requests by path and status.", ("path", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.errors = Counter(
            "dance_errors", "Requests that were answered with 400 or above.", ("path",),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "dance_request_seconds", "Seconds from request to answer.", ("path",),
            registry=self.registry, buckets=BUCKETS,
        )  # fmt: skip
        self.open = Gauge(
            "dance_requests_open", "Requests that are being answered.", registry=self.registry
        )


class Counted:
    """Counts what passes through it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: tuple[str, ...]) -> None:
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self.paths else OTHER
        status, begun = 500, perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.open.inc()
        try:
            await self.app(scope, receive, noted)
        finally:
            self.metrics.open.dec()
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(perf_counter() - begun)
            if status >= 400:
                self.metrics.errors.labels(path).inc()


class Limited:
    """Refuses bodies that are too large: by their stated length, else when they have grown so.

    And those that do not arrive in ``body_s`` seconds, but for ``others``, which have their own
    time (:func:`received`).
    """

    def __init__(
        self, app: ASGIApp, most: int, others: Mapping[str, int], body_s: float = BODY_S
    ) -> None:
        self.app, self.most, self.others = app, most, others  # bytes; others by path
        self.body_s = body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 413 or 408."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.others.get(scope["path"], self.most)
        why = f"the body is larger than {most / 1e6:g} MB"
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isdecimal() or int(stated) > most:
            await JSONResponse({"error": why}, 413)(scope, receive, send)
            return
        taken, ended = 0, scope["path"] in self.others
        deadline = asyncio.get_running_loop().time() + self.body_s

        async def limited() -> Message:
            nonlocal taken, ended
            try:  # after the body what comes is that the client left: for that there is no time
                async with asyncio.timeout_at(None if ended else deadline):
                    message = await receive()
            except TimeoutError as error:
                late = f"the body did not arrive within {self.body_s:g} s"
                raise HTTPException(408, late, {"Connection": "close"}) from error
            ended = ended or not message.get("more_body", False)
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413, why)
            return message

        await self.app(scope, limited, send)
