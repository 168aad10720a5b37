"""What the web server refuses, against a server that takes everything."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipelines.web.guard import guarded

OWN = "http://127.0.0.1:3000"
MUTATION = "mutation { terminateRuns(runIds: []) { __typename } }"
JSON = {"content-type": "application/json"}


async def taken(request: Request) -> PlainTextResponse:
    return PlainTextResponse("taken")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("taken")
    await websocket.close()


def client(*allowed: str, base: str = OWN) -> TestClient:
    app = Starlette(
        routes=[
            Route("/graphql", taken, methods=["GET", "POST"]),
            Route("/report_asset_materialization/x", taken, methods=["POST"]),
            Route("/", taken),
            WebSocketRoute("/graphql", socket),
        ]
    )
    return TestClient(guarded(app, allowed), base_url=base)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:3000", 200),
        ("localhost:3000", 200),
        ("dance.example", 200),
        ("evil.example:3000", 400),
        ("127.0.0.1.evil.example", 400),
        ("dance.example.evil.example", 400),
    ],
)
def test_only_the_names_of_the_server_are_answered(host: str, status: int) -> None:
    answer = client("dance.example").get("/", headers={"host": host})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("{ version }", 200),
        (MUTATION, 405),
        ("query a { version } " + MUTATION, 405),
        ("subscription { x }", 405),
        ("# a comment\n" + MUTATION, 405),
        ("{ not closed", 200),  # Dagster answers what is wrong with it
    ],
)
def test_get_only_reads(query: str, status: int) -> None:
    assert client().get("/graphql", params={"query": query}).status_code == status


def test_a_mutation_hidden_behind_another_query_parameter_is_found() -> None:
    answer = client().get("/graphql", params=[("query", "{ version }"), ("query", MUTATION)])
    assert answer.status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON, 200),  # no browser
        ({**JSON, "origin": OWN, "sec-fetch-site": "same-origin"}, 200),
        ({**JSON, "content-type": "application/json; charset=utf-8", "origin": OWN}, 200),
        ({**JSON, "origin": "http://evil.example"}, 403),
        ({**JSON, "origin": "http://127.0.0.1:5000"}, 403),  # another server of this machine
        ({**JSON, "origin": "null"}, 403),
        ({**JSON, "sec-fetch-site": "cross-site"}, 403),
        ({**JSON, "sec-fetch-site": "same-site"}, 403),
        # What a page may send without asking the server first.
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "text/plain; application/json"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({}, 415),
        ({**JSON, "content-encoding": "identity"}, 200),
        ({**JSON, "content-encoding": "gzip"}, 415),
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/x"])
def test_changes_come_from_the_servers_own_page_or_from_a_program(
    path: str, headers: dict[str, str], status: int
) -> None:
    answer = client().post(path, content=b"{}", headers=headers)
    assert answer.status_code == status


def test_behind_a_proxy_the_pages_origin_is_the_public_name() -> None:
    served = client("dance.example", base="http://dance.example")
    headers = {**JSON, "origin": "https://dance.example", "sec-fetch-site": "same-origin"}
    assert served.post("/graphql", content=b"{}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [({}, True), ({"origin": OWN}, True), ({"origin": "http://evil.example"}, False)],
)
def test_websockets_are_checked_alike(headers: dict[str, Any], accepted: bool) -> None:
    served = client()
    if accepted:
        with served.websocket_connect(
            "ws://127.0.0.1:3000/graphql", headers=headers
        ) as open_socket:
            assert open_socket.receive_text() == "taken"
    else:
        with (
            pytest.raises(WebSocketDisconnect),
            served.websocket_connect("ws://127.0.0.1:3000/graphql", headers=headers),
        ):
            pass


def test_no_page_is_shown_in_a_frame() -> None:
    assert client().get("/").headers["x-frame-options"] == "DENY"
