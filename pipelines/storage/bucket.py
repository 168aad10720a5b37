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
from pipelines.storage.disk import AGAIN

SCHEME: Final = "s3://"
FORM: Final = "s3://BUCKET/FOLDER"
AT_ONCE: Final = 8  # objects that travel at the same time
IN_MEMORY: Final = 64 * 1024 * 1024  # bytes; a larger file is sent in parts
# That a server has to take a connection, and how often it is tried. A sensor's tick has a minute.
CONNECT_S: Final = 5
TRIES: Final = 3
SECRETS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials"
FULL: Final = ("QuotaExceeded", "StorageFull", "StorageExceeded", "InsufficientStorage", "(507)")
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
        with self._told(""):
            files = _client()
            while True:
                page = files.call_s3(
                    "list_objects_v2", Bucket=self.name, Prefix=self.prefix, **more
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
                more = {"ContinuationToken": page["NextContinuationToken"]}

    def head(self, name: str) -> Stored | None:
        """An object as it is now, None when there is none. Raises InputError."""
        with self._told(name):
            try:
                found = _client().call_s3("head_object", Bucket=self.name, Key=self.prefix + name)
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
        with self._told(name):
            files, key = _client(), self.prefix + name
            if path.stat().st_size > IN_MEMORY:
                with path.open("rb") as file:
                    md5 = hashlib.file_digest(file, "md5").hexdigest()
                files.put_file(str(path), f"{self.name}/{key}")
                kept = files.call_s3("head_object", Bucket=self.name, Key=key)
                return Stored(int(kept["ContentLength"]), _plain(kept["ETag"])), md5
            data = path.read_bytes()
            kept = files.call_s3("put_object", Bucket=self.name, Key=key, Body=data, **condition)
            return Stored(len(data), _plain(kept["ETag"])), hashlib.md5(data).hexdigest()

    def get(self, name: str, path: Path) -> None:
        """Fetch an object into a file, whole or not at all. Raises InputError."""
        with self._told(name), replacing(path) as part:
            _client().get_file(f"{self.name}/{self.prefix}{name}", str(part))

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there is none. Raises InputError."""
        for name in names:
            with self._told(name):
                _client().call_s3("delete_object", Bucket=self.name, Key=self.prefix + name)

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
    def _told(self, name: str) -> Iterator[None]:
        """Errors of the server as InputError with the bucket, the key and what to do."""
        _s3fs()  # these come with it
        from aiohttp import ClientError as CutOffError  # an object that ends too early
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"{SCHEME}{self.name}/{self.prefix}{name}"
        try:
            yield
        except (OSError, BotoCoreError, ClientError, CutOffError, LookupError) as error:
            if isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC):
                raise  # of a file on this machine
            raise _error(error, where, self.name) from error


def _client() -> Any:
    """The file system of this process and thread: fsspec keeps one of each, also after a fork."""
    return _s3fs().S3FileSystem(
        use_listings_cache=False,
        config_kwargs={
            "connect_timeout": CONNECT_S,
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


def _error(error: Exception, where: str, bucket: str) -> InputError:
    from aiohttp import ClientError as CutOffError
    from botocore.exceptions import ConnectionError as NotConnectedError
    from botocore.exceptions import HTTPClientError, NoCredentialsError, PartialCredentialsError

    causes = _causes(error)
    texts = " ".join(map(str, causes))

    def of(*kinds: type[Exception]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if "PreconditionFailed" in texts or "ConditionalRequestConflict" in texts:
        what, hint = (
            "another machine wrote this meanwhile",
            f"Look at it with `dance status`, {AGAIN}",
        )
    elif "NoSuchBucket" in texts:
        what, hint = f"there is no bucket {bucket!r}", f"Create it, {AGAIN}"
    elif of(NoCredentialsError, PartialCredentialsError):
        what, hint = "nothing says who you are to the server", f"Set {SECRETS}, {AGAIN}"
    elif any(sign in texts for sign in FULL):
        what, hint = "the bucket is full", f"Free space (`dance clean`) or raise its quota, {AGAIN}"
    elif of(PermissionError):
        what = f"the server refuses access: {error}"  # also of a key that has expired
        hint = (
            f"The key needs the rights to list, get, put and delete there; see {SECRETS}, {AGAIN}"
        )
    elif of(FileNotFoundError):
        what, hint = "the object is gone", f"Another machine may have cleaned the store; {AGAIN}"
    elif isinstance(error, LookupError) or "An error occurred ()" in texts:  # with no S3 code
        what = "what answers there is no S3 server"
        hint = f"Look at AWS_ENDPOINT_URL (a console has a port of its own) and at proxies, {AGAIN}"
    elif of(CutOffError):
        what = "the connection was cut off in the middle"
        hint = f"Look at the network between and at proxies, {AGAIN}"
    elif of(HTTPClientError, NotConnectedError, TimeoutError, ConnectionError):
        what = "the server cannot be reached"
        hint = f"Start it, or look at AWS_ENDPOINT_URL and the network between, {AGAIN}"
    else:
        what = f"the server says: {error}"
        hint = f"Look at the server, {AGAIN}"
    return InputError(what, file=where, hint=hint)


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
