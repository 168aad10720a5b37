"""Connections of the servers: a client that keeps one and asks nothing, or without end, loses it.

Uvicorn waits for ever for the head of a request, and takes one of any length. Some hundred silent
connections of one client would keep all others out, and a long head the only thread busy.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 20.0  # that a client has to send the head of a request, or to begin with one
MOST_HEAD: Final = 128 * 1024  # bytes of a head; what came with its last piece may be more
_END: Final = b"connection: close\r\ncontent-length: 0\r\n\r\n"
LATE: Final = b"HTTP/1.1 408 Request Timeout\r\n" + _END
LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _END


class Connection(HttpToolsProtocol):
    """One connection, as uvicorn's, with limits on what comes before a request begins."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._between = True  # no request has begun since the last one's body ended
        self._head = 0  # bytes of the head that is coming
        self._late: asyncio.TimerHandle | None = None
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless a head gets too long."""
        if self._between:
            if self._head and self._head + len(data) > MOST_HEAD:
                self._refuse(LARGE)
                return
            self._head += len(data)
            if self._late is None:
                self._wait()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """A head is whole: what comes now is the application's, and its time, too."""
        self._between, self._head = False, 0
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A body is whole, also one that was answered before its end."""
        self._between = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._late = asyncio.get_running_loop().call_later(HEAD_S, self._refuse, LATE)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, answer: bytes) -> None:
        self._wait_no_more()
        # A WebSocket has another protocol by then.
        if self.transport.get_protocol() is self and not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
