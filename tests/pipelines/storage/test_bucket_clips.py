"""Clips of a bucket: pointers to them, and the copies that stages decode."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import bucket
import dagster as dg
import postgres
import pytest

from dance_models.errors import ChangedError, InputError
from pipelines.storage import bucket as bucket_module
from pipelines.storage.annotation_report import annotation_report
from pipelines.storage.backup import back_up, outside
from pipelines.storage.bucket import Bucket, Stored
from pipelines.storage.bucket_clips import mirror, mirror_again
from pipelines.storage.clips import reading_clip, register_clips, registered_clips
from pipelines.storage.pointers import NOTE, as_file, drop_copies, mirrors
from pipelines.storage.store import Store


class Place:
    """A folder of a bucket, and a store that reads its clips."""

    def __init__(self, root: Path) -> None:
        self.url = bucket.new_url()
        self.objects = Bucket.of(self.url)
        self.scratch = root / "sent"
        self.scratch.mkdir()
        self.store = Store(root=str(root / "store"))
        self.instance = dg.DagsterInstance.ephemeral()

    def put(self, name: str, content: bytes) -> None:
        sent = self.scratch / "file"
        sent.write_bytes(content)
        self.objects.put(name, sent)

    def register(self) -> dict[str, dict[str, str]]:
        """Register what is there; the rows of the clips by their key."""
        mirror(self.store, self.url)
        register_clips(self.store, self.instance, mirrors(self.store))
        return {row["clip"]: row for row in registered_clips(self.store).to_dicts()}

    def read(self, row: dict[str, str], *, last: bool) -> bytes:
        with reading_clip(self.store, self.instance, row, last=last) as file:
            return file.read_bytes()

    def copies(self) -> list[Path]:
        return [path for path in self.store.clip_copies.glob("[!.]*/*") if path.is_file()]


@pytest.fixture
def place(s3: str, tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_clips_of_a_bucket_are_registered_by_its_listing_and_fetched_when_they_are_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("ballet/solo.mp4", b"one")
    place.put("flat.mkv", b"two")
    place.put("ballet/notes.txt", b"not a video")
    place.put("clips.csv", b"clip,style,performer,take\nflat,street,Ada,7\n")
    fetched: list[str] = []
    get = Bucket.get

    def counted(self: Bucket, name: str, path: Path) -> None:
        fetched.append(name)
        get(self, name, path)

    monkeypatch.setattr(Bucket, "get", counted)
    rows = place.register()
    assert fetched == ["clips.csv"]
    assert {clip: (row["style"], row["performer"]) for clip, row in rows.items()} == {
        "solo": ("ballet", ""),
        "flat": ("street", "Ada"),
    }
    assert {row["corpus"] for row in rows.values()} == {place.url}
    assert place.read(rows["solo"], last=False) == b"one"
    assert len(place.copies()) == 1
    assert place.read(rows["solo"], last=True) == b"one"
    assert fetched == ["clips.csv", "ballet/solo.mp4"], "the second reading used the first's copy"
    assert place.copies() == []
    before = {path: path.stat().st_mtime_ns for path in place.store.raw_buckets.rglob("*")}
    assert place.register() == rows
    assert fetched == ["clips.csv", "ballet/solo.mp4"]
    after = {path: path.stat().st_mtime_ns for path in place.store.raw_buckets.rglob("*")}
    assert after == before


def test_an_object_that_is_replaced_is_another_clip_and_one_that_is_moved_the_same(
    place: Place,
) -> None:
    place.put("a.mp4", b"first")
    place.put("b.mp4", b"kept")
    rows = place.register()
    place.put("a.mp4", b"second")
    with pytest.raises(ChangedError, match="changed since it was registered") as raised:
        place.read(rows["a"], last=True)
    assert raised.value.file == f"{place.url}/a.mp4"
    learned = {row["clip"]: row for row in registered_clips(place.store).to_dicts()}
    assert learned["a"]["sha256"] not in {"", rows["a"]["sha256"]}
    assert place.read(learned["a"], last=True) == b"second"
    assert place.register() == learned
    place.put("street/b.mp4", b"kept")
    place.objects.delete(["b.mp4"])
    assert place.register()["b"]["sha256"] == rows["b"]["sha256"]


def test_an_object_that_has_gone_is_reported_and_its_clip_kept(place: Place) -> None:
    place.put("a.mp4", b"one")
    place.put("b.mp4", b"two")
    rows = place.register()
    place.objects.delete(["a.mp4"])
    with pytest.raises(InputError, match="has gone from its bucket") as raised:
        place.read(rows["a"], last=True)
    assert raised.value.file == f"{place.url}/a.mp4"
    mirror(place.store, place.url)
    changes = register_clips(place.store, place.instance, mirrors(place.store))
    assert changes.missing == ["a"]
    assert set(registered_clips(place.store)["clip"]) == {"a", "b"}


def test_a_bucket_that_is_away_leaves_the_clips_as_they_were_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("a.mp4", b"one")
    rows = place.register()
    monkeypatch.setattr(Bucket, "listed", bucket.away)
    (line,) = mirror_again(place.store)
    assert "cannot be reached" in line
    assert "as they were listed last" in line
    assert {row["clip"] for row in registered_clips(place.store).to_dicts()} == set(rows)


def test_names_that_no_file_can_have_are_said_and_the_rest_is_used(place: Place) -> None:
    place.put("good.mp4", b"one")
    for name in ("../up.mp4", "a//b.mp4", "good.mp4/below.mp4", "x" * 300 + ".mp4", "a\x07.mp4"):
        place.put(name, b"x")
    lines = mirror(place.store, place.url)
    assert len(lines) == 5
    assert all("not used" in line and line.isprintable() for line in lines)
    (folder,) = mirrors(place.store)
    assert [path.name for path in folder.rglob("*.mp4")] == ["good.mp4"]
    assert not (place.store.raw_buckets / "up.mp4").exists()


@pytest.mark.parametrize(("old", "new"), [("a.mp4/b/c.mp4", "a.mp4"), ("a.mp4", "a.mp4/b/c.mp4")])
def test_a_clip_may_take_the_name_of_a_folder_that_is_gone(
    place: Place, old: str, new: str
) -> None:
    place.put(old, b"one")
    place.register()
    place.objects.delete([old])
    place.put(new, b"two")
    assert mirror(place.store, place.url) == []
    (folder,) = mirrors(place.store)
    found = [path for path in folder.rglob("*.mp4") if path.is_file()]
    assert found == [folder / new]


def test_a_name_that_the_client_takes_for_a_version_of_another_object_is_said(
    place: Place,
) -> None:
    place.put("v.mp4", b"one")
    place.put("v.mp4?versionId=3.mp4", b"two")
    (line,) = mirror(place.store, place.url)
    assert "not used: its name holds '?versionId='" in line


def test_a_name_that_a_local_clip_may_have_is_used(place: Place) -> None:
    """With the space before PM of a recording of macOS, and with letters joined without width."""
    names = (
        "Recording 3.22\u202fPM.mp4",
        "a\u3000b.mp4",
        "\U0001f469\u200d\U0001f3a4.mp4",
        "q?#%41.mp4",
    )
    for name in names:
        place.put(name, name.encode())
    assert mirror(place.store, place.url) == []
    rows = place.register().values()
    assert {place.read(row, last=True).decode() for row in rows} == set(names)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://key:secret@studio/clips", "holds more than the name of a bucket"),
        ("s3://studio", "no folder of a bucket"),
        ("https://example.org/clips", "no folder of a bucket"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(address: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as raised:
        mirror(Store(root=str(tmp_path / "store")), address)
    assert "secret" not in str(raised.value)
    assert not (tmp_path / "store").exists()


def test_a_folder_without_videos_is_refused(place: Place) -> None:
    place.put("notes.txt", b"x")
    with pytest.raises(InputError, match="no video lies there"):
        mirror(place.store, place.url)
    assert mirrors(place.store) == []


def test_copies_that_a_killed_run_left_are_removed_and_those_in_use_are_not(place: Place) -> None:
    place.put("a.mp4", b"one")
    rows = place.register()
    place.read(rows["a"], last=False)
    with reading_clip(place.store, place.instance, rows["a"]) as file:
        drop_copies(place.store)
        assert file.is_file()
    drop_copies(place.store)
    assert place.copies() == []


def test_a_backup_holds_the_pointers_and_says_what_is_not_in_it(
    place: Place, tmp_path: Path
) -> None:
    place.put("a.mp4", b"one")
    rows = place.register()
    place.read(rows["a"], last=False)
    back_up(place.store, tmp_path / "backup")
    kept = {path.name for path in (tmp_path / "backup").rglob("*") if path.is_file()}
    assert "a.mp4" in kept
    assert not (tmp_path / "backup" / "clip_copies").exists()
    assert outside(place.store) == [rows["a"]["path"]]


def test_a_damaged_pointer_is_written_again_and_a_damaged_note_says_what_to_do(
    place: Place,
) -> None:
    place.put("a.mp4", b"one")
    row = place.register()["a"]
    Path(row["path"]).write_text("{}")
    with pytest.raises(InputError, match="changed since"):
        place.read(row, last=True)
    assert place.read(row, last=True) == b"one"
    Path(row["path"]).write_text("{}")
    register_clips(place.store, place.instance, mirrors(place.store))
    (damaged,) = registered_clips(place.store).to_dicts()
    with pytest.raises(InputError, match="does not point to an object"):
        place.read(damaged, last=True)
    assert place.register()["a"] == row
    (folder,) = mirrors(place.store)
    (folder / NOTE).write_text("[")
    with pytest.raises(InputError, match="address of a bucket is damaged"):
        place.read(row, last=True)
    (line,) = mirror_again(place.store)
    assert "name the bucket again" in line
    assert place.register()["a"] == row
    assert place.read(row, last=True) == b"one"


def test_another_machine_reads_the_same_clips_of_a_store_in_a_bucket(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.put("a.mp4", b"one")
    place.put("b.mp4", b"two")
    url = f"{place.url}-store"

    def on(machine: str) -> Store:
        monkeypatch.setenv("DANCE_SCRATCH", str(tmp_path / machine))
        return Store(root=url).settled()

    first = on("first")
    mirror(first, place.url)
    first.send()
    second = on("second")
    (folder,) = mirrors(second)
    assert sorted(path.name for path in folder.glob("*.mp4")) == ["a.mp4", "b.mp4"]
    with as_file(second, folder / "a.mp4", last=True) as file:
        assert file.read_bytes() == b"one"
    place.objects.delete(["b.mp4"])
    assert mirror_again(second) == []
    (folder,) = mirrors(on("third"))
    assert [path.name for path in folder.glob("*.mp4")] == ["a.mp4"]


def test_the_raw_folder_may_be_a_link_to_another_disk(s3: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "store" / "raw").symlink_to(tmp_path / "disk")
    place = Place(tmp_path)
    place.put("a.mp4", b"one")
    row = place.register()["a"]
    assert place.read(row, last=True) == b"one"
    assert outside(place.store) == [row["path"]]


def test_a_store_that_begins_with_clips_of_a_bucket_is_private_and_has_the_databases_named(
    place: Place, server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pointers are written before anything else: they must not make the store an old one."""
    place.put("a.mp4", b"one")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    mirror(place.store, place.url)
    place.store.initialise()
    assert place.store.path.stat().st_mode & 0o777 == 0o700
    assert place.store.databases is not None


def test_a_bucket_without_videos_makes_no_store(place: Place) -> None:
    with pytest.raises(InputError, match="no video lies there"):
        mirror(place.store, place.url)
    assert not place.store.path.exists()


def test_an_older_listing_does_not_undo_a_newer_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that list a bucket at once: the one whose listing is older comes last."""
    place.put("a.mp4", b"one")
    place.store.table("raw_clips").parent.mkdir(parents=True)  # of a new store it is listed before
    listed, seen = Bucket.listed, list[int]()
    with ThreadPoolExecutor() as pool:
        others: list[Future[list[str]]] = []

        def slow(self: Bucket, within_s: float | None = None) -> Mapping[str, Stored]:
            found = listed(self)
            seen.append(len(found))
            if len(seen) == 1:
                place.put("b.mp4", b"two")
                others.append(pool.submit(mirror, place.store, place.url))
                wait(others, 0.5)
            return found

        monkeypatch.setattr(Bucket, "listed", slow)
        mirror(place.store, place.url)
        assert others[0].result(30) == []
    assert seen == [1, 2]
    (folder,) = mirrors(place.store)
    assert {path.name for path in folder.glob("*.mp4")} == {"a.mp4", "b.mp4"}


def test_nothing_of_a_mirror_is_reported_as_not_read(place: Place) -> None:
    place.put("ballet/a.mp4", b"one")
    place.register()
    place.put("b.xyz", b"no clip, and not mirrored")
    place.register()
    assert annotation_report(place.store).to_dicts() == []


def test_a_bucket_that_takes_too_long_to_list_is_used_as_it_was_listed_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sensor's tick ends after a minute, and all folders would wait for one bucket."""
    place.put("a.mp4", b"one")
    place.register()
    place.put("b.mp4", b"two")
    client = bucket_module._client()
    pages = client.call_s3

    def one_a_page(method: str, *arguments: object, **named: object) -> object:
        more = {"MaxKeys": 1} if method == "list_objects_v2" else {}
        return pages(method, *arguments, **named, **more)

    monkeypatch.setattr(client, "call_s3", one_a_page)
    (line,) = mirror_again(place.store, within_s=0)
    assert "used as they were listed last" in line
    assert "more objects than can be listed in 0 s" in line
    (folder,) = mirrors(place.store)
    assert [path.name for path in folder.glob("*.mp4")] == ["a.mp4"]
    assert mirror_again(place.store) == []
    assert sorted(path.name for path in folder.glob("*.mp4")) == ["a.mp4", "b.mp4"]
