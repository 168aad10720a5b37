"""How the page of ``dance live`` asks for jobs: a WebSocket, uploads, and the files to fetch."""

import asyncio
import contextlib
import json
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, WebSocket, WebSocketDisconnect
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response

from dance_models.errors import InputError
from pipelines.live.jobs import Job, Jobs, Page
from pipelines.web.api_limits import received

UPLOAD: Final = "/upload"
VIDEO_TYPE: Final = "application/octet-stream"
TELL_S: Final = 0.2  # between two messages to a page
# A finished page holds its own script and forbids every other one.
RESULT_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: 'self'; media-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


async def serve_jobs(socket: WebSocket, jobs: Jobs) -> None:
    """Tell a page about all jobs as they change, and do what it asks, until it is closed."""
    await socket.accept()
    page = Page()
    page.changed.set()
    jobs.pages.add(page)
    telling = asyncio.create_task(_tell(socket, jobs, page))
    try:
        while True:
            asked = json.loads(await socket.receive_text())
            try:
                if "cancel" in asked:
                    jobs.cancel(str(asked["cancel"]))
                else:
                    jobs.add(page, asked)
            except InputError as error:
                await socket.send_json({"key": asked.get("key"), "problem": str(error)})
    except (WebSocketDisconnect, RuntimeError, KeyError, TypeError, ValueError, AttributeError):
        pass  # closed, or no message of our page's
    finally:
        telling.cancel()
        jobs.leave(page)
        with contextlib.suppress(RuntimeError):
            await socket.close()


async def _tell(socket: WebSocket, jobs: Jobs, page: Page) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await page.changed.wait()
            page.changed.clear()
            await socket.send_json({"jobs": jobs.told(page)})
            await asyncio.sleep(TELL_S)


def add_job_routes(app: FastAPI, jobs: Jobs) -> None:
    """``POST /upload`` takes a video of a job; ``/result`` and ``/archive`` give its files."""

    @app.post(UPLOAD)
    async def upload(request: Request, job: str, part: Annotated[int, Query(ge=0)]) -> Response:
        found = jobs.claim(job, part)
        if found is None:
            return _broken_off(404, "no job waits for this video")
        try:
            if not await _came(request, jobs, found, part):
                return _broken_off(409, "the job has ended; its video is not needed any more")
            await jobs.arrived(found, part)
        except InputError as error:
            return _problem(422, str(error))
        except HTTPException as error:
            jobs.fail(found, str(error.detail))
            return _broken_off(error.status_code, str(error.detail))
        except ClientDisconnect:
            jobs.cancel(job)
            return _problem(499, "the upload was broken off")
        return JSONResponse({})

    @app.get("/result/{job}/{name:path}")
    async def result(job: str, name: str) -> Response:
        path = jobs.file(job, name)
        if path is None:
            return _problem(404, "there is no such file")
        return FileResponse(path, headers={"Content-Security-Policy": RESULT_POLICY})

    @app.get("/archive/{job}")
    async def archive(job: str) -> Response:
        try:
            path = await jobs.archive(job)
        except OSError:
            return _problem(507, "the files cannot be put into one: is the disk full?")
        if path is None:
            return _problem(404, "there is no such job")
        return FileResponse(path, filename="dance.zip")


async def _came(request: Request, jobs: Jobs, job: Job, part: int) -> bool:
    """Take a video of a job; False when the job ended first, and with it the upload.

    Raises as :func:`received` does.
    """
    coming = asyncio.ensure_future(received(request, job.video(part), jobs.limits.upload_s))
    ended = asyncio.ensure_future(job.ended.wait())
    try:
        await asyncio.wait((coming, ended), return_when=asyncio.FIRST_COMPLETED)
        # What was received of an ended job, or kept it from coming, is of no use: its folder went.
        if not job.ended.is_set():
            await coming
        return not job.ended.is_set()
    finally:
        for task in (coming, ended):
            task.cancel()
        await asyncio.gather(coming, ended, return_exceptions=True)


def _broken_off(status: int, words: str) -> JSONResponse:
    """An answer before the body was read: without the end of the connection it would go on."""
    answer = _problem(status, words)
    answer.headers["Connection"] = "close"
    return answer


def _problem(status: int, words: str) -> JSONResponse:
    content: dict[str, Any] = {"error": words}
    return JSONResponse(content, status)
