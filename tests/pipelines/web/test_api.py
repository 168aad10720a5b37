"""The API over HTTP, without a port: answers, limits, and errors that say what is wrong."""

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from dance_models.config import ServingConfig
from dance_models.errors import VideoError
from dance_models.serving.models import Served, served_networks
from dance_models.serving.tracks import refine_track, track_of
from dance_models.serving.video import StoppedError, TookTooLongError
from dance_models.skeleton import DANCE_14
from dance_models.training.synthetic import synthetic_runs
from pipelines.web.api import MEDIA_TYPES, make_api
from pipelines.web.api_models import Forecasts, Refined
from pipelines.web.guard import guarded

OWN = "http://127.0.0.1:8000"
LIMITS = ServingConfig(most_body_mb=0.1, most_video_mb=0.001, most_frames=60)


@dataclass
class Video:
    """Answers as the analysis of a video would."""

    answer: Callable[[bytes], dict[str, Any]] = field(default=lambda body: {"bytes": len(body)})
    stopped: Callable[[], bool] = bool

    def analysis(self, video: Path, folder: Path, stopped: Callable[[], bool]) -> dict[str, Any]:
        assert folder in video.parents
        self.stopped = stopped
        return self.answer(video.read_bytes())


@pytest.fixture(scope="module")
def served() -> Served:
    return served_networks({})


def client(
    served: Served, video: Video | None = None, limits: ServingConfig = LIMITS
) -> TestClient:
    app = make_api(served, video or Video(), limits)  # type: ignore[arg-type]
    return TestClient(guarded(app, (), MEDIA_TYPES), OWN, raise_server_exceptions=False)


def request(frames: int = 40) -> dict[str, Any]:
    points = synthetic_runs(1, frames)[0].estimate.round(2)
    body: dict[str, Any] = {"keypoints": points.tolist(), "fps": 30}
    body["keypoints"][3][5] = None
    return body


def test_a_track_is_refined(served: Served) -> None:
    body = request()
    answer = client(served).post("/v1/refine", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    body["keypoints"][3][5] = [None, None]
    wanted = refine_track(served.networks.refiner, track_of(body["keypoints"], fps=30))
    np.testing.assert_allclose(found["keypoints"], wanted, atol=0.006)
    assert found["units"] == "pixels"
    assert found["joints"] == list(DANCE_14.names)
    assert found["time_s"][:2] == [0, 0.033333]
    assert "rendered" in found["models"]["recognition"]


def test_a_track_is_forecast(served: Served) -> None:
    found = client(served).post("/v1/forecast", json=request()).json()
    assert found["ahead_ms"] == [40, 80, 120, 160, 200, 240, 280, 320, 360, 400]
    (one,) = found["forecasts"]
    assert (one["frame"], np.shape(one["keypoints"])) == (39, (10, 14, 2))
    every = client(served).post("/v1/forecast", json={**request(), "after": "every"}).json()
    assert [f["frame"] for f in every["forecasts"]] == [33, 36, 39]


def test_answers_are_as_the_openapi_document_says(served: Served) -> None:
    """A client that is generated from the document refuses an answer with a null too many."""
    api, body = client(served), request()
    for frame in body["keypoints"]:
        frame[5] = None  # of no frame: nothing is made up for it
    refined = api.post("/v1/refine", json=body)
    assert Refined.model_validate_json(refined.text).keypoints[0][5] is None
    forecast = api.post("/v1/forecast", json=body)
    assert Forecasts.model_validate_json(forecast.text).forecasts[0].keypoints[0][5] is None
    described = api.get("/openapi.json").json()["paths"]
    for path in ("/v1/refine", "/v1/forecast"):
        answer = api.post(path, content=b"\xff", headers={"content-type": "application/json"})
        assert str(answer.status_code) in described[path]["post"]["responses"]
        assert answer.json()["error"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"fps": None}, "Give either fps or time_s"),
        ({"fps": "fast"}, "fps: Input should be a valid number"),
        ({"framerate": 30}, "framerate: Extra inputs are not permitted"),
        ({"keypoints": [[[1, 2]]] * 3}, "keypoints have the shape [3, 1, 2]"),
        ({"keypoints": [[[0, 0]] * 14] * 61}, "the track has 61 frames"),
        ({"scores": [[2.0] * 14] * 40}, "a score is not between 0 and 1"),
        ({"joints": "toes"}, "joints: Input should be 'annotation' or 'estimator'"),
    ],
)
def test_an_unusable_track_is_a_422_that_says_why(
    served: Served, changes: dict[str, Any], error: str
) -> None:
    answer = client(served).post("/v1/refine", json={**request(), **changes})
    assert answer.status_code == 422
    assert error in answer.json()["error"]


def test_an_error_names_frame_and_joint(served: Served) -> None:
    body = request()
    body["keypoints"][7][2] = [1e7, 0]
    answer = client(served).post("/v1/forecast", json=body)
    assert answer.status_code == 422
    found = answer.json()
    assert (found["frame"], found["joint"]) == (7, DANCE_14.names[2])


def test_bodies_that_are_no_json_or_too_large_are_refused(served: Served) -> None:
    api, head = client(served), {"content-type": "application/json"}
    assert api.post("/v1/refine", content="{not", headers=head).status_code == 422
    assert api.post("/v1/refine", content="x" * 100_001, headers=head).status_code == 413
    parts = iter([b"x" * 60_000] * 2)  # without a stated length
    answer = api.post("/v1/refine", content=parts, headers=head)
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "the body is larger than 0.1 MB"},
    )
    deep = "[" * 40_000
    assert api.post("/v1/refine", content=deep, headers=head).status_code in {400, 422}


def test_only_its_own_names_pages_and_types_are_answered(served: Served) -> None:
    api = client(served)
    assert api.get("/health", headers={"host": "evil.example"}).status_code == 400
    far = {"origin": "http://evil.example"}
    assert api.post("/v1/refine", json=request(), headers=far).status_code == 403
    typed = {"content-type": "text/plain"}
    assert api.post("/v1/video", content=b"x", headers=typed).status_code == 415


@pytest.mark.parametrize("path", ["/v1/refine", "/v1/forecast", "/v1/video"])
def test_a_compressed_body_is_refused_with_what_to_do(served: Served, path: str) -> None:
    """Its bytes were taken for JSON, or for a video, that is damaged."""
    body = gzip.compress(json.dumps(request()).encode())
    kind = "video/mp4" if path == "/v1/video" else "application/json"
    head = {"content-type": kind, "content-encoding": "gzip"}
    answer = client(served).post(path, content=body, headers=head)
    assert answer.status_code == 415
    assert answer.text == (
        "The body is compressed (Content-Encoding: gzip), which is not read; send it as it is, "
        "without that header\n"
    )


def test_a_video_is_analyzed(served: Served) -> None:
    head = {"content-type": "video/mp4"}
    answer = client(served).post("/v1/video", content=b"film", headers=head)
    assert (answer.status_code, answer.json()) == (200, {"bytes": 4})
    answer = client(served).post("/v1/video", content=b"x" * 1001, headers=head)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (VideoError("this is no video", file="/tmp/secret/video.mp4"), 422),
        (TookTooLongError("only 3 frames were done within 1 s"), 503),
        (RuntimeError("/home/secret"), 500),
    ],
)
def test_a_video_that_fails_says_why_without_names_of_files(
    served: Served, error: Exception, status: int
) -> None:
    def fail(_: bytes) -> dict[str, Any]:
        raise error

    answer = client(served, Video(fail)).post(
        "/v1/video", content=b"film", headers={"content-type": "video/mp4"}
    )
    assert answer.status_code == status
    assert "secret" not in answer.text
    assert answer.json()["error"]


def test_a_second_video_is_told_to_come_back(served: Served) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: bytes) -> dict[str, Any]:
        begun.set()
        go_on.wait(20)
        return {}

    head = {"content-type": "video/mp4"}
    with client(served, Video(slow)) as api, ThreadPoolExecutor(1) as other:
        first = other.submit(api.post, "/v1/video", content=b"film", headers=head)
        assert begun.wait(20)
        second = api.post("/v1/video", content=b"film", headers=head)
        go_on.set()
        assert first.result().status_code == 200
    assert (second.status_code, second.headers["retry-after"]) == (503, "5")


async def leave(app: ASGIApp, path: str, body: bytes, when: Callable[[], bool] | None) -> int:
    """Send a body and leave once ``when`` holds, None: before its end. The status of the answer."""
    kind = b"video/mp4" if path == "/v1/video" else b"application/json"
    head = [(b"host", b"127.0.0.1:8000"), (b"content-type", kind)]
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"", "headers": head,
        "scheme": "http", "server": ("127.0.0.1", 8000), "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    messages = [{"type": "http.request", "body": body, "more_body": when is None}]
    status = 0

    async def receive() -> Message:
        if messages:
            return messages.pop()
        while when is not None and not when():
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


def test_an_upload_that_is_broken_off_is_no_fault_of_the_server(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    api = client(served)
    assert asyncio.run(leave(api.app, "/v1/refine", b'{"fp', None)) in {400, 499}
    assert asyncio.run(leave(api.app, "/v1/video", b"fi", None)) == 499
    assert 'dance_requests_total{path="/v1/video",status="499"} 1.0' in api.get("/metrics").text
    assert not caplog.records
    head = {"content-type": "video/mp4"}
    assert api.post("/v1/video", content=b"film", headers=head).status_code == 200


def test_the_work_on_a_video_ends_with_its_client_and_frees_its_place(served: Served) -> None:
    begun, ended = threading.Event(), threading.Event()

    def slow(body: bytes) -> dict[str, Any]:
        if body == b"next":
            return {"ended": ended.is_set()}
        begun.set()
        deadline = monotonic() + 5
        while not video.stopped() and monotonic() < deadline:
            sleep(0.01)
        ended.set()
        raise StoppedError

    video = Video(slow)
    api = client(served, video)
    began = monotonic()
    assert asyncio.run(leave(api.app, "/v1/video", b"film", begun.is_set)) == 499
    assert monotonic() - began < 4
    head = {"content-type": "video/mp4"}
    answer = api.post("/v1/video", content=b"next", headers=head)
    assert answer.json() == {"ended": True}  # one at a time also then


def test_a_track_that_waits_is_not_begun_once_its_client_has_left(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[int]()

    def slow(*_: Any) -> NDArray[np.float32]:
        begun.set()
        go_on.wait(20)
        done.append(1)
        return np.zeros((1, 14, 2), np.float32)

    monkeypatch.setattr("dance_models.serving.tracks.refine_track", slow)
    app = client(served, limits=replace(LIMITS, workers=1)).app
    body = json.dumps(request()).encode()

    async def two() -> tuple[int, int]:
        first = asyncio.create_task(leave(app, "/v1/refine", body, lambda: len(done) == 9))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        second = await leave(app, "/v1/refine", body, begun.is_set)
        go_on.set()
        return await first, second

    assert asyncio.run(two()) == (200, 499)
    assert done == [1]


def test_what_takes_too_long_is_given_up(served: Served) -> None:
    answer = client(served, limits=ServingConfig(track_s=0.0)).post("/v1/refine", json=request())
    assert answer.status_code == 503
    assert "within 0 s" in answer.json()["error"]


def test_it_says_how_it_is_and_counts(served: Served) -> None:
    api = client(served)
    assert api.get("/health").json()["status"] == "ok"
    api.post("/v1/refine", json={})
    api.get("/anything")
    text = api.get("/metrics").text
    assert 'dance_requests_total{path="/health",status="200"} 1.0' in text
    assert 'dance_errors_total{path="/v1/refine"} 1.0' in text
    assert 'dance_requests_total{path="other",status="404"} 1.0' in text
    assert 'dance_request_seconds_count{path="/health"} 1.0' in text


def test_it_describes_itself_and_its_pages_load_nothing_from_elsewhere(served: Served) -> None:
    api = client(served)
    described = api.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/refine", "/v1/forecast", "/v1/video", "/health", "/metrics",
    }  # fmt: skip
    assert "left_ankle" in json.dumps(described)
    assert api.get("/docs").status_code == 404
