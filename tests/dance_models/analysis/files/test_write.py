"""Files for other tools, read back with our own readers or with the format's library."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pose_files import body, in_order

from dance_models.analysis.angles import angles
from dance_models.analysis.files import measured as measured_module
from dance_models.analysis.files.measured import Measured
from dance_models.analysis.files.write import DEFAULT_FORMATS, FILE_FORMATS, write_files
from dance_models.errors import InputError
from dance_models.estimators.pose_file import read_people, read_track
from dance_models.estimators.pose_models import OPENPOSE_BODY25
from dance_models.evidence import LANDMARKS
from dance_models.skeleton import DANCE_14
from dance_models.tables import read_metadata

FRAMES = 12
KNEE = DANCE_14.index["left_knee"]
TOP = DANCE_14.index["head_top"]


@pytest.fixture
def measured() -> Measured:
    """Frame 4 is empty, the left knee is missing in frame 7, and the rate is uneven."""
    rng = np.random.default_rng(8)
    poses, marks = np.zeros((FRAMES, 14, 2)), np.zeros((FRAMES, len(LANDMARKS), 3))
    for frame in range(FRAMES):
        person = body(rng)
        poses[frame] = in_order(DANCE_14.names, person)
        marks[frame, :, :2] = in_order(LANDMARKS, person)
    score, marks[..., 2] = rng.uniform(0.2, 0.9, (FRAMES, 14)), 0.8
    poses[4], score[4], marks[4] = np.nan, 0, np.nan
    poses[7, KNEE] = np.nan
    return Measured(
        *("solo", 640, 480, 25.0, np.cumsum(rng.uniform(0.03, 0.05, FRAMES))),
        *(poses, score, marks, angles(poses, marks)),
    )


def one(folder: Path, measured: Measured, name: str) -> Path:
    (path,) = write_files(folder, "solo", measured, [name])
    assert not [p for p in folder.iterdir() if p.name.startswith(".")]  # no temporary is left
    return path


def same_poses(path: Path, measured: Measured, *, scores: bool = True, beside: int = -1) -> None:
    people = read_people(path)
    assert sorted(people) == [frame for frame in range(FRAMES) if frame != 4]
    for frame, (person,) in people.items():
        expected = measured.poses[frame].copy()
        joints = [joint for joint in range(14) if joint != beside]
        np.testing.assert_allclose(person.keypoints[joints], expected[joints], atol=0.006)
        if scores:
            np.testing.assert_allclose(
                person.score[joints], measured.confidence[frame][joints], atol=0.0011
            )


# --- our own readers ----------------------------------------------------------------------------


def test_coco_is_read_back(tmp_path: Path, measured: Measured) -> None:
    path = one(tmp_path, measured, "coco")
    same_poses(path, measured)
    document = json.loads(path.read_text())
    assert document["categories"][0]["keypoints"] == list(DANCE_14.names)
    assert len(document["images"]) == FRAMES
    ids = {entry["image_id"]: entry["id"] for entry in document["annotations"]}
    assert ids[7] == 8  # COCOeval takes the id 0 of an annotation for "no match"
    assert min(ids.values()) >= 1
    entry = next(e for e in document["annotations"] if e["image_id"] == 7)
    assert entry["keypoints"][3 * KNEE : 3 * KNEE + 3] == [0, 0, 0]
    assert entry["num_keypoints"] == 13
    x, y, width, height = entry["bbox"]
    seen = np.delete(measured.poses[7], KNEE, axis=0)
    np.testing.assert_allclose([x, y], seen.min(axis=0), atol=0.01)
    np.testing.assert_allclose([x + width, y + height], seen.max(axis=0), atol=0.02)


def test_coco_without_graded_confidence_has_visibilities(
    tmp_path: Path, measured: Measured
) -> None:
    whole = replace(measured, score=np.ones_like(measured.score))
    path = one(tmp_path, whole, "coco")
    same_poses(path, whole)  # the reader makes 1 of visibility 2


def test_coco_has_a_joint_that_was_filled_in(tmp_path: Path, measured: Measured) -> None:
    """COCO's tools take the third number 0 for a joint that is missing."""
    measured.score[5] = 0
    path = one(tmp_path, measured, "coco")
    same_poses(path, measured)
    for entry in json.loads(path.read_text())["annotations"]:
        assert sum(third > 0 for third in entry["keypoints"][2::3]) == entry["num_keypoints"]


def test_openpose_is_read_back(tmp_path: Path, measured: Measured) -> None:
    folder = one(tmp_path, measured, "openpose")
    assert folder.name == "solo_openpose"
    names = sorted(p.name for p in folder.iterdir())
    assert len(names) == FRAMES
    assert names[3] == "solo_openpose_000000000003_keypoints.json"
    assert read_track(folder).model == "body_25"
    same_poses(folder, measured, beside=TOP)  # the reader derives the top of the head
    assert json.loads((folder / names[4]).read_text())["people"] == []


def test_openpose_joints(tmp_path: Path, measured: Measured) -> None:
    folder = one(tmp_path, measured, "openpose")
    frame = json.loads((folder / "solo_openpose_000000000007_keypoints.json").read_text())
    joints = np.reshape(frame["people"][0]["pose_keypoints_2d"], (25, 3))
    by_name = dict(zip(OPENPOSE_BODY25, joints, strict=True))
    missing = {name for name, values in by_name.items() if not values.any()}
    assert missing == {"left_knee", "left_small_toe", "right_small_toe"}
    hips = measured.poses[7, list(DANCE_14.hips)].mean(axis=0)
    np.testing.assert_allclose(by_name["mid_hip"][:2], hips, atol=1e-3)
    toe = measured.landmarks[7, LANDMARKS.index("right_foot_index")]
    np.testing.assert_allclose(by_name["right_big_toe"], toe, atol=1e-3)
    ear = measured.landmarks[7, LANDMARKS.index("left_ear")]
    np.testing.assert_allclose(by_name["left_ear"], ear, atol=1e-3)


def test_openpose_without_landmarks_and_confidence(tmp_path: Path, measured: Measured) -> None:
    """A joint that is there stays there, though its confidence is 0."""
    bare = replace(
        measured, score=np.zeros_like(measured.score), landmarks=measured.landmarks[:, :0]
    )
    folder = one(tmp_path, bare, "openpose")
    same_poses(folder, bare, beside=TOP)
    joints = np.reshape(
        json.loads((folder / "solo_openpose_000000000000_keypoints.json").read_text())["people"][0][
            "pose_keypoints_2d"
        ],
        (25, 3),
    )
    assert not joints[OPENPOSE_BODY25.index("left_heel")].any()


def test_a_folder_of_frames_takes_the_place_of_an_older_one(
    tmp_path: Path, measured: Measured
) -> None:
    one(tmp_path, measured, "openpose")
    short = replace(
        measured,
        **{n: getattr(measured, n)[:3] for n in ("time_s", "poses", "score", "landmarks")},
        angles={},
    )
    folder = one(tmp_path, short, "openpose")
    assert len(list(folder.iterdir())) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["solo_openpose"]


def test_a_failure_leaves_the_older_frames(
    tmp_path: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = one(tmp_path, measured, "openpose")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(path: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_files(tmp_path, "solo", measured, ["openpose"])
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["solo_openpose"]


def test_trc_in_pixels_is_read_back(tmp_path: Path, measured: Measured) -> None:
    path = one(tmp_path, measured, "trc")
    same_poses(path, measured, scores=False)
    lines = path.read_text().splitlines()
    assert dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))["Units"] == "px"
    times = [float(line.split("\t")[1]) for line in lines[6:]]
    np.testing.assert_allclose(times, measured.time_s, atol=1e-6)


def test_every_row_of_a_trc_has_all_cells_that_opensim_counts(
    tmp_path: Path, measured: Measured
) -> None:
    """Its TRCFileAdapter leaves out an empty cell at the end of a row, and then refuses the file.

    Frame 4 has nobody, and frame 9 lacks the last marker.
    """
    poses = measured.poses.copy()
    poses[9, -1] = np.nan
    lines = one(tmp_path, replace(measured, poses=poses), "trc").read_text().splitlines()
    rows = [line.removesuffix("\t").split("\t") for line in lines[6:]]
    assert {len(row) for row in rows} == {2 + 3 * 14}
    assert np.isnan([float(cell) for cell in rows[4][2:]]).all()
    assert np.isnan([float(cell) for cell in rows[9][-3:]]).all()
    assert not np.isnan([float(cell) for cell in rows[9][2:-3]]).any()


def test_trc_in_metres_points_up(tmp_path: Path, measured: Measured) -> None:
    scaled = replace(measured, metres_per_pixel=0.005)
    path = one(tmp_path, scaled, "trc")
    lines = path.read_text().splitlines()
    assert lines[2].split("\t")[4] == "m"
    row = [float(cell) for cell in lines[6].split("\t")]
    x, y = measured.poses[0, 0]
    assert row[2:5] == pytest.approx([0.005 * x, 0.005 * (479 - y), 0.0], abs=1e-5)
    with pytest.raises(InputError, match="in metres, not pixels"):
        read_people(path)


# --- the formats' own libraries -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_tables_have_units_in_their_columns(tmp_path: Path, measured: Measured, name: str) -> None:
    path = one(tmp_path, measured, name)
    table = pl.read_csv(path) if name == "csv" else pl.read_parquet(path)
    assert table.height == FRAMES
    assert table.columns[:6] == [
        "clip", "frame", "time_s", "head_top_x_px", "head_top_y_px", "head_top_confidence",
    ]  # fmt: skip
    assert table["frame"].to_list() == list(range(FRAMES))
    np.testing.assert_allclose(table["time_s"], measured.time_s, atol=1e-6)
    np.testing.assert_allclose(
        table["left_knee_y_px"].to_numpy(), measured.poses[:, KNEE, 1], atol=1e-4
    )
    assert np.flatnonzero(table["left_knee_x_px"].is_null()).tolist() == [4, 7]
    assert table["left_knee_confidence"][7] == 0
    for angle, values in measured.angles.items():
        np.testing.assert_allclose(table[f"{angle}_deg"].to_numpy(), values, atol=1e-4)


def test_parquet_says_its_units(tmp_path: Path, measured: Measured) -> None:
    metadata = read_metadata(one(tmp_path, measured, "parquet"))
    assert json.loads(metadata["units"])["_px"] == "pixels, y down"
    assert json.loads(metadata["joints"]) == list(DANCE_14.names)
    assert json.loads(metadata["angles"]).keys() == measured.angles.keys()
    assert (metadata["width_px"], metadata["height_px"]) == ("640", "480")


def test_mot_has_degrees(tmp_path: Path, measured: Measured) -> None:
    lines = one(tmp_path, measured, "mot").read_text().splitlines()
    assert "inDegrees=yes" in lines
    assert f"nRows={FRAMES}" in lines
    assert f"nColumns={len(measured.angles) + 1}" in lines
    start = lines.index("endheader") + 1
    assert lines[start].split("\t") == ["time", *measured.angles]
    rows = np.array([[float(cell) for cell in line.split("\t")] for line in lines[start + 1 :]])
    expected = np.column_stack([measured.time_s, *measured.angles.values()])
    np.testing.assert_allclose(rows, expected, atol=1e-4)


@pytest.mark.parametrize("scale", [None, 0.005])
def test_c3d_is_read_back(tmp_path: Path, measured: Measured, scale: float | None) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    stored = ezc3d.c3d(str(one(tmp_path, replace(measured, metres_per_pixel=scale), "c3d")))
    point = stored["parameters"]["POINT"]
    assert point["LABELS"]["value"] == list(DANCE_14.names)
    assert point["UNITS"]["value"] == ["mm" if scale else "px"]
    mean = (FRAMES - 1) / (measured.time_s[-1] - measured.time_s[0])
    assert point["RATE"]["value"][0] == pytest.approx(mean, rel=1e-5)
    points = stored["data"]["points"][:3].transpose(2, 1, 0)
    expected = measured.poses.copy()
    if scale:
        expected = np.stack([expected[..., 0], 479 - expected[..., 1]], axis=-1) * 5
    np.testing.assert_allclose(points[..., :2], expected, atol=1e-3)
    seen = np.isfinite(expected).all(axis=-1)
    assert (points[seen][:, 2] == 0).all()


def test_without_the_extra_c3d_names_it(
    tmp_path: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"dance-pose-pipeline\[c3d\]"):
        write_files(tmp_path, "solo", measured, ["csv", "c3d"])
    assert not list(tmp_path.iterdir())  # nothing of the others is written first


# --- one entry for all ----------------------------------------------------------------------------


def test_all_that_needs_no_extra_is_written_at_once(tmp_path: Path, measured: Measured) -> None:
    written = write_files(tmp_path / "new", "solo", measured)
    assert [path.name for path in written] == [
        "solo.csv", "solo.parquet", "solo.coco.json", "solo_openpose", "solo.trc", "solo.mot",
    ]  # fmt: skip
    assert all(path.exists() for path in written)
    assert set(FILE_FORMATS) - set(DEFAULT_FORMATS) == {"c3d"}


def test_an_unknown_format_is_named(tmp_path: Path, measured: Measured) -> None:
    with pytest.raises(InputError, match="no file format 'xls'"):
        write_files(tmp_path, "solo", measured, ["csv", "xls"])
    assert not list(tmp_path.iterdir())


def test_names_cannot_be_formulas_or_lines(tmp_path: Path, measured: Measured) -> None:
    bad = replace(measured, clip="=cmd|' /C calc'!A0\n\x1b[2J", angles={"=1+1\n": np.zeros(FRAMES)})
    paths = write_files(tmp_path, "solo", bad)
    table = pl.read_csv(paths[0])
    assert table["clip"][0].startswith("'=cmd")
    assert table.columns[-1].startswith("'=1+1")
    for path in paths:
        if path.is_file() and path.suffix != ".parquet":
            assert "\x1b" not in path.read_text()
    header = paths[-1].read_text().splitlines()
    assert header[1] == "version=1"


def test_a_video_without_anybody(tmp_path: Path, measured: Measured) -> None:
    nobody = replace(
        measured,
        poses=measured.poses * np.nan,
        score=measured.score * np.nan,
        landmarks=measured.landmarks * np.nan,
        angles={name: values * np.nan for name, values in measured.angles.items()},
    )
    for path in write_files(tmp_path, "solo", nobody):
        assert path.exists()
    assert json.loads((tmp_path / "solo.coco.json").read_text())["annotations"] == []


def test_arrays_of_other_lengths_are_refused(measured: Measured) -> None:
    with pytest.raises(ValueError, match="score has the shape"):
        replace(measured, score=measured.score[:3])
    with pytest.raises(ValueError, match="metres_per_pixel"):
        replace(measured, metres_per_pixel=0.0)


def test_files_do_not_depend_on_how_many_frames_are_written_at_once(
    tmp_path: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(folder: str) -> dict[Path, bytes]:
        write_files(tmp_path / folder, "solo", measured)
        files = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
        return {path.relative_to(tmp_path / folder): path.read_bytes() for path in files}

    whole = written("whole")
    monkeypatch.setattr(measured_module, "_AT_ONCE", 5)
    parts = written("parts")
    assert len(whole) == FRAMES + len(DEFAULT_FORMATS) - 1
    assert {name for name in whole if whole[name] != parts[name]} == set()
