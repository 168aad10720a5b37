"""Clients that hold connections without asking anything, and requests without end."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from pipelines.web import api_limits, connections
from pipelines.web.api_limits import Limited, received

MOST = 10  # connections
ASK = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server with the limits, in a thread."""
    monkeypatch.setattr(connections, "HEAD_S", 1.0)
    monkeypatch.setattr(api_limits, "SILENT_S", 1.0)
    app = FastAPI()

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.post("/video")
    async def video(request: Request) -> int:
        await received(request, tmp_path / "video", 60)
        return (tmp_path / "video").stat().st_size

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: Exception) -> object:
        from starlette.responses import PlainTextResponse

        assert isinstance(error, HTTPException)
        return PlainTextResponse(error.detail, error.status_code, error.headers)

    app.add_middleware(Limited, most=1_000_000, others={"/video": 10**9}, body_s=1.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(
                app, http=connections.Connection, log_level="error", limit_concurrency=MOST
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _answer(port: int, sent: bytes) -> bytes:
    with _connected(port) as client:
        client.sendall(sent)
        return client.recv(1000)


def _healthy(port: int) -> bool:
    return _answer(port, ASK + b"\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", ASK, POST + b"Content-Length: 100\r\n\r\n{"])
def test_clients_that_hold_all_connections_lose_them(port: int, sent: bytes) -> None:
    held = [_connected(port) for _ in range(MOST - 1)]
    for client in held:
        client.sendall(sent)
    time.sleep(0.3)
    assert not _healthy(port), "there is room for no more"
    answers = [client.recv(1000) for client in held]
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)
    for client in held:
        client.close()
    time.sleep(0.3)
    assert _healthy(port)


def test_a_head_without_end_is_refused(port: int) -> None:
    with _connected(port) as client:
        client.sendall(ASK + b"X: ")
        sent = 0
        with pytest.raises(OSError, match=r"reset|pipe"):
            while sent < 50_000_000:
                sent += client.send(b"a" * 100_000)
    assert _healthy(port)


def test_a_long_head_and_many_requests_of_one_connection_are_answered(port: int) -> None:
    with _connected(port) as client:
        for _ in range(5):
            client.sendall(ASK + b"X: " + b"a" * 60_000 + b"\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.3)  # together longer than one head may take
        body = b"1" * 900_000
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert b"900000" in client.recv(1000)


def test_the_whole_of_a_body_that_is_too_large_is_taken_so_that_its_client_reads_why(
    port: int,
) -> None:
    body = b"1" * 5_000_000
    with _connected(port) as client:
        client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_video_of_which_nothing_comes_is_given_up_and_a_slow_one_is_not(port: int) -> None:
    head = POST.replace(b"/echo", b"/video") + b"Content-Length: 8\r\n\r\n"
    assert b"nothing of the video came for 1 s" in _answer(port, head + b"half")
    with _connected(port) as client:
        client.sendall(head)
        for _ in range(4):
            time.sleep(0.5)
            client.sendall(b"12")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
