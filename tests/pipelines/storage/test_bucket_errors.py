"""What a command says of a server that is away, hangs, or wants another region; and how soon."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bucket
import pytest

from dance_models.errors import InputError
from pipelines.storage.bucket import Bucket

LISTING = (
    b"<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated>"
    b"</ListBucketResult>"
)
SKEW = "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message>"
MALFORMED = (
    "<Error><Code>AuthorizationHeaderMalformed</Code>"
    "<Message>Authorization header malformed, unexpected scope</Message>{}</Error>"
)


@pytest.fixture(autouse=True)
def own_clients() -> Iterator[None]:
    """Those of other tests have other servers."""
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    yield
    S3FileSystem.clear_instance_cache()


def _use(address: str, patch: pytest.MonkeyPatch) -> Bucket:
    for variable, value in bucket.variables(address).items():
        patch.setenv(variable, value)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return Bucket.of("s3://b/a")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A server that takes connections, and neither reads nor answers."""
    monkeypatch.setattr("pipelines.storage.bucket.ANSWER_S", 0.5)
    monkeypatch.setattr("pipelines.storage.bucket.WAIT_S", 2.0)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        yield _use(f"http://127.0.0.1:{listening.getsockname()[1]}", monkeypatch)
    finally:
        listening.close()


ASKING: dict[str, tuple[Callable[[Bucket, Path], object], str]] = {
    "list": (lambda of, path: of.listed(), "the list of objects"),
    "head": (lambda of, path: of.head("t"), "what it has of the object"),
    "put": (lambda of, path: of.put("t", path), "that it has the object"),
    "get": (lambda of, path: of.get("t", path.with_name("got")), "the object"),
    "delete": (lambda of, path: of.delete(["t"]), "that the object is deleted"),
}


@pytest.mark.parametrize("what", ASKING)
def test_a_server_that_never_answers_is_given_up_and_named(
    silent: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # of an object that is fetched
    monkeypatch.setattr("pipelines.storage.bucket.SLOWEST", 1e9)
    path = tmp_path / "table"
    path.write_bytes(bytes(20_000_000))  # more than the buffers between hold
    ask, answer = ASKING[what]
    began = time.monotonic()
    with pytest.raises(InputError) as told:
        ask(silent, path)
    assert time.monotonic() - began < 12
    assert re.search(
        rf"the server http://127\.0\.0\.1:\d+ did not send {answer}: waited \d+ s", str(told.value)
    )
    assert "AWS_ENDPOINT_URL" in str(told.value)


def test_a_listing_ends_within_the_time_that_a_sensor_has(
    silent: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.storage.bucket.ANSWER_S", 15)
    monkeypatch.setattr("pipelines.storage.bucket.WAIT_S", 60)
    began = time.monotonic()
    with pytest.raises(InputError, match="did not send the list of objects: waited 1 s"):
        silent.listed(within_s=1)
    assert time.monotonic() - began < 5


def test_a_server_that_is_off_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    place = _use(f"http://127.0.0.1:{port}", monkeypatch)
    with pytest.raises(InputError, match=rf"server http://127\.0\.0\.1:{port} cannot be reached"):
        place.listed()


@contextmanager
def _answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """A server that answers every request by the region that it is signed for."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            signed = re.search(r"Credential=[^/]*/\d+/([^/]*)/", self.headers["Authorization"])
            status, body = answer(signed[1] if signed else "")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()


def test_a_region_that_the_answer_names_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = MALFORMED.format("<Region>eu-west-1</Region>").encode()
    with _answering(lambda r: (200, LISTING) if r == "eu-west-1" else (400, wrong)) as address:
        assert _use(address, monkeypatch).listed() == {}


REDIRECTED = b"<Error><Code>PermanentRedirect</Code><Message>Use another endpoint</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, MALFORMED.format("").encode(), "unexpected scope"),
        (301, REDIRECTED, "elsewhere"),
    ],
)
def test_a_wrong_region_is_named(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, reason: str
) -> None:
    with _answering(lambda region: (status, body)) as address:
        place = _use(address, monkeypatch)
        with pytest.raises(
            InputError,
            match=rf"server {address} takes .* region 'us-east-1': .*{reason}.* AWS_DEFAULT_REGION",
        ):
            place.listed()


def test_a_region_that_is_no_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    place = _use("http://127.0.0.1:1", monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu west 1")
    with pytest.raises(InputError, match=r"none can have: .*'eu west 1'.*AWS_DEFAULT_REGION"):
        place.listed()


def test_a_clock_that_is_wrong_is_no_missing_right(monkeypatch: pytest.MonkeyPatch) -> None:
    with _answering(lambda region: (403, f"{SKEW}</Error>".encode())) as address:
        place = _use(address, monkeypatch)
        with pytest.raises(InputError, match=r"the clocks .* differ\. Set the clock"):
            place.listed()


def test_what_is_secret_in_the_address_of_a_server_is_not_shown(
    silent: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    address = os.environ["AWS_ENDPOINT_URL"].replace("//", "//who:hidden@")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(InputError) as told:
        silent.listed()
    assert "hidden" not in str(told.value)
