"""Conversion between Parquet rows and pose runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dance_models.config import AugmentConfig
from dance_models.data.assemble import join_pose_dataset, pose_runs_from_rows, rows_from_pose_runs
from dance_models.data.augment import augment_run
from dance_models.data.pose_runs import load_pose_runs, save_pose_runs
from dance_models.errors import InputError
from dance_models.evidence import NUM_EVIDENCE
from dance_models.tables import (
    ANNOTATIONS,
    FRAMES,
    POSE_DATASET,
    RENDERED_ROWS,
    SPLIT_ROWS,
    TRACKS,
    conform,
)

Row = dict[str, object]


def pose(value: float) -> list[list[float]]:
    return [[value + j, value + 2 * j] for j in range(14)]


def frame_row(frame: int, run: int = 0, clip: str = "a") -> Row:
    return {
        "clip": clip,
        "style": "ballet",
        "performer": None,
        "take": "t1",
        "run": run,
        "frame": frame,
        "time_s": frame / 25,
        "image": f"{clip}/{frame}.jpg",
        "width": 320,
        "height": 240,
        "backend": "pyav",
    }


def track_row(frame: int, found: bool = True, clip: str = "a") -> Row:
    return {
        "clip": clip,
        "run": 0,
        "frame": frame,
        "time_s": frame / 25,
        "keypoints": pose(frame) if found else None,
        "score": [0.5] * 14 if found else None,
        "landmarks": [[1.0, 2.0, 0.5]] * 33 if found else None,
        "evidence": [[float(i) for i in range(NUM_EVIDENCE)]] * 33 if found else None,
        "estimator": "blazepose",
        "estimator_version": "1",
    }


def annotation_row(frame: int, clip: str = "a") -> Row:
    visibility = [2] * 14
    visibility[3] = 0
    keypoints = pose(frame + 0.5)
    keypoints[3] = [float("nan"), float("nan")]
    return {
        "clip": clip,
        "frame": frame,
        "keypoints": keypoints,
        "visibility": visibility,
        "source_file": "a.json",
        "annotator": None,
    }


def dataset(frames: list[Row], tracks: list[Row], annotations: list[Row]) -> pl.DataFrame:
    return join_pose_dataset(
        pl.DataFrame(frames, schema=dict(FRAMES)),
        pl.DataFrame(tracks, schema=dict(TRACKS)),
        pl.DataFrame(annotations, schema=dict(ANNOTATIONS)),
    )


def split_rows(table: pl.DataFrame) -> pl.DataFrame:
    return conform(
        table.with_columns(
            group=pl.lit("t1"), split=pl.lit("train"), fold=pl.lit(2), variant=pl.lit(0)
        ),
        SPLIT_ROWS,
    )


def simple() -> pl.DataFrame:
    frames = [frame_row(f) for f in (12, 10, 11)] + [frame_row(f, run=1) for f in (40, 41)]
    tracks = [track_row(f, found=f != 11) for f in (10, 11, 12, 40)]
    return dataset(frames, tracks, [annotation_row(10), annotation_row(12), annotation_row(99)])


def test_join_keeps_every_sampled_frame_and_no_other() -> None:
    table = simple()
    assert table.schema == pl.DataFrame(schema=dict(POSE_DATASET)).schema
    assert table["frame"].to_list() == [10, 11, 12, 40, 41]
    assert table["keypoints"].is_null().to_list() == [False, True, False, False, True]
    assert table["annotation"].is_null().to_list() == [False, True, False, True, True]
    assert table["estimator"].to_list() == ["blazepose"] * 4 + [None]


def test_join_refuses_a_frame_twice() -> None:
    with pytest.raises(InputError, match="tracks table") as error:
        dataset([frame_row(1)], [track_row(1), track_row(1)], [])
    assert str(error.value).startswith("a: frame 1")


def test_join_of_empty_tables_is_empty() -> None:
    assert dataset([], [], []).height == 0


def test_runs_hold_what_the_rows_say() -> None:
    first, second = pose_runs_from_rows(split_rows(simple()).sort("frame", descending=True))
    assert (first.clip, first.style, first.performer, first.group) == ("a", "ballet", "", "t1")
    assert (first.split, first.fold, first.run, first.variant) == ("train", 2, 0, 0)
    assert (first.width, first.height) == (320, 240)
    assert first.frame.tolist() == [10, 11, 12] and second.frame.tolist() == [40, 41]
    np.testing.assert_allclose(first.time_s, [0.4, 0.44, 0.48])
    np.testing.assert_array_equal(first.estimate[0], pose(10))
    assert np.isnan(first.estimate[1]).all() and (first.score[1] == 0).all()
    assert first.landmarks.shape == (3, 33, 3) and np.isnan(first.landmarks[1]).all()
    assert first.evidence.shape == (3, 33, NUM_EVIDENCE) and np.isnan(first.evidence[1]).all()
    np.testing.assert_array_equal(first.evidence[2, 7], np.arange(NUM_EVIDENCE))
    assert first.annotated.tolist() == [True, False, True]
    assert first.visibility[0].tolist() == [2, 2, 2, 0] + [2] * 10
    assert np.isnan(first.annotation[0, 3]).all()
    np.testing.assert_array_equal(first.annotation[2, 0], [12.5, 12.5])
    assert (second.visibility == 0).all()
    for name, kind in (("estimate", "f4"), ("visibility", "u1"), ("frame", "i8"), ("time_s", "f8")):
        assert getattr(first, name).dtype == kind


def test_a_joint_marked_visible_without_coordinates_is_absent() -> None:
    broken = annotation_row(10) | {"visibility": [2] * 14}
    (run,) = pose_runs_from_rows(split_rows(dataset([frame_row(10)], [track_row(10)], [broken])))
    assert run.visibility[0, 3] == 0


def test_a_gap_inside_a_run_is_a_located_error() -> None:
    rows = split_rows(dataset([frame_row(1), frame_row(2), frame_row(4)], [], []))
    with pytest.raises(InputError, match="jumps to frame 4") as error:
        pose_runs_from_rows(rows)
    assert str(error.value).startswith("a: frame 2")


def test_a_frame_twice_in_a_run_is_an_error() -> None:
    rows = split_rows(simple())
    with pytest.raises(InputError, match="split table"):
        pose_runs_from_rows(pl.concat([rows, rows.head(1)]))


def test_no_rows_give_no_runs() -> None:
    assert pose_runs_from_rows(pl.DataFrame(schema=dict(SPLIT_ROWS))) == []


def test_tables_from_before_the_evidence_are_still_read() -> None:
    frames, tracks, annotations = (
        pl.DataFrame([row], schema=dict(schema))
        for row, schema in (
            (frame_row(10), FRAMES),
            (track_row(10), TRACKS),
            (annotation_row(10), ANNOTATIONS),
        )
    )
    table = join_pose_dataset(frames, tracks.drop("evidence"), annotations)
    assert table["evidence"].is_null().all()
    (run,) = pose_runs_from_rows(split_rows(table.drop("evidence")))
    assert run.evidence.shape == (1, 0, NUM_EVIDENCE)
    assert run.landmarks.shape == (1, 33, 3)


def test_without_any_landmarks_there_are_none_and_runs_can_be_saved(tmp_path: Path) -> None:
    tracks = [track_row(f) | {"landmarks": None} for f in (1, 2)]
    runs = pose_runs_from_rows(split_rows(dataset([frame_row(1), frame_row(2)], tracks, [])))
    assert runs[0].landmarks.shape == (2, 0, 3)
    save_pose_runs(runs, tmp_path / "runs.npz")
    assert len(load_pose_runs(tmp_path / "runs.npz")) == 1


def test_a_run_without_landmarks_beside_one_with_them_can_be_saved(tmp_path: Path) -> None:
    frames = [frame_row(1), frame_row(5, run=1)]
    rows = split_rows(dataset(frames, [track_row(1), track_row(5, found=False)], []))
    runs = pose_runs_from_rows(rows)
    save_pose_runs(runs, tmp_path / "runs.npz")
    assert [r.landmarks.shape for r in load_pose_runs(tmp_path / "runs.npz")] == [(1, 33, 3)] * 2


def test_rows_of_runs_are_the_rows_the_runs_came_from() -> None:
    rows = split_rows(simple()).with_columns(performer=pl.lit(""))
    back = rows_from_pose_runs(pose_runs_from_rows(rows), rows)
    known = pl.col("keypoints").is_not_null()
    assert back.schema == rows.schema
    # a frame without any track row (41) has no estimator; everything else is as it was
    assert back.filter(known).drop("annotation").equals(rows.filter(known).drop("annotation"))
    for column in ("annotation", "landmarks", "keypoints"):
        assert back[column].is_null().equals(rows[column].is_null())
    np.testing.assert_array_equal(
        back["annotation"].drop_nulls().to_numpy(), rows["annotation"].drop_nulls().to_numpy()
    )


def test_augmented_rows_round_trip_through_a_table() -> None:
    rows = split_rows(simple())
    runs = pose_runs_from_rows(rows)
    copies = [augment_run(r, AugmentConfig(), v)[0] for r in runs for v in (1, 2)]
    table = rows_from_pose_runs(copies, rows)
    assert table.height == 2 * rows.height and set(table["variant"]) == {1, 2}
    assert table["image"].to_list()[:2] == ["a/10.jpg", "a/11.jpg"]
    again = {(r.run, r.variant): r for r in pose_runs_from_rows(pl.concat([rows, table]))}
    for copy in copies:
        other = again[copy.run, copy.variant]
        for name in ("frame", "estimate", "score", "landmarks", "annotation", "visibility"):
            np.testing.assert_array_equal(getattr(other, name), getattr(copy, name), name)


def test_no_runs_give_no_rows_and_unknown_frames_are_an_error() -> None:
    rows = split_rows(simple())
    assert rows_from_pose_runs([], rows).height == 0
    runs = pose_runs_from_rows(rows)
    with pytest.raises(InputError, match="original rows"):
        rows_from_pose_runs(runs, rows.head(2))


def test_a_consensus_survives_the_table_and_other_tables_have_none() -> None:
    rows = split_rows(simple())
    runs = pose_runs_from_rows(rows)
    assert "consensus" not in rows_from_pose_runs(runs, rows).columns
    agreed = runs[0].annotation + np.float32(0.5)
    table = rows_from_pose_runs([replace(runs[0], consensus=agreed), runs[1]], rows)
    assert table.schema == pl.Schema(RENDERED_ROWS)
    assert table["consensus"].is_null().to_list() == [False, True, False, True, True]
    first, second = pose_runs_from_rows(table)
    np.testing.assert_array_equal(first.consensus, agreed)
    assert np.isnan(second.consensus).all()
