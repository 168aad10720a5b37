"""Names and files that are made to stop everybody: each is refused with its reason."""

import io
import json
import os
import pickle
import resource
import socket
import sqlite3
import struct
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.sax.saxutils import escape

import h5py
import numpy as np
import pytest
from clips_made import write_clip
from hostile_cases import CASES, deeplabcut_h5

from dance_models.annotations.detect_format import parse_file
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.image_names import Reading
from dance_models.annotations.unread import unread_files
from dance_models.arrays import load_arrays
from dance_models.documents import load_json
from dance_models.errors import DamagedFileError, InputError, VideoError, guarded
from dance_models.estimators.onnx_description import read_description
from dance_models.estimators.pose_file import read_track
from dance_models.estimators.pose_track import Person
from dance_models.motion.people import main_person
from dance_models.motion.read import motion_sources, unusable_sources
from dance_models.tables import file_digest, read_columns, read_metadata, read_note, read_table
from dance_models.text import csv_text, markdown_text, printable
from dance_models.video.probe import probe_clip
from dance_models.video.scan import scan_clips
from pipelines.automation.folders import FolderScan
from pipelines.previews import markdown_list
from pipelines.storage.creation import check_database
from pipelines.storage.registration import read_registered
from pipelines.storage.store import Store

NOT_UTF8 = os.fsdecode(b"caf\xe9")


def obstacles(folder: Path, suffix: str) -> list[str]:
    """Entries with a suffix that are no files, and the starts of their names."""
    os.mkfifo(folder / f"pipe{suffix}")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / f"s{suffix}"))
    listening.close()
    (folder / f"device{suffix}").symlink_to("/dev/zero")
    (folder / f"gone{suffix}").symlink_to(folder / "nothing")
    (folder / f"loop{suffix}").symlink_to(folder / f"loop{suffix}")
    return ["pipe", "s", "device", "gone", "loop"]


def test_what_is_no_file_is_no_clip_and_stops_no_other(tmp_path: Path) -> None:
    good = write_clip(tmp_path / f"{'n' * 251}.mp4", 3)
    names = obstacles(tmp_path, ".mp4")
    (tmp_path / f"{NOT_UTF8}.mp4").write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    found = scan_clips(tmp_path)
    assert [entry.path for entry in found.entries] == [good]
    said = {Path(p.file).name.partition(".")[0]: p.message for p in found.problems}
    assert set(said) == {*names, "caf\\udce9"}
    assert "pipe, not a file" in said["pipe"]
    assert "device, not a file" in said["device"]
    assert "not UTF-8" in said["caf\\udce9"]
    assert all(p.file.encode() and p.message.encode() for p in found.problems)


def test_what_is_no_file_is_no_annotation_and_no_motion(tmp_path: Path) -> None:
    CASES["annotations labelme"].write(tmp_path)
    good = len(index_annotations(tmp_path))
    names = obstacles(tmp_path, ".json")
    (tmp_path / f"{NOT_UTF8}.json").write_text("{}")
    entries = index_annotations(tmp_path)
    assert len(entries) == good > 0
    unread = {found.path.name for found in unread_files(tmp_path)}
    assert {f"{name}.json" for name in names} | {f"{NOT_UTF8}.json"} <= unread
    assert len(motion_sources(tmp_path)) == good
    assert len(unusable_sources(tmp_path)) == len(names) + 1


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.json", "a.csv", "a.npy", "a.bvh"])
def test_readers_do_not_wait_for_a_pipe(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match="pipe, not a file"):
        file_digest(tmp_path / name)
    for read in (parse_file, read_track, probe_clip, load_arrays, read_description):
        with pytest.raises(InputError):
            read(tmp_path / name)  # type: ignore[operator]


def test_a_list_of_other_files_is_no_clip(tmp_path: Path) -> None:
    write_clip(tmp_path / "real.mp4", 3)
    lists = (
        f"ffconcat version 1.0\nfile '{tmp_path}/real.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nreal.mp4\n#EXT-X-ENDLIST\n",
        "\ufeffv=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
    )
    for number, text in enumerate(lists):
        path = tmp_path / f"list{number}.mp4"
        path.write_text(text)
        with pytest.raises(VideoError, match=r"list of other files|no video|not a video"):
            probe_clip(path)


def test_a_picture_beyond_reason_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    content = zlib.compress(bytes(60000))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    (tmp_path / "take").mkdir()
    for name in ("take/0001.png", "take/0002.png"):
        (tmp_path / name).write_bytes(png)
    with pytest.raises(VideoError):
        probe_clip(tmp_path / "take")


def test_an_array_may_not_declare_more_than_the_file_holds(tmp_path: Path) -> None:
    def header(shape: tuple[int, ...]) -> bytes:
        stream = io.BytesIO()
        kind = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, kind)
        return stream.getvalue()

    (tmp_path / "a.npy").write_bytes(header((10**8, 3)) + bytes(80))
    with pytest.raises(InputError, match="declares an array of shape"):
        load_arrays(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", header((10**8, 3)) + bytes(80))
    with pytest.raises(InputError, match="declares an array of shape"):
        load_arrays(tmp_path / "a.npz")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Bomb()))
    path = deeplabcut_h5(tmp_path)
    with h5py.File(path, "r+") as file:
        file["df_with_missing"].attrs["non_index_axes"] = np.bytes_(pickle.dumps(Bomb(), 0))
    for file_name in ("a.npy", "a.pkl", path.name):
        with pytest.raises(InputError):
            read_track(tmp_path / file_name)
        with pytest.raises(InputError):
            load_arrays(tmp_path / file_name)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_may_not_ask_for_more_memory_than_it_has_bytes(tmp_path: Path) -> None:
    """Python would take 8 bytes for each place up to the one that a value is kept under."""
    path = deeplabcut_h5(tmp_path)
    for data in (
        b"(lr\xf0\xff\xff\x7f.",
        b"\x80\x05\x96" + b"\xff" * 6 + b"\0\0.",
        b"(lp99999999\n.",
    ):
        with h5py.File(path, "r+") as file:
            file["df_with_missing"].attrs["non_index_axes"] = np.void(data)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(InputError, match="not a table as DeepLabCut writes it"):
            read_track(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "in kB"


def test_hdf_may_not_declare_more_than_it_holds_or_lead_elsewhere(tmp_path: Path) -> None:
    CASES["poses sleap-h5"].write(tmp_path)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["tracks"]
        file.create_dataset("tracks", (1, 2, 17, 10**9), chunks=(1, 2, 17, 100), dtype="f8")
    with pytest.raises(InputError, match="declares"):
        read_track(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["tracks"]
        file["tracks"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(InputError, match="in another file"):
        read_track(tmp_path / "a.h5")


def test_json_says_doubled_keys_and_refuses_depth_and_size() -> None:
    document = load_json('{"a": 1, "b": {"c": 1, "c": 2, "c": 3}}', "x")
    assert document.value["b"] == {"c": 3}
    assert "2 values were given again under the same key ('c')" in (document.said or "")
    with pytest.raises(InputError, match="nested too deeply"):
        load_json("[" * 200_000, "x")
    with pytest.raises(InputError, match="takes 1"):
        load_json("[" + "[]," * 15_000_000 + "0]", "x")


def test_doubled_keys_are_reported_by_annotations_and_poses(tmp_path: Path) -> None:
    CASES["annotations coco-keypoints"].write(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace('"id": ', '"id": 99, "id": ', 1))
    assert any("under the same key" in p.message for p in parse_file(path, Reading()).problems)
    pose = tmp_path / "pose.json"
    CASES["poses own-json"].write(tmp_path)
    pose.write_text((tmp_path / "a.json").read_text().replace('"frame": ', '"frame": 1, "frame": '))
    assert any("under the same key" in note for note in read_track(pose).notes)


def test_many_tasks_and_unnamed_images_take_linear_time(tmp_path: Path) -> None:
    count = 3000
    tasks = "".join(f"<task><id>{i}</id><source>c{i}.mp4</source></task>" for i in range(count))
    tracks = "".join(
        f'<track id="{i}" task_id="{i}"><points frame="0" points="1,1"/></track>'
        for i in range(count)
    )
    path = tmp_path / "a.xml"
    path.write_text(f"<annotations><meta>{tasks}</meta>{tracks}</annotations>")
    parsed = parse_file(path)
    assert len(parsed.frames) == count
    assert len(parsed.problems) <= 2 * count


def test_people_who_are_never_followed_take_linear_time() -> None:
    points = np.full((14, 2), 5.0, np.float32)
    box = np.array([0.0, 0.0, 9.0, 9.0])
    people = {100 * i: [Person(points, np.ones(14, np.float32), box)] for i in range(4000)}
    assert len(main_person(people)) == 1


@pytest.mark.parametrize(
    "text",
    ['{"name":' * 500, "[" * 9000, '{"a": 1, "a": 2}', "[]", "7"],
    ids=("deep objects", "deep lists", "a key twice", "list", "number"),
)
def test_a_description_of_any_depth_is_an_input_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(InputError):
        read_description(tmp_path / "model.json")


def test_damaged_tables_and_notes_are_damaged_files(tmp_path: Path) -> None:
    CASES["own table and note"].write(tmp_path)
    columns = partial(read_columns, columns=["clip"])
    tables = (read_table, read_metadata, columns)
    for name, reads in (("a.parquet", tables), ("current.json", (read_note,))):
        whole = (tmp_path / name).read_bytes()
        for content in (b"", whole[: len(whole) // 2], b"x" * 50):
            (tmp_path / name).write_bytes(content)
            for read in reads:
                with pytest.raises(DamagedFileError, match=f"{name}.*makes it again"):
                    read(tmp_path / name)


def test_damaged_pointers_count_as_missing_and_a_damaged_registry_is_named(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    current = store.output("stga_net")
    current.parent.mkdir(parents=True)
    for text in ("", "{", "{}", '{"best": 1, "last": 2}'):
        current.write_text(text)
        assert store.weights_digest("stga_net") == ""
        assert list(store.checkpoints("stga_net")) == []
    registry = store.table("raw_clips")
    registry.parent.mkdir(parents=True)
    registry.write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"raw_clips.parquet: the registry.*backup"):
        read_registered(store, "raw_clips", {})
    for cursor in ("", "{", "[]", "7", '{"seen": 3}', "[" * 99_999):
        assert replace(FolderScan.from_cursor(cursor), number=0) == FolderScan()


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    check_database(path.with_name("none.db"), "nothing")
    with sqlite3.connect(path) as connection:
        connection.execute("create table a (b)")
        connection.execute("create table alembic_version (version_num)")
        connection.execute("insert into alembic_version values ('1')")
        connection.executemany("insert into a values (?)", [("x" * 999,)] * 20)
    connection.close()
    check_database(path, "nothing")
    whole = path.read_bytes()
    for content, said in ((b"", "empty"), (whole[:9000], "cut off"), (b"x" * 9000, "damaged")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"mlflow.db: the database.*{said}.*backup"):
            check_database(path, "the registry is lost")


def test_names_are_shown_as_they_are() -> None:
    assert printable("a\x1b[2J\ud800\u202eb\n") == "a\\x1b[2J\\ud800\\u202eb\\n"
    assert csv_text("=cmd()") == "'=cmd()"
    assert csv_text("-1") == "'-1"
    assert csv_text("waltz") == "waltz"
    shown = markdown_list(["<script>x</script> [a](http://b) **c**"]).md_str or ""
    assert "<script>" not in shown
    assert r"\[a\]" in shown
    assert markdown_text("a|b") == "a\\|b"
    assert escape("<") in markdown_text("<b>")


def test_the_last_guard_keeps_input_errors_and_names_others() -> None:
    with pytest.raises(InputError, match="as it is"), guarded("poses", "x"):
        raise InputError("as it is")
    said = r"a.json: cannot be read as poses \(KeyError: 'k'\)"
    with pytest.raises(InputError, match=said), guarded("poses", "a.json"):
        json.loads("{}")["k"]
    with pytest.raises(VideoError, match="nested too deeply"), guarded("poses", "x", VideoError):
        raise RecursionError
    outer = InputError("outer")
    try:
        raise outer from InputError("inner", hint="Do this")
    except InputError as error:
        assert str(error) == "outer. Do this"
    try:
        raise outer from outer
    except InputError as error:
        assert str(error) == "outer"
