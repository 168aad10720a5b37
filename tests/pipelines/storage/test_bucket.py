"""Large objects of a bucket, and servers that list it without an end."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bucket
import pytest

from dance_models.errors import InputError
from pipelines.storage import bucket as bucket_module
from pipelines.storage.bucket import Bucket

SIZE = 100_000


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A server with one object, which is replaced after the first request."""
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    from s3fs import S3FileSystem

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            part = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            size = int(part[2]) - int(part[1]) + 1 if part else SIZE
            self.send_response(206 if part else 200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write((b"1" if len(asked) == 1 else b"2") * size)

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    for variable, value in bucket.variables(f"http://127.0.0.1:{listening.server_port}").items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(S3FileSystem, "default_block_size", SIZE // 20)  # larger ones are in parts
    S3FileSystem.clear_instance_cache()
    yield Bucket.of("s3://b/a")
    S3FileSystem.clear_instance_cache()
    listening.shutdown()
    listening.server_close()


def test_a_large_object_is_of_one_version(replaced: Bucket, tmp_path: Path) -> None:
    replaced.get("t", tmp_path / "t")
    content = (tmp_path / "t").read_bytes()
    assert len(content) == SIZE
    assert set(content) == set(b"1")


def test_a_large_registry_replaces_only_what_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: str
) -> None:
    """The client sends what is larger than 64 MB in parts, and whatever was there before."""
    monkeypatch.setattr("pipelines.storage.bucket.IN_MEMORY", 10)
    path, place = tmp_path / "registry", Bucket.of(bucket.new_url())
    path.write_bytes(b"1" * 100)
    first, _ = place.put("registry", path, None)
    path.write_bytes(b"2" * 100)
    place.put("registry", path, first.etag)
    path.write_bytes(b"3" * 100)
    for was in (first.etag, None):
        with pytest.raises(InputError, match="another"):
            place.put("registry", path, was)


def test_an_object_that_was_put_is_not_anothers_when_the_answer_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3: str
) -> None:
    """The client sends the request again, and the server refuses the second one."""
    path, place = tmp_path / "registry", Bucket.of(bucket.new_url())
    once = bucket_module._call

    def twice(request: str, *given: float, **named: object) -> object:
        if request == "put_object":
            once(request, *given, **named)
        return once(request, *given, **named)

    monkeypatch.setattr(bucket_module, "_call", twice)
    path.write_bytes(b"first")
    first, _ = place.put("registry", path, None)
    assert first == place.head("registry")
    path.write_bytes(b"second")
    second, _ = place.put("registry", path, first.etag)
    assert second == place.head("registry")
    path.write_bytes(b"third")
    with pytest.raises(InputError, match="another machine wrote this"):
        place.put("registry", path, first.etag)


def test_a_server_that_begins_its_listing_again_is_told_of(
    monkeypatch: pytest.MonkeyPatch, replaced: Bucket
) -> None:
    page = {"Name": "b", "KeyCount": 0, "IsTruncated": True, "NextContinuationToken": "again"}
    monkeypatch.setattr("pipelines.storage.bucket._call", lambda *given, **named: page)
    with pytest.raises(InputError, match="no S3 server"):
        replaced.listed()
