"""What Dagster's web server refuses: requests that another site makes through a browser.

Dagster has no login. It takes GraphQL mutations by GET and by forms, under any host name. Any page
that is open in the operator's browser could start runs with that, by a link to the server
(cross-site request forgery) or by a host name of its own that points to this machine (DNS
rebinding). The guard lets through what Dagster's own pages, and programs that are no browser, send.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dance_models.text import printable

JSON: Final = "application/json"
LOOPBACK: Final = ("127.0.0.1", "localhost")
# Methods that change nothing, except where GraphQL is asked to.
READING: Final = ("GET", "HEAD", "OPTIONS")
OWN_SITE: Final = ("same-origin", "none")  # none: typed by the person


def guarded(
    app: ASGIApp, allowed_hosts: Sequence[str] = (), media_types: Sequence[str] = (JSON,)
) -> ASGIApp:
    """``app`` behind the guard; ``allowed_hosts`` are names beside those of this machine.

    ``media_types`` are what may be posted. None of them may be one that a page of another site can
    send without asking: text/plain and the two of forms.
    """
    hosts = [*LOOPBACK, *allowed_hosts]
    own = OwnSiteOnly(app, media_types)
    return TrustedHostMiddleware(own, allowed_hosts=hosts, www_redirect=False)


class OwnSiteOnly:
    """Refuses changes that come from other sites; the host name was checked before."""

    def __init__(self, app: ASGIApp, media_types: Sequence[str] = (JSON,)) -> None:
        self.app, self.media_types = app, media_types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong with it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        wrong = refusal(scope, self.media_types)
        if wrong is None:
            await self.app(scope, receive, _without_frames(send))
        elif scope["type"] == "websocket":  # closed before it is accepted: a 403
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": wrong[1]})
        else:
            status, reason = wrong
            await PlainTextResponse(f"{reason}\n", status)(scope, receive, send)


def refusal(scope: Scope, media_types: Sequence[str] = (JSON,)) -> tuple[int, str] | None:
    """Status and reason why a request is refused, None when it is not."""
    headers = Headers(scope=scope)
    method = "WEBSOCKET" if scope["type"] == "websocket" else scope["method"]
    if method in READING:
        if str(scope["path"]).rstrip("/").endswith("/graphql") and _changes(scope):
            return 405, "GraphQL mutations and subscriptions are not taken by GET; use POST"
        return None
    if not _own_site(headers):
        return 403, "This request comes from another site; open the page of this server instead"
    why = _not_taken(headers, media_types) if method == "POST" else None
    return None if why is None else (415, why)


def _not_taken(headers: Headers, media_types: Sequence[str]) -> str | None:
    """What is wrong with the body of a request by its headers, and what to do."""
    if _media_type(headers) not in media_types:
        if tuple(media_types) == (JSON,):
            return "Send JSON, with Content-Type: application/json"
        return f"Send one of these, named as Content-Type: {', '.join(media_types)}"
    packed = headers.get("content-encoding", "").strip().lower()
    if packed in ("", "identity"):
        return None
    return (
        f"The body is compressed (Content-Encoding: {printable(packed)[:20]}), which is not read; "
        "send it as it is, without that header"
    )


def _own_site(headers: Headers) -> bool:
    """Whether a browser says that the server's own page sent it; other programs say nothing."""
    if headers.get("sec-fetch-site", "none") not in OWN_SITE:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _changes(scope: Scope) -> bool:
    """Whether the query string of a GraphQL request asks for anything but reading."""
    for query in parse_qs(scope["query_string"].decode("latin-1")).get("query", []):
        try:
            document = parse(query)
        except (GraphQLError, RecursionError):  # Dagster answers what is wrong with it
            continue
        for node in document.definitions:
            if isinstance(node, OperationDefinitionNode) and node.operation != OperationType.QUERY:
                return True
    return False


def _without_frames(send: Send) -> Send:
    """No other site may show the pages in a frame and have the person press their buttons."""

    async def send_with_header(message: Message) -> Any:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Frame-Options"] = "DENY"
        await send(message)

    return send_with_header
