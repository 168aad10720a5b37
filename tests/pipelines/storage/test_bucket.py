"""Fetching large objects of a bucket."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bucket
import pytest

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
