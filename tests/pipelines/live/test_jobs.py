"""Jobs of the page with processes that compute nothing."""

import asyncio
import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from watched_process import wait_until

from dance_models.config import PageConfig
from dance_models.errors import InputError
from pipelines.live.app import Live, make_app
from pipelines.live.job_routes import UPLOAD, VIDEO_TYPE
from pipelines.live.jobs import Job, Jobs, Page
from pipelines.processes import identity
from pipelines.web.private_folders import OWNER

OWN, WS = "http://127.0.0.1:8765", "ws://127.0.0.1:8765"
VIDEO = {"content-type": "application/octet-stream"}
DONE = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[1]); (out / "deep").mkdir(parents=True)
print("a library's line")
print("x" * 300_000)
print(json.dumps({"stage": "video: drawing", "done": 3, "total": 9}), flush=True)
(out / "video.html").write_text("<p>page"); (out / "deep" / "1.json").write_text("{}")
"""
SLEEPS = 'import time; print(\'{"stage": "asleep", "done": 0, "total": 0}\', flush=True)\n'
SLEEPS += "time.sleep(60)"
FAILS = "import json, sys; print(json.dumps({'problem': 'nobody is seen'})); sys.exit(1)"
DIES = "import os; os.kill(os.getpid(), 9)"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    LAST.clear()
    return tmp_path


LAST: dict[int, list[dict[str, Any]]] = {}  # what a page was last told


class Served:
    """A server whose jobs run a script; videos that begin with "bad" are none."""

    def __init__(self, script: str, limits: PageConfig) -> None:
        self.script, self.started = script, list[Path]()
        self.jobs = Jobs(self.command, self.check, limits)
        self.client = TestClient(make_app(Live(None, ()), self.jobs), base_url=OWN)  # type: ignore[arg-type]

        self.stack = ExitStack()

    def close(self) -> None:
        self.stack.close()

    def command(self, job: Job) -> Sequence[str]:
        self.started.append(job.video(0))
        return [sys.executable, "-S", "-c", self.script, str(job.out)]

    def check(self, path: Path) -> None:
        if path.read_bytes().startswith(b"bad"):
            raise InputError("this is not a video", file=path)

    def send(self, job: str, part: int = 0, content: bytes = b"video", **more: Any) -> Any:
        address = f"/upload?job={job}&part={part}"
        return self.client.post(address, content=content, headers={**VIDEO, **more})


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    served: list[Served] = []

    def start(script: str, **limits: Any) -> Served:
        served.append(Served(script, PageConfig(**limits)))
        served[-1].stack.enter_context(served[-1].client)
        return served[-1]

    yield start
    for one in served:
        one.close()


def ask(socket: WebSocketTestSession, kind: str = "analyze", key: int = 1, **more: Any) -> None:
    names = ["../../dance.mp4", "b.mp4"][: 1 if kind == "analyze" else 2]
    socket.send_json(
        {"key": key, "kind": kind, "files": [[name, 5] for name in names], **more},
    )


def until(socket: WebSocketTestSession, state: str, key: int = 1) -> dict[str, Any]:
    """The job of that key once it is in that state."""
    while True:
        for job in LAST.get(id(socket), []):
            if job["key"] == key and job["state"] == state:
                return dict(job)
        LAST[id(socket)] = socket.receive_json().get("jobs", [])


def workers() -> list[psutil.Process]:
    """Processes of jobs; other tests leave servers of their own to the end of the session."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if SLEEPS in child.cmdline():
                found.append(child)
    return found


def no_workers() -> None:
    wait_until(lambda: not workers())


def test_a_video_becomes_a_page_and_files(serve: Any, temporary: Path) -> None:
    served = serve(DONE)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket)
        job = until(socket, "uploading")
        assert job["names"] == ["../../dance.mp4"]
        assert served.send(job["id"]).status_code == 200
        done = until(socket, "done")
    assert (done["stage"], done["done"], done["total"]) == ("video: drawing", 3, 9)
    assert done["files"] == [["video.html", 7]]
    page = served.client.get(f"/result/{job['id']}/video.html")
    assert page.text == "<p>page"
    assert "script-src 'unsafe-inline'" in page.headers["content-security-policy"]
    assert served.client.get(f"/result/{job['id']}/deep/1.json").json() == {}
    assert served.client.get(f"/archive/{job['id']}").content.startswith(b"PK")
    for name in ("../video.mp4", "..%2fvideo.mp4", "gone.html"):
        assert served.client.get(f"/result/{job['id']}/{name}").status_code == 404
    assert served.started[0].name == "video.mp4"
    assert not served.started[0].exists()
    (folder,) = temporary.glob("dance-page-*")
    assert folder.stat().st_mode & 0o077 == 0
    served.close()
    assert not folder.exists()


def test_two_videos_are_needed_to_compare(serve: Any) -> None:
    served = serve(DONE)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket, "compare")
        job = until(socket, "uploading")
        assert served.send(job["id"], 1).status_code == 200
        assert served.send(job["id"], 1).status_code == 404
        assert served.send(job["id"], 2).status_code == 404
        assert served.send(job["id"], 0).status_code == 200
        until(socket, "done")


def test_a_wrong_file_is_refused_before_any_process_starts(serve: Any) -> None:
    served = serve(DONE)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket)
        answer = served.send(until(socket, "uploading")["id"], content=b"bad")
        assert answer.status_code == 422
        assert answer.json()["error"] == "../../dance.mp4: this is not a video"
        assert until(socket, "failed")["problem"] == answer.json()["error"]
    assert served.started == []


@pytest.mark.parametrize(("script", "words"), [(FAILS, "nobody is seen"), (DIES, "ended with -9")])
def test_what_goes_wrong_is_said_and_the_next_job_is_done(
    serve: Any, script: str, words: str
) -> None:
    served = serve(script)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        for key in (1, 2):
            ask(socket, key=key)
            served.send(until(socket, "uploading", key)["id"])
            assert words in until(socket, "failed", key)["problem"]


def test_one_at_a_time_with_places_in_the_queue_and_a_cancelled_one_ends(serve: Any) -> None:
    served = serve(SLEEPS)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        for key in (1, 2, 3):
            ask(socket, key=key)
            served.send(until(socket, "uploading", key)["id"])
        while until(socket, "waiting", 3)["before"] != 2:
            LAST.clear()
        assert len(workers()) <= 1
        (page,) = served.jobs.pages
        first = next(job for job in served.jobs.told(page) if job["key"] == 1)
        socket.send_json({"cancel": first["id"]})
        until(socket, "cancelled", 1)
        assert until(socket, "running", 2)["files"] == []
        assert len(served.started) == 2


def test_a_closed_page_leaves_no_process_and_no_file(serve: Any, temporary: Path) -> None:
    served = serve(SLEEPS)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket)
        served.send(until(socket, "uploading")["id"])
        while until(socket, "running")["stage"] != "asleep":
            LAST.clear()
        assert workers()
    no_workers()
    (page,) = temporary.glob("dance-page-*")
    wait_until(lambda: [path.name for path in page.iterdir()] == [OWNER])


def test_the_end_of_the_server_ends_its_job(temporary: Path) -> None:
    async def serve_and_end() -> int | None:
        jobs = Jobs(lambda job: [sys.executable, "-S", "-c", SLEEPS], print, PageConfig())
        async with jobs.serving():
            job = jobs.add(Page(), {"kind": "analyze", "files": [["a.mp4", 5]]})
            await jobs.arrived(job, 0)
            while job.stage != "asleep":
                await asyncio.sleep(0.02)
        assert job.process is not None
        return job.process.returncode

    assert asyncio.run(serve_and_end()) == -9
    assert not list(temporary.glob("dance-page-*"))


def test_the_end_of_the_server_ends_all_its_jobs_though_few_are_kept(temporary: Path) -> None:
    async def serve_and_end() -> list[str]:
        jobs = Jobs(
            lambda job: [sys.executable, "-S", "-c", SLEEPS], print, PageConfig(most_kept=1)
        )
        async with jobs.serving():
            asked = [
                jobs.add(Page(), {"kind": "analyze", "files": [["a.mp4", 5]]}) for _ in range(4)
            ]
        return [job.state for job in asked]

    assert asyncio.run(serve_and_end()) == ["cancelled"] * 4


def test_what_a_killed_server_left_is_removed_and_no_other(serve: Any, temporary: Path) -> None:
    owners = {"dead": identity().replace(f":{os.getpid()}:", ":4194304:"), "live": identity()}
    owners |= {"elsewhere": "host:1:2", "odd": "words"}
    for name, owner in owners.items():
        (temporary / f"dance-page-{name}").mkdir()
        (temporary / f"dance-page-{name}" / OWNER).write_text(owner)
    serve(DONE)
    left = {path.name.removeprefix("dance-page-") for path in temporary.glob("dance-page-*")}
    assert len(left) == 4
    assert left & owners.keys() == {"live", "elsewhere", "odd"}


def test_what_is_too_much_is_refused(serve: Any) -> None:
    served = serve(SLEEPS, most_video_mb=0.001, most_open=1)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket, files=[["long.mp4", 2000]])
        ask(socket, kind="paint")
        ask(socket, person="all", kind="compare")
        ask(socket, files=[])
        problems = []
        while len(problems) < 4:
            told = socket.receive_json()
            problems += [told["problem"]] if "problem" in told else []
        assert problems[0].startswith("long.mp4: the video is larger than 0.001 MB")
        ask(socket, key=2)
        job = until(socket, "uploading", 2)
        ask(socket, key=3)
        while "problem" not in (told := socket.receive_json()):
            pass
        assert (told["key"], told["problem"][:4]) == (3, "enou")
        assert served.send(job["id"], content=bytes(2000)).status_code == 413
        assert served.client.post("/about", content=bytes(5000), headers=VIDEO).status_code == 413


def test_only_the_newest_results_are_kept(serve: Any) -> None:
    served = serve(DONE, most_kept=1)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ids = []
        for key in (1, 2):
            ask(socket, key=key)
            ids.append(until(socket, "uploading", key)["id"])
            served.send(ids[-1])
            until(socket, "done", key)
    assert served.client.get(f"/result/{ids[0]}/video.html").status_code == 404
    assert served.client.get(f"/result/{ids[1]}/video.html").status_code == 200


def test_a_job_that_was_asked_for_first_and_ends_last_is_kept(serve: Any) -> None:
    served = serve(DONE, most_kept=1)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ids = []
        for key in (1, 2):  # the first is still being sent while the second is done
            ask(socket, key=key)
            ids.append(until(socket, "uploading", key)["id"])
        served.send(ids[1])
        until(socket, "done", 2)
        served.send(ids[0])
        wait_until(lambda: served.client.get(f"/result/{ids[0]}/video.html").status_code == 200)
    assert served.client.get(f"/result/{ids[1]}/video.html").status_code == 404


def test_an_archive_that_could_not_be_written_is_made_again(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(DONE)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket)
        job = until(socket, "uploading")["id"]
        served.send(job)
        until(socket, "done")
    write = zipfile.ZipFile.write

    def full(archive: zipfile.ZipFile, path: Path, *more: Any) -> None:
        if Path(path).suffix == ".html":
            raise OSError(28, "No space left on device")
        write(archive, path, *more)

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "write", full)
        answer = served.client.get(f"/archive/{job}")
        assert (answer.status_code, "disk full" in answer.text) == (507, True)
    content = served.client.get(f"/archive/{job}").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {"deep/1.json", "video.html"} <= set(archive.namelist())


def test_jobs_without_results_push_none_out(serve: Any) -> None:
    served = serve(DONE, most_kept=1)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket, key=1)
        first = until(socket, "uploading", 1)["id"]
        served.send(first)
        until(socket, "done", 1)
        for key in (2, 3):
            ask(socket, key=key)
            socket.send_json({"cancel": until(socket, "uploading", key)["id"]})
            until(socket, "cancelled", key)
    assert served.client.get(f"/result/{first}/video.html").status_code == 200


def test_a_full_disk_of_temporary_files_is_said(serve: Any, monkeypatch: Any) -> None:
    served = serve(DONE)

    def full(path: Path, *arguments: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", full)
            ask(socket, key=1)
            while "problem" not in (told := socket.receive_json()):
                pass
        assert "No space left on device" in told["problem"]
        ask(socket, key=2)
        until(socket, "uploading", 2)


def test_another_site_cannot_upload(serve: Any) -> None:
    served = serve(DONE)
    with served.client.websocket_connect(f"{WS}/jobs") as socket:
        ask(socket)
        job = until(socket, "uploading")
        assert served.send(job["id"], origin="http://evil.example").status_code == 403
        form = {"content-type": "text/plain"}
        answer = served.client.post(f"/upload?job={job['id']}&part=0", content=b"x", headers=form)
        assert answer.status_code == 415


def test_the_upload_of_a_cancelled_job_ends(temporary: Path) -> None:
    """The rest of a video that nobody waits for is not taken, whatever its length."""
    jobs = Jobs(lambda job: ["true"], print, PageConfig())
    app = make_app(Live(None, ()), jobs)  # type: ignore[arg-type]
    answers: list[Any] = []

    async def upload() -> None:
        async with jobs.serving():
            job = jobs.add(Page(), {"kind": "analyze", "files": [["a.mp4", 5]]})
            sent = 0

            async def receive() -> dict[str, Any]:
                nonlocal sent
                sent += 1
                if sent == 3:
                    jobs.cancel(job.id)
                if sent > 3:  # a client that has nothing to send at the moment
                    await asyncio.sleep(30)
                return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

            async def send(message: Any) -> None:
                answers.append(message)

            scope = {
                "type": "http", "method": "POST", "path": UPLOAD, "scheme": "http",
                "query_string": f"job={job.id}&part=0".encode(), "http_version": "1.1",
                "headers": [(b"host", b"127.0.0.1"), (b"content-type", VIDEO_TYPE.encode())],
                "server": ("127.0.0.1", 80), "root_path": "",
            }  # fmt: skip
            await asyncio.wait_for(app(scope, receive, send), 10)

    asyncio.run(upload())
    assert answers[0]["status"] == 409
    assert (b"connection", b"close") in answers[0]["headers"]
    assert b"ended" in answers[1]["body"]


def test_a_message_that_is_none_closes_the_page(serve: Any) -> None:
    served = serve(DONE)
    for text in ("no json", json.dumps([1]), json.dumps({"kind": [], "files": 3})):
        with served.client.websocket_connect(f"{WS}/jobs") as socket:
            socket.send_text(text)
        assert served.client.get("/about").status_code == 200
