"""Stores in a bucket whose clips are in shards: what a stage made of a shard is one object."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from packed_clips import (
    FIRST,
    OTHER,
    SECOND,
    SHARDS,
    STAGE,
    THIRD,
    Machines,
    are_whole,
    commit,
    contents_of,
    in_shards,
    make_clip,
    pack_name,
    pack_of_clip,
    remote_of,
)

from dance_models.errors import InputError
from dance_models.tables import write_table
from pipelines.storage.backup import back_up
from pipelines.storage.bucket import Bucket, Stored
from pipelines.storage.clips import set_shards
from pipelines.storage.packs import (
    STAGE_OF,
    STAGES,
    Packs,
    is_pack,
    names_of,
    pack_of,
    packs_of,
    part_of_clip,
)
from pipelines.storage.place import PLACE
from pipelines.storage.store import Store


@pytest.fixture
def machines(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return in_shards(tmp_path, monkeypatch)


def _files(store: Store) -> dict[str, tuple[bytes, int]]:
    """Content and time of the files of clips."""
    paths = [p for f in ("tables", "manifests") for p in (store.path / f).rglob("*.*")]
    return {
        store.relative(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in paths
        if part_of_clip(store.relative(path)) is not None
    }


def test_the_clips_of_the_tests_are_in_the_shards_that_they_say() -> None:
    assert len({pack_of_clip(clip) for clip in (FIRST, SECOND, THIRD)}) == 1
    assert pack_of_clip(OTHER) != pack_of_clip(FIRST)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("tables/clip_probe/a.parquet", ("clip_probe", "a")),
        ("tables/annotation_problems/a.b.parquet", ("pose_annotations", "a.b")),
        ("tables/findings/pose_tracks/a.parquet", ("pose_tracks", "a")),
        ("manifests/sampled_frames/a.json", ("sampled_frames", "a")),
        ("tables/raw_clips.parquet", None),
        ("tables/findings/pose_dataset.parquet", None),
        ("tables/findings/clip_probe.parquet", None),
        ("tables/findings/a.parquet", None),
        ("manifests/pose_dataset.json", None),
        ("manifests/clip_probe/a.parquet", None),
        ("tables/clip_probe/.a.parquet", None),
        ("tables/clip_probe/../a.parquet", None),
        (f"tables/clip_probe/{'x' * 300}.parquet", None),
        ("raw/clips/a.mp4", None),
        ("shards/clip_probe/shard-0000.parquet", None),
    ],
)
def test_which_files_are_of_one_clip(name: str, of: tuple[str, str] | None) -> None:
    assert part_of_clip(name) == of
    assert (pack_of(name, SHARDS) is None) == (of is None)
    assert pack_of(name, 0) is None


def test_the_packs_of_clips_are_those_of_their_files() -> None:
    named = {pack_of(name, 64) for c in ("a", "b") for s in STAGES for name in names_of(s, c)}
    assert packs_of(["a", "b"], 64) == named
    assert len(named) == 8
    assert packs_of(["a", "b"], 0) == set()


def test_packs_hold_all_that_the_stages_of_clips_make() -> None:
    from pipelines.assets.annotations import pose_annotations
    from pipelines.assets.dataset import pose_dataset

    stages = {stage.name for stage in pose_dataset.upstream() if stage.partitioned}
    assert stages == set(STAGES) >= {pose_annotations.name}
    assert {table for table, of in STAGE_OF.items() if table != of} == {"annotation_problems"}


# --- what travels -----------------------------------------------------------------------------


def test_a_shard_is_one_object_and_another_machine_has_the_same_files(machines: Machines) -> None:
    first = machines.store("a")
    commit(first, **{FIRST: 1, SECOND: 2, OTHER: 3})
    assert machines.of_clips() == {pack_of_clip(FIRST), pack_of_clip(OTHER)}
    assert remote_of(first).traffic().sent == 3, "two packs and the registry"
    second = machines.store("b")
    assert _files(second) == _files(first)
    assert len(_files(second)) == 9
    assert are_whole(second)


def test_nothing_of_clips_is_sent_or_fetched_twice(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(machines.store("a"), **{FIRST: 1, OTHER: 3})
    machines.store("b")
    travelled: list[str] = []
    for method in ("put", "get"):
        plain = getattr(Bucket, method)

        def noted(self: Bucket, name: str, *rest: object, plain: Any = plain) -> object:
            travelled.append(name)
            return plain(self, name, *rest)

        monkeypatch.setattr(Bucket, method, noted)
    for name in ("b", "a", "b"):
        store = machines.store(name)
        os.utime(store.table(STAGE, FIRST))  # as after copying, which is no other content
        remote_of(store).commit_clips(STAGE, [FIRST, OTHER])
        remote_of(store).publish()
        assert not remote_of(store).missing()
    # Each machine notes where its scratch is.
    assert set(travelled) <= {PLACE}


def test_a_changed_clip_travels_with_its_shard_and_its_files_alone_are_replaced(
    machines: Machines,
) -> None:
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1, SECOND: 2, OTHER: 3})
    machines.store("b")
    kept = {name: state for name, state in _files(second).items() if f"/{FIRST}." not in name}
    inodes = {name: (second.path / name).stat().st_ino for name in kept}
    commit(first, **{FIRST: 5})
    before = remote_of(second).traffic()
    machines.store("b")
    assert remote_of(second).traffic().since(before).fetched == 1
    assert _files(second) == _files(first)
    assert contents_of(second) == {FIRST: 5, OTHER: 3, SECOND: 2}
    assert inodes == {name: (second.path / name).stat().st_ino for name in kept}


def test_files_of_another_time_give_way_as_they_are_no_change(machines: Machines) -> None:
    """As after scratch was copied."""
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1})
    machines.store("b")
    for name in _files(second):
        os.utime(second.path / name, (1, 1))
    commit(first, **{FIRST: 2})
    machines.store("b")
    assert _files(second) == _files(first)


def test_what_scratch_lost_is_put_back_without_fetching(machines: Machines) -> None:
    store = machines.store("a")
    commit(store, **{FIRST: 1})
    whole = _files(store)
    for name in whole:
        (store.path / name).unlink()
    machines.store("a")
    assert _files(store) == whole
    assert remote_of(store).traffic().fetched == 0


def test_a_backup_has_the_files_and_no_packs(machines: Machines, tmp_path: Path) -> None:
    store = machines.store("a").initialise()
    commit(store, **{FIRST: 1})
    back_up(store, tmp_path / "copy")
    assert contents_of(Store(root=str(tmp_path / "copy"))) == {FIRST: 1}
    assert not (tmp_path / "copy" / "shards").exists()


# --- machines at the same time, and kills -----------------------------------------------------


def test_machines_that_make_clips_of_one_shard_both_have_theirs_in_it(machines: Machines) -> None:
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1})
    commit(second, **{SECOND: 2})  # it has not seen the other's pack
    assert contents_of(second) == {FIRST: 1, SECOND: 2}
    commit(first, **{THIRD: 3, FIRST: 4})
    assert contents_of(first) == {FIRST: 4, SECOND: 2, THIRD: 3}
    for name in ("b", "c"):
        assert contents_of(machines.store(name)) == {FIRST: 4, SECOND: 2, THIRD: 3}
        assert are_whole(machines.store(name))


def test_of_one_clip_the_last_machine_counts(machines: Machines) -> None:
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1})
    commit(second, **{FIRST: 2})
    assert contents_of(machines.store("a")) == contents_of(machines.store("b")) == {FIRST: 2}


def test_what_is_made_while_an_older_pack_is_fetched_stays(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1, SECOND: 1})
    machines.store("b")
    commit(first, **{FIRST: 2, SECOND: 2})
    get = Bucket.get

    def then_made(self: Bucket, name: str, path: Path) -> None:
        get(self, name, path)
        if is_pack(name):
            make_clip(second, FIRST, 3)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "get", then_made)
        machines.store("b")
    assert contents_of(second) == {FIRST: 3, SECOND: 2}
    assert are_whole(second)
    remote_of(second).commit_clips(STAGE, [FIRST])
    assert contents_of(machines.store("a")) == {FIRST: 3, SECOND: 2}


def test_a_clip_that_is_being_made_waits_and_the_others_of_its_shard_do_not(
    machines: Machines,
) -> None:
    store = machines.store("a")
    commit(store, **{FIRST: 1, SECOND: 1})
    write_table(pl.DataFrame({"x": [2]}), store.table(STAGE, FIRST))  # its manifest comes later
    make_clip(store, SECOND, 3)
    remote_of(store).publish()
    assert contents_of(machines.store("b")) == {FIRST: 1, SECOND: 3}
    assert are_whole(machines.store("b"))
    assert remote_of(store).missing() == [f"tables/{STAGE}/{FIRST}.parquet"]


def test_a_stage_over_all_clips_sends_nothing_of_single_ones(machines: Machines) -> None:
    store = machines.store("a")
    commit(store, **{FIRST: 1})
    make_clip(store, SECOND, 2)
    write_table(pl.DataFrame({"x": [1]}), store.table("pose_dataset"))
    remote_of(store).publish(clips=False)
    other = machines.store("b")
    assert contents_of(other) == {FIRST: 1}
    assert other.table("pose_dataset").is_file()
    remote_of(store).publish()
    assert contents_of(machines.store("b")) == {FIRST: 1, SECOND: 2}


def test_a_link_to_nowhere_is_not_sent(machines: Machines) -> None:
    store = machines.store("a")
    (store.path / "reports").mkdir(exist_ok=True)
    (store.path / "reports" / "lost.html").symlink_to("nowhere")
    remote_of(store).publish()
    assert not remote_of(store).missing()


class Killed(BaseException):
    """In the place of a kill."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_around_the_put_of_a_pack_loses_nothing(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    store = machines.store("a")
    commit(store, **{FIRST: 1})
    put = Bucket.put

    def failing(self: Bucket, *given: object) -> tuple[Stored, str]:
        if when == "after":
            put(self, *given)  # type: ignore[arg-type]
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", failing)
        with pytest.raises(Killed):
            commit(store, **{FIRST: 2, SECOND: 3})
    seen = contents_of(machines.store("b"))
    assert seen == ({FIRST: 1} if when == "before" else {FIRST: 2, SECOND: 3})
    assert are_whole(machines.store("b"))
    store = machines.store("a")  # the next command
    assert contents_of(store) == {FIRST: 2, SECOND: 3}
    remote_of(store).publish()
    assert not remote_of(store).missing()
    assert contents_of(machines.store("b")) == {FIRST: 2, SECOND: 3}


@pytest.mark.parametrize("files", range(4))
def test_a_kill_while_a_pack_is_unpacked_is_made_good_by_the_next_command(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1, SECOND: 1})
    machines.store("b")
    commit(first, **{FIRST: 2, SECOND: 2})
    written, utime = iter(range(100)), os.utime

    def failing(*given: object, **more: object) -> None:
        if next(written) == files:
            raise Killed
        utime(*given, **more)  # type: ignore[arg-type, call-overload]

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.storage.packs.os.utime", failing)
        with pytest.raises(Killed):
            machines.store("b")
    machines.store("b")
    assert _files(second) == _files(first)


def test_a_pack_that_others_write_again_and_again_is_an_error(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Packs, "_put", lambda *given: False)
    with pytest.raises(InputError, match=r"s3://.*shard-0.*again and again"):
        commit(machines.store("a"), **{FIRST: 1})


# --- lost and damaged -------------------------------------------------------------------------


def test_a_lost_pack_is_found_and_sent_again(machines: Machines) -> None:
    store = machines.store("a")
    commit(store, **{FIRST: 1, SECOND: 2})
    Bucket.of(machines.url).delete([pack_of_clip(FIRST)])
    store = machines.store("a")
    assert len(remote_of(store).missing()) == 6
    assert contents_of(store) == {FIRST: 1, SECOND: 2}
    remote_of(store).publish()
    assert not remote_of(store).missing()
    assert contents_of(machines.store("b")) == {FIRST: 1, SECOND: 2}


def test_a_pack_that_goes_while_it_is_sent_is_sent_whole(machines: Machines) -> None:
    """As when another machine put the clips in another number of shards."""
    store = machines.store("a")
    commit(store, **{FIRST: 1})
    Bucket.of(machines.url).delete([pack_of_clip(FIRST)])
    commit(store, **{SECOND: 2})
    assert contents_of(machines.store("b")) == {FIRST: 1, SECOND: 2}


def test_a_machine_that_lost_its_pack_leaves_out_no_clip_of_others(machines: Machines) -> None:
    first, second = machines.store("a"), machines.store("b")
    commit(first, **{FIRST: 1})
    second = machines.store("b")
    for path in second.path.glob("shards/*/*.parquet"):
        path.unlink()
    commit(second, **{SECOND: 2})
    assert contents_of(machines.store("c")) == {FIRST: 1, SECOND: 2}


def test_a_damaged_pack_is_said_once_and_replaced_by_who_has_the_files(
    machines: Machines, caplog: pytest.LogCaptureFixture
) -> None:
    first = machines.store("a")
    commit(first, **{FIRST: 1})
    damaged = machines.folder / "damaged"
    damaged.write_bytes(b"PAR1" + b"x" * 300)
    Bucket.of(machines.url).put(pack_of_clip(FIRST), damaged)
    assert contents_of(machines.store("b")) == {}
    assert "a pack of s3://" in caplog.text
    caplog.clear()
    assert contents_of(machines.store("b")) == {}
    assert not caplog.text
    first = machines.store("a")
    assert contents_of(first) == {FIRST: 1}
    assert len(remote_of(first).missing()) == 3
    remote_of(first).publish()
    assert contents_of(machines.store("b")) == {FIRST: 1}


def test_a_pack_writes_nothing_but_files_of_its_shard_and_stage(machines: Machines) -> None:
    rows = [
        {"name": name, "size": 1, "mtime_ns": 1, "md5": "x", "content": b"x"}
        for name in (
            "../escaped",
            "tables/clip_probe/../../../escaped.parquet",
            "tables/raw_clips.parquet",
            f"tables/{STAGE}/{OTHER}.parquet",
            f"tables/pose_tracks/{FIRST}.parquet",
        )
    ]
    odd = machines.folder / "odd.parquet"
    write_table(pl.DataFrame(rows), odd)
    Bucket.of(machines.url).put(pack_of_clip(FIRST), odd)
    store = machines.store("b")
    assert _files(store) == {}
    assert not list(machines.folder.rglob("escaped*"))
    commit(store, **{FIRST: 1})
    assert contents_of(machines.store("a")) == {FIRST: 1}


# --- stores from before -----------------------------------------------------------------------


def _with_objects_of_clips(store: Store, contents: Mapping[str, int]) -> None:
    """As an earlier version sent them, and as a store without shards does."""
    for clip, content in contents.items():
        make_clip(store, clip, content)
        *files, manifest = (store.path / name for name in names_of(STAGE, clip))
        remote_of(store).commit(files, manifest)


def test_objects_of_clips_become_packs(machines: Machines) -> None:
    first = machines.store("a")
    _with_objects_of_clips(first, {FIRST: 1, SECOND: 2, OTHER: 3})
    assert len(machines.of_clips()) == 9
    second = machines.store("b")
    assert contents_of(second) == {FIRST: 1, OTHER: 3, SECOND: 2}
    remote_of(second).publish()
    assert machines.of_clips() == {pack_of_clip(FIRST), pack_of_clip(OTHER)}
    for name in ("a", "b"):
        store = machines.store(name)
        remote_of(store).publish()
        assert not remote_of(store).missing()
        before = remote_of(store).traffic()
        remote_of(machines.store(name)).publish()
        assert remote_of(store).traffic() == before
    assert contents_of(machines.store("c")) == {FIRST: 1, OTHER: 3, SECOND: 2}


def test_a_machine_with_older_objects_of_clips_takes_the_newer_pack(machines: Machines) -> None:
    first = machines.store("a")
    _with_objects_of_clips(first, {FIRST: 1})
    second = machines.store("b")
    commit(first, **{FIRST: 2})
    remote_of(first).publish()
    assert contents_of(machines.store("b")) == {FIRST: 2}
    remote_of(second).publish()
    assert _files(machines.store("b")) == _files(machines.store("c")) == _files(first)


def test_a_kill_between_pack_and_older_objects_leaves_the_pack_to_count(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machines.store("a")
    _with_objects_of_clips(first, {FIRST: 1})
    make_clip(first, FIRST, 2)

    def killed(self: Bucket, names: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "delete", killed)
        with pytest.raises(Killed):
            remote_of(first).publish()
    assert len(machines.of_clips()) == 4
    assert contents_of(machines.store("b")) == {FIRST: 2}
    remote_of(machines.store("a")).publish()
    assert machines.of_clips() == {pack_of_clip(FIRST)}
    assert contents_of(machines.store("a")) == contents_of(machines.store("b")) == {FIRST: 2}


@pytest.mark.parametrize("shards", [1, 3])
def test_another_number_of_shards_gives_other_packs(machines: Machines, shards: int) -> None:
    first = machines.store("a")
    contents = {FIRST: 1, SECOND: 2, THIRD: 3, OTHER: 4}
    commit(first, **contents)
    machines.store("b")
    set_shards(first, shards)
    remote_of(first).publish()
    assert machines.of_clips() == {pack_name(clip, shards) for clip in contents}
    assert {first.relative(p) for p in first.path.glob("shards/*/*")} == machines.of_clips()
    assert not remote_of(first).missing()
    commit(first, **{FIRST: 5})
    for name in ("b", "c"):
        store = machines.store(name)
        assert _files(store) == _files(first)
        remote_of(store).publish()
    assert contents_of(machines.store("a"))[FIRST] == 5


def test_a_store_that_is_a_folder_has_no_packs(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path / "store"))
    set_shards(store, SHARDS)
    make_clip(store, FIRST, 1)
    store.send()
    assert not (store.path / "shards").exists()


def test_a_damaged_registry_does_not_stop_what_does_not_need_it(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines(tmp_path, monkeypatch)
    store = machines.store("a")
    write_table(pl.DataFrame({"clip": ["a"]}), store.table("raw_clips"))
    remote_of(store).publish()
    store.table("raw_clips").write_bytes(b"PAR1")
    assert machines.store("a").path == store.path
    with pytest.raises(InputError, match=r"raw_clips\.parquet"):
        remote_of(store).publish()  # it would be damaged in the bucket, too
