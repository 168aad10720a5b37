"""What went wrong with an S3 server, as one line: which server, what was waited for, what to do."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from dance_models.errors import InputError
from pipelines.storage.disk import AGAIN

SECRETS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile of ~/.aws/credentials"
REGION: Final = "AWS_DEFAULT_REGION, or the region of the profile in ~/.aws/config"
ENDPOINT: Final = "AWS_ENDPOINT_URL"
FULL: Final = ("QuotaExceeded", "StorageFull", "StorageExceeded", "InsufficientStorage", "(507)")
CHANGED: Final = ("PreconditionFailed", "ConditionalRequestConflict")
OTHER_REGION: Final = (
    "(AuthorizationHeaderMalformed)",
    "(IllegalLocationConstraintException)",
    "(PermanentRedirect)",
)
UNKNOWN: Final = "of the AWS configuration"  # which server, while none was connected to


class Asked(NamedTuple):
    """What was asked of which server, for messages."""

    where: str  # the address of an object or folder
    bucket: str  # its name
    server: str = UNKNOWN
    region: str = ""  # that requests are signed for, "" when it is not known
    answer: str = "an answer"  # what was waited for
    waited_s: float = 0.0


def server_of(client: Any) -> tuple[str, str]:
    """The address of a client's server, without what is secret, and its region."""
    connected = getattr(client, "_s3", None)
    meta = getattr(connected, "meta", None)
    if meta is None:
        return UNKNOWN, ""
    parts = urlsplit(str(meta.endpoint_url))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", str(meta.region_name or "")


def is_of_another_version(error: Exception) -> bool:
    """Whether a request was refused since the object is not as it was asked to be."""
    _, says = _looks(error)
    return says(*CHANGED)


def error_of(error: Exception, asked: Asked) -> InputError:
    """What is wrong and what to do; names the object, and the server where it is what is wrong."""
    what, hint = _told(error, asked)
    return InputError(what, file=asked.where, hint=f"{hint}, {AGAIN}")


def _told(error: Exception, asked: Asked) -> tuple[str, str]:
    from botocore.exceptions import NoCredentialsError, PartialCredentialsError

    of, says = _looks(error)
    if is_of_another_version(error):
        return "another machine wrote this meanwhile", "Look at it with `dance status`"
    if says("NoSuchBucket"):
        return f"there is no bucket {asked.bucket!r}", "Create it"
    if of(NoCredentialsError, PartialCredentialsError):
        return "nothing says who you are to the server", f"Set {SECRETS}"
    if says(*FULL):
        return "the bucket is full", "Free space (`dance clean`) or raise its quota"
    found = _of_region(error, asked) or _of_access(error) or _of_connection(error, asked)
    return found or (f"the server says: {_sentence(error)}", "Look at the server")


def _of_region(error: Exception, asked: Asked) -> tuple[str, str] | None:
    """A region that is none, or not that of the bucket."""
    from botocore.exceptions import InvalidRegionError

    of, says = _looks(error)
    if of(InvalidRegionError):
        return f"the region has a name that none can have: {_sentence(error)}", f"Look at {REGION}"
    # Without its region in the answer the client asks for it, is answered the same, and so on.
    if not (says(*OTHER_REGION) or of(RecursionError)):
        return None
    reason = "it sends the client elsewhere" if of(RecursionError) else _sentence(error)
    return (
        f"the server {asked.server} takes no request that is signed for the region "
        f"{asked.region!r}: {reason}",
        f"Name the region of the bucket: set {REGION} (AWS_REGION is not read). Where that is "
        f"right, look at {ENDPOINT}",
    )


def _of_access(error: Exception) -> tuple[str, str] | None:
    """A request that was understood and refused, or was of what is not there."""
    of, says = _looks(error)
    if says("RequestTimeTooSkewed"):
        return "the clocks of this machine and the server differ", "Set the clock"
    if of(PermissionError):  # also of a key that has expired
        rights = f"The key needs the rights to list, get, put and delete there; see {SECRETS}"
        return f"the server refuses access: {_sentence(error)}", rights
    if of(FileNotFoundError):
        return "the object is gone", "Another machine may have cleaned the store"
    if isinstance(error, LookupError) or says("An error occurred ()"):  # with no S3 code
        return (
            "what answers there is no S3 server",
            f"Look at {ENDPOINT} (a console has a port of its own) and at proxies",
        )
    return None


def _of_connection(error: Exception, asked: Asked) -> tuple[str, str] | None:
    """No connection, none in time, no answer, or half of one."""
    from aiohttp import ClientConnectorError
    from aiohttp import ClientError as CutOffError  # an object that ends too early
    from botocore.exceptions import ConnectionError as NotConnectedError
    from botocore.exceptions import HTTPClientError, ReadTimeoutError

    of, _ = _looks(error)
    between = f"{ENDPOINT} and the network between"
    region = f", {REGION} ({asked.region!r} now)" if "amazonaws" in asked.server else ""
    # Before the others: these hold the one that they come from.
    if of(NotConnectedError, ClientConnectorError, ConnectionRefusedError):
        what = f"the server {asked.server} cannot be reached{_reason(error)}"
        return what, f"Start it, or look at {between}{region}"
    if of(ReadTimeoutError, TimeoutError):
        return (
            f"the server {asked.server} did not send {asked.answer}: waited {asked.waited_s:.0f} s "
            "for it",
            f"Look whether the server hangs or has too much to do, and at {between}",
        )
    if of(CutOffError):
        return (
            "the connection was cut off in the middle",
            "Look at the network between and at proxies",
        )
    if of(HTTPClientError, ConnectionError):
        return f"the server {asked.server} cannot be reached", f"Start it, or look at {between}"
    return None


def _reason(error: Exception) -> str:
    """The innermost cause, such as that a name is not known; not the text of the others.

    They hold the address as it was given, which may have a password in it.
    """
    told = [c.strerror for c in causes(error) if isinstance(c, OSError) and c.strerror]
    return f" ({told[-1]})" if told else ""


def _sentence(error: Exception) -> str:
    return str(error).rstrip(".")


def _looks(error: Exception) -> tuple[Callable[..., bool], Callable[..., bool]]:
    """Whether an error or a cause of it is of one of some kinds; has one of some texts."""
    found = causes(error)
    texts = " ".join(map(str, found))

    def of(*kinds: type[Exception]) -> bool:
        return any(isinstance(cause, kinds) for cause in found)

    def says(*signs: str) -> bool:
        return any(sign in texts for sign in signs)

    return of, says


def causes(error: BaseException | None) -> list[BaseException]:
    """An error and all that it came from, the innermost last."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
