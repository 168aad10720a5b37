"""``dance serve api`` as a process: many clients at once, and SIGTERM."""

import signal

import pytest
from api_load import loaded, running_api


@pytest.mark.e2e
def test_fifty_clients_are_answered_and_sigterm_ends_it() -> None:
    with running_api() as (url, server):
        found = loaded(url, clients=50, seconds=3)
        assert found.errors == 0, found.line()
        assert found.status[200] >= 50
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in {0, -signal.SIGTERM}
