"""A store in a bucket: what travels, in which order, and what another machine finds."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bucket
import polars as pl
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from filelock import FileLock, Timeout

from dance_models.errors import InputError
from dance_models.tables import file_digest, write_table, write_text
from pipelines.storage import manifests
from pipelines.storage.backup import back_up, restore
from pipelines.storage.bucket import AT_ONCE, Bucket, Stored
from pipelines.storage.bucket_errors import Asked, error_of
from pipelines.storage.remote import LOCK, Remote
from pipelines.storage.remote_notes import KNOWN
from pipelines.storage.store import Store

FILES = ("numbers", "audit")


class Machines:
    """Machines that use one store: each has scratch of its own."""

    def __init__(self, url: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.url, self.folder, self.patch = url, folder, patch

    def store(self, name: str) -> Store:
        """The store as a command on that machine opens it."""
        self.patch.setenv("DANCE_SCRATCH", str(self.folder / name))
        return Store(root=self.url).settled()

    def objects(self) -> set[str]:
        return set(Bucket.of(self.url).listed())


@pytest.fixture
def machines(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(bucket.new_url(), tmp_path, monkeypatch)


def _remote(store: Store) -> Remote:
    assert store.remote is not None
    return store.remote


def _make(store: Store, content: int, frame: bytes = b"jpeg") -> list[Path]:
    """What a stage does: two tables and a frame, and then the manifest."""
    for name in FILES:
        write_table(pl.DataFrame({"x": [content]}), store.table(name))
    image = store.frames("a") / "0.jpg"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(frame)
    files = [*map(store.table, FILES), image]
    manifests.write_manifest(store, "numbers", None, manifests.manifest_of(store, files))
    return files


def _commit(store: Store, content: int) -> None:
    _remote(store).commit(_make(store, content), store.manifest("numbers"))


def _is_whole(store: Store) -> bool:
    """Whether there is no manifest, or all its files with its content."""
    manifest = manifests.read_manifest(store, "numbers", None)
    tables = {n: r for n, r in (manifest or {}).items() if not n.startswith("frames/")}
    return not manifests.damages(store, tables, tables.keys())


def test_another_machine_finds_the_files_with_their_times(machines: Machines) -> None:
    first = machines.store("a")
    _commit(first, 1)
    assert first.path.stat().st_mode & 0o077 == 0
    second = machines.store("b")
    assert second.path != first.path
    manifest = manifests.read_manifest(second, "numbers", None)
    assert manifest == manifests.read_manifest(first, "numbers", None)
    for name in FILES:
        assert file_digest(second.table(name)) == file_digest(first.table(name))
        record = (manifest or {})[f"tables/{name}.parquet"]
        assert second.table(name).stat().st_mtime_ns == record.mtime_ns
    assert manifest is not None
    assert not manifests.damages(second, manifests.without_distant(second, manifest))
    assert [d.path for d in manifests.damages(second, manifest)] == ["frames/a/0.jpg"]


def test_nothing_is_sent_or_fetched_twice(machines: Machines) -> None:
    first = machines.store("a")
    _commit(first, 1)
    remote = _remote(first)
    before = remote.traffic()
    assert (before.sent, before.fetched) == (3, 0)
    _commit(first, 1)  # written again, with the same content, but for the times in the manifest
    remote.publish()
    assert remote.traffic().since(before).sent == 1  # the manifest
    second = machines.store("b")
    _remote(second).publish()
    machines.store("b")
    assert _remote(second).traffic().fetched == 3
    sent = _remote(second).traffic().sent  # where its own scratch lies
    _remote(second).publish()
    assert _remote(second).traffic().sent == sent


def test_an_object_is_remembered_without_a_fetch_when_the_note_of_it_was_lost(
    machines: Machines,
) -> None:
    first = machines.store("a")
    _commit(first, 1)
    (first.path / ".remote.known").unlink()
    assert _remote(machines.store("a")).traffic() == (0, 0, 0, 0)
    assert not _remote(first).missing()


@pytest.mark.parametrize("fails_at", [0, 1, 2])
@pytest.mark.parametrize("earlier", [False, True])
def test_who_sees_a_manifest_finds_its_files_after_a_kill_between_any_two_puts(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, fails_at: int, earlier: bool
) -> None:
    first = machines.store("a")
    if earlier:
        _commit(first, 1)
    puts, put = iter(range(100)), Bucket.put

    def failing(self: Bucket, name: str, *rest: object) -> tuple[Stored, str]:
        if next(puts) == fails_at:
            raise KeyboardInterrupt
        return put(self, name, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", failing)
        patch.setattr("pipelines.storage.bucket.AT_ONCE", 1)
        with pytest.raises(KeyboardInterrupt):
            _commit(first, 2)
    other = machines.store("b")
    assert not other.manifest("numbers").is_file()
    assert _is_whole(other)
    again = machines.store("a")  # the next command on the first machine
    assert pl.read_parquet(again.table("numbers"))["x"].to_list() == [2]
    _remote(again).publish()
    assert not _remote(again).missing()
    other = machines.store("b")
    assert _is_whole(other)
    assert pl.read_parquet(other.table("numbers"))["x"].to_list() == [2]


def test_what_is_half_made_waits(machines: Machines) -> None:
    store = machines.store("a")
    _commit(store, 1)
    write_table(pl.DataFrame({"x": [2]}), store.table("numbers"))  # its manifest comes later
    write_text(store.model("mkff_st_gcn") / "0a" / "last.pt", "in progress")
    write_text(store.mlflow / "artifacts" / "0" / "card.md", "logged")
    _remote(store).publish()
    assert machines.objects() == {
        "manifests/numbers.json",
        "mlflow/artifacts/0/card.md",
        *(f"tables/{name}.parquet" for name in FILES),
        *({".place.json"} & machines.objects()),
    }
    other = machines.store("b")
    assert _is_whole(other)
    assert pl.read_parquet(other.table("numbers"))["x"].to_list() == [1]


def test_a_file_that_was_written_again_with_its_content_holds_nothing_back(
    machines: Machines,
) -> None:
    store = machines.store("a")
    _make(store, 1)
    os.utime(store.table("audit"))
    _remote(store).publish()
    assert not _remote(store).missing()


def test_checkpoints_travel_when_the_training_is_the_current_one(machines: Machines) -> None:
    store = machines.store("a")
    folder = store.model("stga_net") / "0a"
    write_text(folder / "best.pt", "weights")
    current = '{"best": {"path": "models/stga_net/0a/best.pt"}, "last": {"path": "x"}}'
    write_text(store.output("stga_net"), current)
    _remote(store).publish()
    assert (machines.store("b").model("stga_net") / "0a" / "best.pt").read_text() == "weights"


def test_a_registry_is_replaced_only_as_it_was_read(machines: Machines) -> None:
    first, second = machines.store("a"), machines.store("b")
    for store, clips in ((first, ["a"]), (second, ["b"])):
        write_table(pl.DataFrame({"clip": clips}), store.table("raw_clips"))
    _remote(first).commit([first.table("raw_clips")])
    with pytest.raises(InputError, match=r"raw_clips\.parquet: another machine wrote this"):
        _remote(second).commit([second.table("raw_clips")])
    second = machines.store("b")  # the command again: it reads what the other one registered
    assert pl.read_parquet(second.table("raw_clips"))["clip"].to_list() == ["a"]
    write_table(pl.DataFrame({"clip": ["a", "b"]}), second.table("raw_clips"))
    _remote(second).commit([second.table("raw_clips")])
    assert pl.read_parquet(machines.store("a").table("raw_clips")).height == 2


def test_a_lost_and_an_altered_object_are_found_and_repaired(machines: Machines) -> None:
    store = machines.store("a")
    _commit(store, 1)
    Bucket.of(machines.url).delete(["tables/audit.parquet"])
    store = machines.store("a")
    assert _remote(store).missing() == ["tables/audit.parquet"]
    _remote(store).publish()
    assert not _remote(machines.store("a")).missing()
    altered = machines.folder / "altered"
    altered.write_bytes(b"x" * store.table("audit").stat().st_size)
    Bucket.of(machines.url).put("tables/audit.parquet", altered)
    assert not _is_whole(machines.store("a"))  # what verify and the next run see


UNUSED = "versions/numbers/0.parquet"


def _published_with_unused(machines: Machines) -> tuple[Store, Path]:
    """The first machine's store, in the bucket, and a file of it that may be deleted."""
    store = machines.store("a")
    unused = store.path / UNUSED
    write_text(unused, "old")
    _commit(store, 1)
    _remote(store).publish()
    return store, unused


def _deleted_by_the_first(machines: Machines) -> tuple[Store, Store]:
    """Two machines that had the file, which the first one then deleted for both."""
    first, unused = _published_with_unused(machines)
    second = machines.store("b")
    unused.unlink()
    _remote(first).removed([unused])
    return first, second


def test_what_was_deleted_here_is_deleted_there(machines: Machines) -> None:
    store, unused = _published_with_unused(machines)
    unused.unlink()
    _remote(store).removed([unused, store.table("numbers")])  # the table is still there
    assert UNUSED not in machines.objects()
    assert "tables/numbers.parquet" in machines.objects()


def test_what_one_machine_deleted_another_one_does_not_send_again(machines: Machines) -> None:
    first, second = _deleted_by_the_first(machines)
    unused = first.path / UNUSED
    for _ in range(2):
        second = machines.store("b")
        _remote(second).publish()
        assert not _remote(second).missing()
        assert UNUSED not in machines.objects()
    kept = second.path / UNUSED
    assert kept.read_text() == "old", "that machine may have a use for it"
    write_text(unused, "old")  # the first one makes it again
    _remote(first).publish()
    second = machines.store("b")
    write_text(kept, "new")
    _remote(second).publish()
    machines.store("a")
    assert unused.read_text() == "new"


@pytest.mark.parametrize("by", ["stage", "command"])
def test_what_another_machine_deleted_is_sent_again_with_a_result_that_names_it(
    machines: Machines, by: str
) -> None:
    """Such as a training that was replaced and cleaned, and is the current one again."""
    _, second = _deleted_by_the_first(machines)
    second = machines.store("b")
    used = second.path / UNUSED
    manifest = manifests.manifest_of(second, [used])
    manifests.write_manifest(second, "again", None, manifest)
    assert _remote(second).missing() == ["manifests/again.json", UNUSED]
    if by == "stage":
        _remote(second).commit([used], second.manifest("again"))
    else:
        _remote(second).publish()
    assert {UNUSED, "manifests/again.json"} <= machines.objects()
    assert not _remote(second).missing()
    assert (machines.store("a").path / UNUSED).read_text() == "old"


def test_a_machine_that_forgot_what_it_sent_does_not_send_deleted_objects_again(
    machines: Machines,
) -> None:
    _, second = _deleted_by_the_first(machines)
    kept = second.path / UNUSED
    for note in second.path.glob(".remote.known*"):
        note.unlink()
    assert kept.is_file()
    second = machines.store("b")
    _remote(second).publish()
    assert UNUSED not in machines.objects()
    write_text(kept, "new")
    _remote(second).publish()
    assert UNUSED in machines.objects()


def test_a_lost_object_is_sent_again_by_a_machine_that_knows_of_deleted_ones(
    machines: Machines,
) -> None:
    _deleted_by_the_first(machines)
    Bucket.of(machines.url).delete(["tables/audit.parquet"])
    second = machines.store("b")
    _remote(second).publish()
    assert "tables/audit.parquet" in machines.objects()
    assert _is_whole(machines.store("a"))


def test_machines_that_share_databases_need_one_path(machines: Machines) -> None:
    store = machines.store("a")
    databases = '{"dagster": "postgresql://a@h/d", "mlflow": "postgresql://a@h/m"}'
    write_text(store.path / "databases.json", databases)
    write_text(store.path / ".place.json", f'{{"path": "{store.path}"}}')
    _remote(store).publish()
    with pytest.raises(InputError, match="DANCE_SCRATCH"):
        machines.store("b")


def test_objects_that_belong_to_no_store_are_left_alone(machines: Machines) -> None:
    store = machines.store("a")
    note = machines.folder / "x"
    note.write_text("x")
    for name in ("notes.txt", "tables/../../escaped", "frames/a/0.jpg"):
        Bucket.of(machines.url).put(name, note)
    machines.store("a")
    assert not list(store.path.rglob("escaped"))
    assert not (store.path / "notes.txt").exists()
    assert not (store.path / "frames").exists()


@pytest.mark.parametrize(
    "name",
    [
        f"raw/clips/{'x' * 300}.mp4",
        "raw/clips/a\0b.mp4",
        "raw/clips/new?versionId=3.mp4",
        "tables/numbers.parquet/x.parquet",
    ],
)
def test_an_object_that_can_be_no_file_is_said_and_stops_no_command(
    machines: Machines, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    _commit(machines.store("a"), 1)
    note = machines.folder / "x"
    note.write_text("x")
    Bucket.of(machines.url).put(name, note)
    for machine in ("b", "a"):
        store = machines.store(machine)
        assert _is_whole(store)
        assert store.table("numbers").is_file()
        assert "1 objects are left out, as no file can have their names" in caplog.text
        caplog.clear()
        _remote(store).publish()
    assert name in machines.objects()


def test_what_consoles_put_for_folders_is_no_file(machines: Machines) -> None:
    store = machines.store("a")
    _commit(store, 1)
    empty = machines.folder / "empty"
    empty.touch()
    markers = ("tables/", "tables/clip_probe/", "reports/", "raw/clips/", "tables//numbers.parquet")
    for name in markers:
        Bucket.of(machines.url).put(name, empty)
    for machine in ("a", "b", "b"):  # with and without the folders
        other = machines.store(machine)
        assert _is_whole(other)
        assert pl.read_parquet(other.table("numbers"))["x"].to_list() == [1]
        assert not [path for path in other.path.iterdir() if path.is_file() and path.name == "raw"]
        _remote(other).publish()
    assert machines.objects() >= set(markers)


def test_a_backup_is_no_scratch(machines: Machines, tmp_path: Path) -> None:
    store = machines.store("a").initialise()
    _commit(store, 1)
    back_up(store, tmp_path / "copy")
    copy = Store(root=str(tmp_path / "copy"))
    assert copy.remote is None
    assert file_digest(copy.table("numbers")) == file_digest(store.table("numbers"))


def test_a_backup_is_not_restored_into_a_bucket(machines: Machines, tmp_path: Path) -> None:
    store = machines.store("a").initialise()
    back_up(store, tmp_path / "copy")
    with pytest.raises(InputError, match=r"s3://.*: a backup cannot be restored into a bucket"):
        restore(tmp_path / "copy", machines.store("b"))


@pytest.mark.parametrize("gone", ["tables/audit.parquet", "manifests/numbers.json"])
def test_an_object_that_goes_while_the_store_is_fetched_is_left_out_with_its_manifest(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    _commit(machines.store("a"), 1)
    listed = Bucket.listed

    def then_gone(self: Bucket) -> dict[str, Stored]:
        found = listed(self)
        self.delete([gone])  # what another machine does that replaces the file
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "listed", then_gone)
        second = machines.store("b")
    assert not (second.path / gone).exists()
    assert not second.manifest("numbers").exists()
    assert second.table("numbers").is_file()
    assert set(_remote(second).known()) == {"tables/numbers.parquet", "tables/audit.parquet"} - {
        gone
    }


def _while_listing(
    patch: pytest.MonkeyPatch, done: Callable[[], object], method: str = "listed"
) -> None:
    """What another process of the same machine does once, after the bucket has answered."""
    plain, once = getattr(Bucket, method), iter([done])

    def answered(self: Bucket, *rest: object) -> object:
        found = plain(self, *rest)
        if (work := next(once, None)) is not None:
            work()
        return found

    patch.setattr(Bucket, method, answered)


def test_what_is_made_and_sent_while_the_store_is_fetched_stays(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machines.store("a")
    _commit(store, 1)

    def made_twice() -> None:
        _commit(store, 2)
        write_table(pl.DataFrame({"x": [3]}), store.table("numbers"))  # and begins again

    with monkeypatch.context() as patch:
        _while_listing(patch, made_twice)
        machines.store("a")
    assert pl.read_parquet(store.table("numbers"))["x"].to_list() == [3]
    assert pl.read_parquet(store.table("audit"))["x"].to_list() == [2]
    machines.store("a")
    assert pl.read_parquet(store.table("numbers"))["x"].to_list() == [3]
    _commit(store, 3)
    other = machines.store("b")
    assert _is_whole(other)
    assert pl.read_parquet(other.table("numbers"))["x"].to_list() == [3]


def test_what_is_made_while_an_older_object_of_it_is_fetched_stays(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machines.store("a")
    _commit(store, 1)
    store.table("numbers").unlink()  # damaged, to be made again
    with monkeypatch.context() as patch:
        _while_listing(patch, lambda: _make(store, 2), "get")
        machines.store("a")
    assert pl.read_parquet(store.table("numbers"))["x"].to_list() == [2]
    assert _is_whole(store)
    _commit(store, 2)
    assert not _remote(store).missing()
    assert _is_whole(machines.store("b"))


def test_a_manifest_that_is_replaced_while_the_store_is_fetched_stays(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machines.store("a")
    _commit(first, 1)
    other = machines.store("b")
    _commit(other, 2)
    store = machines.store("a")
    _commit(other, 3)
    with monkeypatch.context() as patch:  # once the manifest is here, and before its files are
        _while_listing(patch, lambda: _commit(store, 4), "get")
        machines.store("a")
    assert _is_whole(store)
    assert pl.read_parquet(store.table("numbers"))["x"].to_list() == [4]
    assert _is_whole(machines.store("b"))


def test_nobody_puts_a_registry_while_its_new_etag_is_not_noted(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machines.store("a")
    write_table(pl.DataFrame({"clip": ["a"]}), store.table("raw_clips"))
    free: list[bool] = []
    put = Bucket.put
    looking = threading.Lock()  # a look holds the lock itself: one at a time

    def watched(self: Bucket, name: str, *rest: object) -> tuple[Stored, str]:
        with looking:
            lock = FileLock(store.path / LOCK, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                free.append(False)
            else:
                free.append(True)
                lock.release()
        return put(self, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "put", watched)
    _remote(store).commit([store.table("raw_clips")])
    _commit(store, 1)  # tables of a clip are sent side by side
    assert free == [False, True, True, True]


# --- errors -----------------------------------------------------------------------------------


def _refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "PutObject")


def test_a_damaged_note_of_the_objects_says_which_file_to_delete(machines: Machines) -> None:
    store = machines.store("a")
    _commit(store, 1)
    known = store.path / KNOWN
    known.write_bytes(b"not a database" * 300)
    with pytest.raises(InputError, match=r"\.remote\.known: .*damaged.*Delete it"):
        machines.store("a")
    known.unlink()
    assert _remote(machines.store("a")).traffic() == (0, 0, 0, 0)


def test_what_fails_for_all_is_not_tried_with_thousands() -> None:
    begun: list[str] = []

    def away(name: str) -> None:
        begun.append(name)
        raise InputError("the server cannot be reached")

    with pytest.raises(InputError, match="cannot be reached"):
        Bucket.of("s3://b/a").each(away, map(str, range(1000)))
    assert len(begun) < 2 * AT_ONCE


def test_an_interrupt_does_not_wait_for_what_has_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[str] = []
    names = list(map(str, range(30)))
    cancel, left, told = Future.cancel, [], threading.Event()

    def noted(self: "Future[object]") -> bool:
        found = cancel(self)
        left.append(self)
        if len(left) == len(names) - 1:  # all but the interrupted one
            told.set()
        return found

    def work(name: str) -> None:
        begun.append(name)
        if name == "0":
            raise KeyboardInterrupt  # reaches the caller as one that was waiting there
        told.wait(5)

    monkeypatch.setattr(Future, "cancel", noted)
    with pytest.raises(KeyboardInterrupt):
        Bucket.of("s3://b/a").each(work, names)
    assert len(begun) <= AT_ONCE + 1


def test_an_object_that_fails_does_not_stop_the_rest() -> None:
    done: list[str] = []

    def work(name: str) -> None:
        if name in ("3", "7"):
            raise InputError(name)
        done.append(name)

    with pytest.raises(InputError, match=r"[37]"):
        Bucket.of("s3://b/a").each(work, map(str, range(100)))
    assert len(done) == 98


def test_a_bucket_that_is_not_there_is_one_line(s3: str) -> None:
    with pytest.raises(InputError, match=r"s3://none-such/a/: there is no bucket 'none-such'"):
        Bucket.of("s3://none-such/a").listed()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EndpointConnectionError(endpoint_url="http://h"), "cannot be reached.*AWS_ENDPOINT_URL"),
        (NoCredentialsError(), "who you are.*AWS_ACCESS_KEY_ID"),
        (PermissionError("Access Denied"), "refuses access: Access Denied.*rights"),
        (PermissionError("The provided token has expired."), "access: .*token has expired"),
        (OSError(_refused("XMinioStorageFull")), "is full.*dance clean"),
        (_refused("QuotaExceeded"), "is full"),
        (OSError("MalformedXML"), "says: MalformedXML"),
    ],
)
def test_an_error_of_the_server_says_where_and_what_to_do(error: Exception, told: str) -> None:
    with pytest.raises(InputError, match=f"s3://b/a/t: .*{told}"):
        raise error_of(error, Asked("s3://b/a/t", "b"))


@pytest.fixture
def no_bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """In the place of the server one that is none: what it answers, in full or cut off, by kind."""
    from s3fs import S3FileSystem

    answers = {"page": b"<html>Log in</html>", "object": b"x" * 100}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body: bytes, length: int) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def do_GET(self) -> None:
            if "list-type" in self.path:
                self.answer(answers["page"], len(answers["page"]))
            else:
                self.answer(answers["object"], 1000)

        def do_PUT(self) -> None:
            self.answer(b"", 0)

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.server_port}")
    S3FileSystem.clear_instance_cache()
    yield answers
    S3FileSystem.clear_instance_cache()
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize("page", [b"<html>Log in</html>", b""])
def test_a_web_page_is_no_empty_bucket(no_bucket: dict[str, bytes], page: bytes) -> None:
    """As a console of a server has, on a port beside it: with status 200 for every address."""
    no_bucket["page"] = page
    with pytest.raises(InputError, match=r"s3://b/a/: .*no S3 server.*AWS_ENDPOINT_URL"):
        Bucket.of("s3://b/a").listed()


def test_what_is_put_to_no_bucket_is_told(no_bucket: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "t").write_text("table")
    with pytest.raises(InputError, match=r"s3://b/a/t: .*no S3 server"):
        Bucket.of("s3://b/a").put("t", tmp_path / "t")


def test_an_object_that_is_cut_off_each_time_is_told(
    no_bucket: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"s3://b/a/t: the connection was cut off.*network"):
        Bucket.of("s3://b/a").get("t", tmp_path / "t")
    assert not list(tmp_path.iterdir())


BAD = ("s3://key:secret@b/a", "s3://b/../a", "s3://b/a?x=1", "s3://b/", "s3://key:secret@[b]/a")


@pytest.mark.parametrize("url", [*BAD, "s3://b/a?", "s3://b/a#", "s3://b/a\tb"])
def test_a_bad_address_is_refused_and_no_secret_shown(url: str) -> None:
    with pytest.raises(InputError) as refused:
        Bucket.of(url)
    assert ":secret" not in str(refused.value)


def test_a_training_in_progress_can_be_lent(machines: Machines) -> None:
    """It travels when it is asked for; by itself only a finished one does."""
    first = machines.store("a")
    folder = first.model("stga_net") / "0123456789ab"
    write_text(folder / "last.pt", "epoch 3")
    first.send()
    assert first.relative(folder / "last.pt") not in machines.objects()
    _remote(first).lend(folder)
    second = machines.store("b")
    assert (second.model("stga_net") / folder.name / "last.pt").read_text() == "epoch 3"
    assert not second.output("stga_net").exists()


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exceptions come from another package, which is missing then too."""
    for name in ("s3fs", "botocore", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"not installed.*\[s3\]"):
        Bucket.of("s3://anything/at/all").listed()
