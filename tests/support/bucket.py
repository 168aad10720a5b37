"""An S3 server in this process for the tests, and stores that lie in it."""

import json
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dance_models.errors import InputError
from pipelines.storage.bucket import Bucket
from pipelines.storage.remote import NOTE

# The kinds of stores: ``@folder_and_bucket`` runs a test that asks for ``place`` on each.
FOLDER, BUCKET = "folder", "bucket"
folder_and_bucket = pytest.mark.parametrize("place", [FOLDER, BUCKET], indirect=True)
NAME = "studio"


@contextmanager
def server() -> Iterator[str]:
    """A server with one empty bucket; its address. Skips where the client is not installed."""
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        running.stop()


def variables(address: str) -> dict[str, str]:
    """The environment of a client; the server takes any key."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "not-shown",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def new_url() -> str:
    """The address of a store that is not there yet, in a bucket that is."""
    from pipelines.storage.bucket import _client

    _client().call_s3("create_bucket", Bucket=NAME)
    return f"s3://{NAME}/{secrets.token_hex(4)}"


def connect(root: Path) -> str:
    """Make a folder scratch of a new store in the bucket; its address."""
    url = new_url()
    root.mkdir(parents=True, exist_ok=True)
    (root / NOTE).write_text(json.dumps({"url": url}))
    return url


def away(place: Bucket, within_s: float | None = None) -> None:
    """In the place of a method of ``Bucket``: the server does not answer."""
    raise InputError("the server cannot be reached", file=place.url)
