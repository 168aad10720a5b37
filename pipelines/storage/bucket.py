"""Objects of an S3-compatible bucket below a prefix, by ``s3fs``, with errors that say what to do.

The server is that of the AWS configuration, or of ``AWS_ENDPOINT_URL`` or
``FSSPEC_S3_ENDPOINT_URL``. Who may use it is said by the environment and AWS's own files alone:
nothing is read from the address of a store, and nothing is shown.
"""

import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from dance_models.errors import InputError
from dance_models.files import replacing
from pipelines.storage.bucket_errors import (
    SECRETS,
    Asked,
    error_of,
    is_of_another_version,
    server_of,
)

SCHEME: Final = "s3://"
FORM: Final = "s3://BUCKET/FOLDER"
AT_ONCE: Final = 8  # objects that travel at the same time
IN_MEMORY: Final = 64 * 1024 * 1024  # bytes; a larger file, if not a registry, is sent in parts
# That a server has to take a connection, and how often it is tried. A sensor's tick has a minute.
CONNECT_S: Final = 5
TRIES: Final = 3
ANSWER_S: Final = 15  # that a server may be silent while it answers; the client then tries again
WAIT_S: Final = 60.0  # that a request may take with all tries, beside what it sends
LEAST_S: Final = 0.1
SLOWEST: Final = 20_000  # bytes/s; what is sent more slowly stands still
VERSION: Final = "?versionId="  # of a name: the client would fetch the object that ends before it
ANY: Final = "*"  # whatever an object was before


class Stored(NamedTuple):
    """An object as the server has it."""

    size: int  # bytes
    etag: str


@dataclass(frozen=True)
class Bucket:
    """The objects of a bucket whose keys begin with ``prefix``; names are what follows it."""

    name: str
    prefix: str  # ends with a slash

    @classmethod
    def of(cls, url: str, what: str = "store") -> "Bucket":
        """The place that an address names, of ``what``. Raises InputError for one that is none."""
        try:
            parts = urlsplit(url)
        except ValueError as error:  # brackets in the place of the bucket, as of an IPv6 address
            raise InputError(f"the address of the {what} names no bucket", hint=FORM) from error
        if "@" in parts.netloc or ":" in parts.netloc:
            raise InputError(
                f"the address of the {what} holds more than the name of a bucket, which would be "
                "shown",
                hint=f"Of the form {FORM}; keys go to {SECRETS}, a server to AWS_ENDPOINT_URL",
            )
        folder = parts.path.strip("/")
        if f"{parts.scheme}://" != SCHEME or not parts.netloc or not folder:
            raise InputError(
                f"the {what} {url!r} is no local folder and no folder of a bucket",
                hint=f"Name a folder, or an address of the form {FORM}",
            )
        # Else a '?' or '#' at the end, a tab or a newline would be left out without a word.
        if set("?#\t\r\n") & set(url) or {"", ".", ".."} & set(folder.split("/")):
            raise InputError(f"the {what} {url!r} has an address that keys cannot have", hint=FORM)
        return cls(parts.netloc, f"{folder}/")

    @property
    def url(self) -> str:
        """The address, of one form."""
        return f"{SCHEME}{self.name}/{self.prefix.rstrip('/')}"

    def listed(self, within_s: float | None = None) -> dict[str, Stored]:
        """All objects by name, a thousand with each request.

        Raises InputError when the bucket cannot be used, or takes more than ``within_s`` seconds.
        """
        began = monotonic()
        found: dict[str, Stored] = {}
        more: dict[str, str] = {}
        tokens: set[str] = set()
        with self._told("", "the list of objects"):
            while True:
                left = WAIT_S if within_s is None else within_s - (monotonic() - began)
                page = _call(
                    "list_objects_v2",
                    min(WAIT_S, max(left, LEAST_S)),
                    Bucket=self.name,
                    Prefix=self.prefix,
                    **more,
                )
                # A web page in its place has no objects either, and the bucket would seem empty.
                if not {"Name", "KeyCount", "IsTruncated"} & page.keys():
                    raise LookupError("no listing")
                for entry in page.get("Contents", ()):
                    name = entry["Key"].removeprefix(self.prefix)
                    found[name] = Stored(int(entry["Size"]), _plain(entry["ETag"]))
                if not page.get("IsTruncated"):
                    return found
                if within_s is not None and monotonic() - began > within_s:
                    raise InputError(
                        f"there are more objects than can be listed in {within_s:.0f} s",
                        file=self.url,
                        hint="`dance run` takes as long as it needs",
                    )
                token = page["NextContinuationToken"]
                if token in tokens:
                    raise LookupError("the listing does not go on")
                tokens.add(token)
                more = {"ContinuationToken": token}

    def head(self, name: str) -> Stored | None:
        """An object as it is now, None when there is none. Raises InputError."""
        with self._told(name, "what it has of the object"):
            try:
                found = _call("head_object", Bucket=self.name, Key=self.prefix + name)
            except FileNotFoundError:
                return None
            return Stored(int(found["ContentLength"]), _plain(found["ETag"]))

    def put(self, name: str, path: Path, was: str | None = ANY) -> tuple[Stored, str]:
        """Send a file; what the server has then, and the MD5 of what was sent.

        ``was``: the ETag that the object must have, None when there must be none. Raises
        InputError when it has another one, or the bucket cannot be used.
        """
        condition: dict[str, Any] = {}
        if was != ANY:
            condition = {"IfNoneMatch": "*"} if was is None else {"IfMatch": was}
        with self._told(name, "that it has the object"):
            key, size = self.prefix + name, path.stat().st_size
            most_s = WAIT_S + size / SLOWEST  # a server that stops reading would hold it for ever
            if size > IN_MEMORY and not condition:  # the client sends parts unconditionally
                with path.open("rb") as file:
                    md5 = hashlib.file_digest(file, "md5").hexdigest()
                _client().put_file(str(path), f"{self.name}/{key}", timeout=most_s)
                kept = _call("head_object", Bucket=self.name, Key=key)
                return Stored(int(kept["ContentLength"]), _plain(kept["ETag"])), md5
            data = path.read_bytes()
            try:
                kept = _call(
                    "put_object", most_s, Bucket=self.name, Key=key, Body=data, **condition
                )
            except Exception as error:
                # The client tries again when an answer is lost, and is refused by its own object.
                if not (condition and is_of_another_version(error)):
                    raise
                kept = _call("head_object", Bucket=self.name, Key=key)
                if _client().cat_file(f"{self.name}/{key}") != data:
                    raise
            return Stored(len(data), _plain(kept["ETag"])), hashlib.md5(data).hexdigest()

    def get(self, name: str, path: Path) -> None:
        """Fetch an object into a file, whole or not at all. Raises InputError."""
        with self._told(name, "the object"), replacing(path) as part:
            _client().get_file(f"{self.name}/{self.prefix}{name}", str(part))

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there is none. Raises InputError."""
        for name in names:
            with self._told(name, "that the object is deleted"):
                _call("delete_object", Bucket=self.name, Key=self.prefix + name)

    def each(self, work: Callable[[str], object], names: Iterable[str]) -> None:
        """Do something for each name, several at a time. Raises the first error, after the rest.

        When as many failed as travel at once, the rest is left: without a server each of thousands
        would take its seconds to fail. What has not begun is left at an interrupt too.
        """
        failed: list[Exception] = []

        def tried(name: str) -> None:
            if len(failed) < AT_ONCE:
                try:
                    work(name)
                except Exception as error:
                    failed.append(error)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            for _ in threads.map(tried, names):  # unlike submit, it drops the rest at an interrupt
                pass
        if failed:
            raise failed[0]

    @contextmanager
    def _told(self, name: str, answer: str) -> Iterator[None]:
        """Errors of the server as InputError with the bucket, the key and what to do.

        ``answer``: what the server is waited for.
        """
        _s3fs()  # these come with it
        from aiohttp import ClientError as CutOffError  # an object that ends too early
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"{SCHEME}{self.name}/{self.prefix}{name}"
        began = monotonic()
        try:
            yield
        except (
            OSError, BotoCoreError, ClientError, CutOffError, LookupError, RecursionError,
        ) as error:  # fmt: skip
            if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
                raise  # of a file on this machine
            waited = monotonic() - began
            asked = Asked(where, self.name, *server_of(_client()), answer, waited)
            raise error_of(error, asked) from error


def _call(request: str, most_s: float = WAIT_S, **named: Any) -> Any:
    """The answer to one request. Raises TimeoutError after ``most_s`` seconds, and what fails."""
    return _client().call_s3(request, timeout=most_s, **named)


def _client() -> Any:
    """The file system of this process and thread: fsspec keeps one of each, also after a fork."""
    return _s3fs().S3FileSystem(
        use_listings_cache=False,
        # One part after the other: side by side they would be in memory, half a gigabyte for each
        # object, and of one that is replaced meanwhile some parts would be of the new one.
        max_concurrency=1,
        config_kwargs={
            "connect_timeout": CONNECT_S,
            "read_timeout": ANSWER_S,
            "retries": {"mode": "standard", "total_max_attempts": TRIES},
        },
    )


def _s3fs() -> Any:
    """The client's module. Raises InputError where it is not installed."""
    try:
        import s3fs
    except ModuleNotFoundError as error:
        raise InputError(
            "the client for stores in buckets is not installed",
            hint="Install it: pip install 'dance-pose-pipeline[s3]'",
        ) from error
    return s3fs


def _plain(etag: str) -> str:
    return etag.strip('"')
