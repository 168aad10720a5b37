"""The WebSocket of ``dance live`` with a chain that computes nothing."""

import asyncio
import struct
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from dance_models.config import PageConfig
from dance_models.errors import InputError
from dance_models.live.chain import ForecastError, LivePose
from dance_models.live.pictures import decode_jpeg, encode_jpeg
from pipelines.live.app import (
    IN_USE,
    LARGEST_FRAME,
    LEAST_INTERVAL_S,
    SOURCE_ENDED,
    Live,
    Newest,
    make_app,
)
from pipelines.live.jobs import Jobs

OWN, WS = "http://127.0.0.1:8765", "ws://127.0.0.1:8765"
PICTURE = encode_jpeg(np.full((120, 160, 3), 90, np.uint8))


class Fake:
    """Answers with the frame's time as the pose."""

    def __init__(self) -> None:
        self.restarts = 0
        self.nobody = False
        self.broken = ""

    def restart(self) -> None:
        self.restarts += 1

    def see(self, image: Any, time_s: float, delay_s: float = 0.0) -> LivePose:
        assert image.shape == (120, 160, 3)
        if self.broken == "raises":
            raise MemoryError("no memory")
        if self.nobody:
            return LivePose(time_s, None, None, None, None, {"estimate": 1.0})
        pose = np.full((14, 2), np.nan if self.broken else time_s, np.float32)
        curve = np.stack([pose] * 11)
        error = ForecastError(delay_s, 2.0, 3.0)
        return LivePose(time_s, pose, np.ones(14, np.float32), curve, error, {"estimate": 1.0})


def message(capture_ms: float = 5000.0, picture: bytes = PICTURE, shot: int = 0) -> bytes:
    return struct.pack("<ddI", capture_ms, 80.0, shot) + picture


@pytest.fixture
def live() -> Live:
    return Live(Fake(), ((0, 1),))  # type: ignore[arg-type]


@pytest.fixture
def client(live: Live) -> Iterator[TestClient]:
    with TestClient(
        make_app(live, Jobs(lambda job: [], print, PageConfig())), base_url=OWN
    ) as session:
        yield session


def test_a_frame_gives_its_pose_and_its_own_time_back(client: TestClient) -> None:
    with client.websocket_connect(f"{WS}/live") as socket:
        socket.send_bytes(message())
        answer = socket.receive_json()
    assert answer["capture"] == 5000.0
    assert answer["pose"][13] == [5.0, 5.0]
    assert len(answer["curve"]) == 11
    assert answer["error"] == [80.0, 2.0, 3.0]
    assert answer["size"] == [160, 120]
    assert set(answer["stages"]) == {"wait", "decode", "estimate"}


def test_another_shot_begins_anew(client: TestClient, live: Live) -> None:
    with client.websocket_connect(f"{WS}/live") as socket:
        for shot, restarts in ((0, 0), (1, 1), (1, 1), (2, 2)):
            time.sleep(2 * LEAST_INTERVAL_S)
            socket.send_bytes(message(shot=shot))
            assert socket.receive_json()["shot"] == shot
            assert live.chain.restarts == restarts  # type: ignore[attr-defined]


def test_nobody_is_no_pose(client: TestClient, live: Live) -> None:
    live.chain.nobody = True  # type: ignore[attr-defined]
    with client.websocket_connect(f"{WS}/live") as socket:
        socket.send_bytes(message())
        assert socket.receive_json()["pose"] is None


@pytest.mark.parametrize("broken", ["raises", "no numbers"])
def test_a_fault_in_one_frame_is_said_and_the_next_one_is_used(
    client: TestClient, live: Live, broken: str
) -> None:
    """The page got no answer any more, and nothing said why."""
    with client.websocket_connect(f"{WS}/live") as socket:
        live.chain.broken = broken  # type: ignore[attr-defined]
        socket.send_bytes(message())
        assert "this frame could not be looked at" in socket.receive_json()["problem"]
        live.chain.broken = ""  # type: ignore[attr-defined]
        time.sleep(2 * LEAST_INTERVAL_S)
        socket.send_bytes(message(6000.0))
        assert socket.receive_json()["capture"] == 6000.0


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (message(picture=b"no picture"), "not a JPEG"),
        (message(picture=PICTURE[:200]), "JPEG"),
        (message(capture_ms=float("nan")), "no time"),
        (b"short", "too large or empty"),
        (bytes(LARGEST_FRAME + 1), "too large or empty"),
        (message(picture=encode_jpeg(np.zeros((8, 8, 3), np.uint8))), "8x8"),
    ],
    ids=("no picture", "cut off", "no time", "short", "too large", "small"),
)
def test_a_bad_frame_is_said_and_the_next_one_is_used(
    client: TestClient, bad: bytes, words: str
) -> None:
    with client.websocket_connect(f"{WS}/live") as socket:
        socket.send_bytes(bad)
        assert words in socket.receive_json()["problem"]
        time.sleep(2 * LEAST_INTERVAL_S)
        socket.send_bytes(message())
        assert socket.receive_json()["pose"]


def test_one_page_at_a_time_and_a_closed_one_makes_room(client: TestClient, live: Live) -> None:
    with client.websocket_connect(f"{WS}/live") as first:
        first.send_bytes(message())
        first.receive_json()
        with client.websocket_connect(f"{WS}/live") as second:
            with pytest.raises(WebSocketDisconnect) as closed:
                second.receive_json()
            assert closed.value.code == IN_USE
    with client.websocket_connect(f"{WS}/live") as third:
        third.send_bytes(message())
        assert third.receive_json()["pose"]
    assert live.chain.restarts >= 1  # type: ignore[attr-defined]


def test_another_site_gets_nothing(client: TestClient) -> None:
    for address in ("/live", "/camera"):
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect(WS + address, headers={"origin": "http://evil.example"}),
        ):
            pass
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    for address in ("/", "/live.js", "/jobs.js", "/live.css", "/about"):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    assert "https://" not in client.get("/").text


def test_the_servers_pictures_come_and_their_end_is_said(client: TestClient, live: Live) -> None:
    def pictures() -> Iterator[tuple[bytes, bool]]:
        yield PICTURE, True
        raise InputError("--camera 3: it gives no more pictures")

    live.source = pictures
    with client.websocket_connect(f"{WS}/camera") as socket:
        assert socket.receive_json() == {"shot": "begins"}
        assert socket.receive_bytes() == PICTURE
        assert "no more pictures" in socket.receive_json()["problem"]
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_bytes()
    assert closed.value.code == SOURCE_ENDED


def test_a_new_frame_replaces_the_one_that_waits() -> None:
    async def both() -> tuple[bytes, int]:
        newest = Newest()
        newest.put(b"old")
        newest.put(b"new")
        return (await newest.take())[0], newest.replaced

    assert asyncio.run(both()) == (b"new", 1)


def test_a_picture_is_read_as_it_was_written() -> None:
    assert np.abs(decode_jpeg(PICTURE).astype(int) - 90).max() <= 2
