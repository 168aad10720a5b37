"""The long tables: columns, hand-computed values, intervals, pooling, comparisons."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from evaluation_cases import TORSO, figure, make_run, swaying
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig
from dance_models.data.forecast_windows import FUTURE, ForecastWindows, cut_windows
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.filters import raw
from dance_models.evaluation.forecasts import constant_velocity, zero_velocity
from dance_models.evaluation.scores import (
    PAIRED_SCORES,
    PREDICTION_SCORES,
    RECOGNITION_SCORES,
    paired_prediction_scores,
    paired_recognition_scores,
    prediction_scores,
    recognition_scores,
)
from dance_models.skeleton import DANCE_14

CONFIG = EvaluationConfig(bootstrap_samples=200)


def one(table: pl.DataFrame, **where: Any) -> dict[str, Any]:
    return (
        table.filter(**where).row(0, named=True)
        if table.filter(**where).height == 1
        else pytest.fail(f"{table.filter(**where).height} rows match {where}")
    )


def still_run(
    frames: int, clip: str, style: str = "ballet", wrong: int = 0, run: int = 0
) -> PoseRun:
    """A still dancer whose head top is 15 px off in the first ``wrong`` frames."""
    truth = np.tile(figure(), (frames, 1, 1))
    seen = truth.copy()
    seen[:wrong, DANCE_14.index["head_top"], 0] += 15
    return make_run(truth, seen, clip=clip, style=style, run=run)


RUNS = [
    still_run(10, "a", wrong=10),
    still_run(30, "b", wrong=0),
    still_run(20, "c", style="street", wrong=10),
]


def test_recognition_columns_are_the_contract() -> None:
    table = recognition_scores(RUNS, {"raw": raw(RUNS)}, CONFIG, "test", seed=0)
    assert table.columns == [
        "method", "input", "style", "joint", "metric", "threshold", "value",
        "ci_low", "ci_high", "n_clips", "n_takes", "n_frames", "seed", "split",
    ]  # fmt: skip
    assert table.schema == pl.DataFrame(schema=dict(RECOGNITION_SCORES)).schema
    assert set(table["style"]) == {"all", "ballet", "street"}
    assert set(table["joint"]) == {*DANCE_14.names, "all", "all_but_head_top"}
    assert (table["input"] == "raw").all() and (table["split"] == "test").all()
    key = ["method", "style", "joint", "metric", "threshold"]
    assert not table.select(key).is_duplicated().any()


def test_a_style_called_all_has_no_rows_beside_those_of_all_styles() -> None:
    runs = [replace(RUNS[0], style="all"), *RUNS[1:]]
    table = recognition_scores(runs, {"raw": raw(runs)}, CONFIG, "test", seed=0)
    whole = {"style": "all", "joint": "all", "metric": "pck_torso", "threshold": 0.1}
    assert one(table, **whole)["n_clips"] == 3


def test_recognition_values_by_hand() -> None:
    table = recognition_scores(RUNS, {"raw": raw(RUNS)}, CONFIG, "test", seed=3)
    where = {"metric": "pck_torso", "threshold": 0.1}
    head = one(table, style="all", joint="head_top", **where)
    assert head["value"] == pytest.approx(40 / 60)  # frames are pooled over clips
    assert (head["n_clips"], head["n_takes"], head["n_frames"], head["seed"]) == (3, 3, 60, 3)
    assert one(table, style="street", joint="head_top", **where)["value"] == 0.5
    assert one(table, style="all", joint="all", **where)["value"] == pytest.approx(
        (13 + 40 / 60) / 14
    )
    assert one(table, style="all", joint="all_but_head_top", **where)["value"] == 1
    # 15 px are right at 0.2 x torso and at 0.1 x the 310 px box
    assert one(table, style="all", joint="all", metric="pck_torso", threshold=0.2)["value"] == 1
    assert one(table, style="all", joint="all", metric="pck_bbox", threshold=0.1)["value"] == 1
    box = one(table, style="all", joint="head_top", metric="pck_bbox", threshold=0.05)
    assert box["value"] == 1  # 15.5 px
    error = one(table, style="all", joint="head_top", metric="mpjpe_torso")
    assert error["value"] == pytest.approx(100 * 15 * 20 / 60 / TORSO)
    assert one(table, style="all", joint="head_top", metric="mpjpe_px")["value"] == pytest.approx(5)
    assert one(table, style="all", joint="all", metric="found")["value"] == 1


def test_every_metric_divides_by_the_annotated_torso_of_the_whole_clip() -> None:
    small = still_run(10, "a", wrong=10, run=1)
    halved = make_run(small.annotation / 2, small.estimate / 2, clip="a", run=0)
    table = recognition_scores([halved, small], {"raw": raw([halved, small])}, CONFIG, "test")
    # torso: median of ten 50s and ten 100s is 75; errors 7.5 and 15 px
    error = one(table, style="all", joint="head_top", metric="mpjpe_torso")
    assert error["value"] == pytest.approx(100 * (7.5 + 15) / 2 / 75)
    assert error["n_clips"] == 1


def test_missing_detections_and_masked_joints() -> None:
    run = still_run(10, "a")
    run.visibility[:, 5] = 0
    seen = run.estimate.copy()
    seen[:4] = np.nan
    table = recognition_scores([run], {"m": [seen]}, CONFIG, "test")
    where = {"style": "all", "metric": "pck_torso", "threshold": 0.2}
    assert one(table, joint="neck", **where)["value"] == pytest.approx(0.6)
    assert one(table, joint="all", **where)["value"] == pytest.approx(0.6)
    masked = one(table, joint=DANCE_14.names[5], **where)
    assert (masked["value"], masked["n_clips"], masked["n_frames"]) == (None, 0, 0)
    assert one(table, style="all", joint="neck", metric="found")["value"] == pytest.approx(0.6)
    assert one(table, style="all", joint="neck", metric="mpjpe_px")["value"] == 0


def test_one_take_has_a_value_and_no_interval() -> None:
    table = recognition_scores(RUNS, {"raw": raw(RUNS)}, CONFIG, "test")
    street = one(table, style="street", joint="all", metric="pck_torso", threshold=0.1)
    assert (street["ci_low"], street["ci_high"]) == (None, None)
    whole = one(table, style="all", joint="head_top", metric="pck_torso", threshold=0.1)
    assert 0 <= whole["ci_low"] < whole["value"] < whole["ci_high"] <= 1


def test_lag_of_a_trailing_method() -> None:
    motion = swaying(80)
    run = make_run(motion[10:70])
    delayed = [motion[8:68].astype(np.float32)]
    table = recognition_scores([run], {"late": delayed}, CONFIG, "test")
    assert one(table, style="all", joint="all", metric="lag")["value"] == pytest.approx(2, abs=0.1)


def test_a_jump_to_another_person_does_not_count_as_acceleration_error() -> None:
    run = still_run(12, "a")
    seen = run.estimate.copy()
    seen[5:7, :, 0] += 1000
    table = recognition_scores([run], {"m": [seen]}, CONFIG, "test")
    where = {"style": "all", "joint": "all"}
    assert one(table, metric="accel_torso", **where)["value"] == 0
    assert one(table, metric="found", **where)["value"] == pytest.approx(10 / 12)
    assert one(table, metric="mpjpe_px", **where)["value"] == 0


def test_no_runs_and_runs_without_annotation() -> None:
    assert recognition_scores([], {"raw": []}, CONFIG, "test").height == 0
    assert prediction_scores(cut_windows([], []), [], {}, CONFIG, "test").height == 0
    blind = make_run(np.full((5, 14, 2), np.nan), np.tile(figure(), (5, 1, 1)))
    table = recognition_scores([blind], {"raw": raw([blind])}, CONFIG, "test")
    assert table["value"].is_null().all() and (table["n_clips"] == 0).all()
    assert (table["n_frames"] == 0).all()


def test_augmented_copies_and_wrong_shapes_are_refused() -> None:
    copy = make_run(swaying(5), variant=1)
    with pytest.raises(InputError, match="augmented"):
        recognition_scores([copy], {"raw": raw([copy])}, CONFIG, "test")
    with pytest.raises(InputError, match="raw gives 2 pose arrays for 3 runs"):
        recognition_scores(RUNS, {"raw": raw(RUNS)[:2]}, CONFIG, "test")
    with pytest.raises(InputError, match="shape"):
        recognition_scores(RUNS, {"raw": [p[:3] for p in raw(RUNS)]}, CONFIG, "test")


def test_seeds_are_pooled_inside_clips() -> None:
    good = [run.annotation for run in RUNS]
    bad = [run.annotation + 30 for run in RUNS]
    table = recognition_scores(
        RUNS, [{"net": good, "raw": raw(RUNS)}, {"net": bad}], CONFIG, "test"
    )
    net = one(table, method="net", style="all", joint="all", metric="pck_torso", threshold=0.1)
    assert net["value"] == 0.5 and net["seed"] is None
    assert (net["n_frames"], net["n_clips"]) == (60, 3)
    alone = recognition_scores(RUNS, {"raw": raw(RUNS)}, CONFIG, "test")
    assert table.filter(method="raw").equals(alone)


def test_paired_recognition() -> None:
    runs = [still_run(10, f"clip{i}", wrong=10 - i % 3) for i in range(8)]
    perfect = [run.annotation for run in runs]
    table = paired_recognition_scores(
        runs, {"raw": raw(runs), "net": perfect, "copy": perfect}, CONFIG, "folds"
    )
    assert table.schema == pl.DataFrame(schema=dict(PAIRED_SCORES)).schema
    pairs = set(table.select("method", "other").iter_rows())
    assert pairs == {("net", "raw"), ("copy", "raw"), ("copy", "net")}
    where = {"style": "all", "metric": "pck_torso", "threshold": 0.1}
    win = one(table, method="net", other="raw", **where)
    expected = sum(10 - i % 3 for i in range(8)) / 80 / 14
    assert win["difference"] == pytest.approx(expected)
    assert 0 < win["ci_low"] <= expected <= win["ci_high"]
    assert (win["n_clips"], win["task"], win["split"]) == (8, "recognition", "folds")
    same = one(table, method="copy", other="net", **where)
    assert (same["difference"], same["ci_low"], same["ci_high"], same["p_holm"]) == (0, 0, 0, 1)


def test_pairing_removes_what_clips_have_in_common() -> None:
    """Clips differ widely but the two methods by a constant: the paired difference is certain."""
    rng = np.random.default_rng(0)
    runs = [still_run(40, f"clip{i}") for i in range(8)]
    offsets = rng.uniform(5, 50, 8)
    worse = [r.annotation + np.float32(o + 2) for r, o in zip(runs, offsets, strict=True)]
    better = [r.annotation + np.float32(o) for r, o in zip(runs, offsets, strict=True)]
    methods = {"worse": worse, "better": better}
    alone = recognition_scores(runs, methods, CONFIG, "test")
    where = {"style": "all", "metric": "mpjpe_px"}
    a, b = (one(alone, method=m, joint="all", **where) for m in methods)
    assert a["ci_low"] < b["ci_high"]  # the intervals overlap
    paired = one(paired_recognition_scores(runs, methods, CONFIG, "test"), **where)
    assert paired["ci_low"] == pytest.approx(paired["ci_high"]) == pytest.approx(-2 * np.sqrt(2))


def test_holm_covers_styles_and_thresholds_of_one_comparison() -> None:
    runs = [still_run(10, f"clip{i}", wrong=10) for i in range(8)]
    perfect = [run.annotation for run in runs]
    table = paired_recognition_scores(runs, {"raw": raw(runs), "net": perfect}, CONFIG, "test")
    ps = table.filter(metric="pck_torso").sort("style", "threshold")
    # two scopes (all, ballet) x three thresholds; 0.2 accepts the raw head top, so p is 1 there
    assert ps["p_holm"].to_list() == [6 * 2 / 2**8, 6 * 2 / 2**8, 1] * 2
    assert ps["p_floor"].to_list() == [6 * 2 / 2**8] * 6


def test_without_a_test_there_are_intervals_alone() -> None:
    methods = {"raw": raw(RUNS), "net": [run.annotation for run in RUNS]}
    table = paired_recognition_scores(RUNS, methods, CONFIG, "test", tested=False)
    assert table["p_holm"].is_null().all() and table["p_floor"].is_null().all()
    assert one(table, style="all", metric="pck_torso", threshold=0.1)["ci_low"] is not None


def twice(runs: list[PoseRun], clip: str) -> list[PoseRun]:
    """The runs and a copy of one clip, filmed by another camera in the same take."""
    return [*runs, *(replace(run, clip=f"{clip}, again") for run in runs if run.clip == clip)]


def test_takes_are_resampled_and_not_their_clips() -> None:
    """Copying every clip within its take changes neither interval nor p; copies as takes would."""
    rng = np.random.default_rng(0)
    runs = [still_run(20, f"clip{i}", wrong=int(rng.integers(1, 20))) for i in range(8)]
    copied = runs
    for run in runs:
        copied = twice(copied, run.clip)
    of_new_takes = [replace(run, group=run.clip) for run in copied]
    where = {"style": "all", "metric": "pck_torso", "threshold": 0.1}

    def values(given: list[PoseRun]) -> tuple[Any, ...]:
        methods = {"raw": raw(given), "net": [run.annotation for run in given]}
        alone = one(
            recognition_scores(given, methods, CONFIG, "folds"), method="raw", joint="all", **where
        )
        paired = one(paired_recognition_scores(given, methods, CONFIG, "folds"), **where)
        names = ("ci_low", "ci_high", "n_takes")
        return (*(alone[n] for n in names), *(paired[n] for n in (*names, "p_holm")))

    assert values(copied) == pytest.approx(values(runs))
    assert values(runs)[2] == 8
    low, high, takes, *_ = values(of_new_takes)
    assert takes == 16
    assert high - low < 0.8 * (values(runs)[1] - values(runs)[0])


def test_one_take_of_two_clips_has_no_interval() -> None:
    table = recognition_scores(
        twice(RUNS[:1], "a"), {"raw": raw(twice(RUNS[:1], "a"))}, CONFIG, "test"
    )
    row = one(table, style="all", joint="all", metric="pck_torso", threshold=0.1)
    assert (row["n_clips"], row["n_takes"], row["ci_low"]) == (2, 1, None)


def test_the_parts_of_takes_sum_to_the_pooled_difference() -> None:
    """Three takes: the p-value counts the signs of hits over the hits of all takes, by hand."""
    runs = [
        still_run(10, "a", wrong=8), still_run(40, "b", wrong=4), still_run(20, "c", wrong=10),
    ]  # fmt: skip
    better = [run.annotation if run.clip != "b" else run.estimate for run in runs]
    worse = [run.estimate if run.clip != "b" else run.annotation for run in runs]
    table = paired_recognition_scores(runs, {"worse": worse, "better": better}, CONFIG, "folds")
    row = one(table, style="all", metric="pck_torso", threshold=0.1)
    # Takes add (8, -4, 10) / 70 / 14. |sum| is 14 at least with 4 of 8 signs: all but -4 alike.
    assert row["difference"] == pytest.approx(14 / 70 / 14)
    others = table.filter(metric="pck_torso").height
    assert row["p_holm"] == pytest.approx(min(1, others * 4 / 8))


def test_only_requested_pairs_are_compared() -> None:
    methods = {"raw": raw(RUNS), "net": raw(RUNS), "flow": raw(RUNS)}
    table = paired_recognition_scores(
        RUNS, methods, CONFIG, "test", pairs=[("net", "raw"), ("net", "hrnet")]
    )
    assert set(table.select("method", "other").iter_rows()) == {("net", "raw")}


# --- prediction -------------------------------------------------------------------------------


def moving_run(clip: str, step: float, style: str = "ballet", frames: int = 60) -> PoseRun:
    """Everything moves ``step`` pixels a frame to the right, at 25 fps."""
    poses = np.tile(figure(), (frames, 1, 1))
    poses[..., 0] += step * np.arange(frames)[:, None]
    return make_run(poses, clip=clip, style=style)


MOVING = [moving_run("a", 1), moving_run("b", 2), moving_run("c", 4, style="street")]
WINDOWS = cut_windows(MOVING, [r.annotation for r in MOVING], stride=4)


def forecasts(windows: ForecastWindows) -> dict[tuple[str, str], NDArray[np.float32]]:
    return {
        ("zero_velocity", "annotated"): zero_velocity(windows.observed),
        ("constant_velocity", "annotated"): constant_velocity(windows.observed),
    }


def test_prediction_columns_are_the_contract() -> None:
    table = prediction_scores(WINDOWS, MOVING, forecasts(WINDOWS), CONFIG, "test", seed=1)
    assert table.columns == [
        "method", "input", "style", "horizon_ms", "metric", "value",
        "ci_low", "ci_high", "n_clips", "n_takes", "n_windows", "seed", "split",
    ]  # fmt: skip
    assert table.schema == pl.DataFrame(schema=dict(PREDICTION_SCORES)).schema
    assert set(table["horizon_ms"]) == {80, 160, 320, 400}
    key = ["method", "input", "style", "horizon_ms", "metric"]
    assert not table.select(key).is_duplicated().any()
    assert {"mpjpe_torso", "mae_px", "bone_angle", "skill", "mpjpe_torso.left_wrist"} <= set(
        table["metric"]
    )


@pytest.mark.parametrize(("ms", "steps"), [(80, 2), (160, 4), (320, 8), (400, 10)])
def test_errors_are_at_the_horizon(ms: int, steps: int) -> None:
    table = prediction_scores(WINDOWS, MOVING, forecasts(WINDOWS), CONFIG, "test")
    where = {"method": "zero_velocity", "horizon_ms": ms}
    everything = one(table, style="all", metric="mpjpe_torso", **where)
    assert everything["value"] == pytest.approx(100 * (1 + 2 + 4) / 3 * steps / TORSO, rel=1e-5)
    assert (everything["n_clips"], everything["n_windows"]) == (3, len(WINDOWS))
    street = one(table, style="street", metric="mpjpe_torso", **where)
    assert street["value"] == pytest.approx(100 * 4 * steps / TORSO, rel=1e-5)
    assert (street["n_clips"], street["n_windows"]) == (1, len(WINDOWS) // 3)
    assert one(table, style="all", metric="mae_px", **where)["value"] == pytest.approx(
        (1 + 2 + 4) / 3 * steps / 2, rel=1e-5
    )
    assert one(table, style="all", metric="bone_angle", **where)["value"] == pytest.approx(
        0, abs=1e-4
    )
    assert one(table, style="all", metric="skill", **where)["value"] == 0
    where["method"] = "constant_velocity"
    assert one(table, style="all", metric="mpjpe_torso", **where)["value"] == pytest.approx(
        0, abs=0.01
    )
    assert one(table, style="all", metric="skill", **where)["value"] == pytest.approx(1, abs=1e-3)


def test_slow_medium_and_fast_windows() -> None:
    table = prediction_scores(WINDOWS, MOVING, forecasts(WINDOWS), CONFIG, "test")
    for name, step in (("slow", 1), ("medium", 2), ("fast", 4)):
        row = one(
            table, method="zero_velocity", style="all", horizon_ms=80, metric=f"mpjpe_torso.{name}"
        )
        assert row["value"] == pytest.approx(2 * step, rel=1e-4)
        assert (row["n_clips"], row["n_windows"]) == (1, len(WINDOWS) // 3)


def test_joints_and_masks() -> None:
    forecast = WINDOWS.future.copy()
    forecast[:, :, 6, 1] += 14
    truth = WINDOWS.future.copy()
    truth[:, :, 7] = np.nan
    windows = ForecastWindows(WINDOWS.observed, truth, WINDOWS.run, WINDOWS.anchor)
    table = prediction_scores(windows, MOVING, {("net", "annotated"): forecast}, CONFIG, "test")
    where = {"style": "all", "horizon_ms": 160}
    assert one(table, metric=f"mpjpe_torso.{DANCE_14.names[6]}", **where)["value"] == pytest.approx(
        14
    )
    assert one(table, metric=f"mpjpe_torso.{DANCE_14.names[7]}", **where)["value"] is None
    assert one(table, metric="mpjpe_torso", **where)["value"] == pytest.approx(14 / 13)
    assert "skill" not in set(table["metric"])  # no zero_velocity row to compare with


def test_inputs_may_have_their_own_windows() -> None:
    raw_windows = cut_windows(MOVING, [r.annotation - 3 for r in MOVING], stride=8)  # trailing
    both = {"annotated": WINDOWS, "raw": raw_windows}
    given = {
        **forecasts(WINDOWS),
        ("zero_velocity", "raw"): zero_velocity(raw_windows.observed),
    }
    table = prediction_scores(both, MOVING, given, CONFIG, "test")
    rows = table.filter(method="zero_velocity", style="all", metric="mpjpe_torso", horizon_ms=80)
    counts = dict(rows.select("input", "n_windows").iter_rows())
    assert counts == {"annotated": len(WINDOWS), "raw": len(raw_windows)}
    assert one(rows, input="raw")["value"] > one(rows, input="annotated")["value"]


def test_runs_too_short_for_a_window() -> None:
    short = [moving_run("a", 1, frames=20)]
    empty = cut_windows(short, [r.annotation for r in short])
    given = {("zero_velocity", "annotated"): zero_velocity(empty.observed)}
    table = prediction_scores(empty, short, given, CONFIG, "test")
    assert table.height > 0 and table["value"].is_null().all() and (table["n_windows"] == 0).all()


def test_bad_forecasts_are_refused() -> None:
    wrong = np.zeros((len(WINDOWS), FUTURE - 1, 14, 2))
    with pytest.raises(InputError, match="net on raw forecasts"):
        prediction_scores(WINDOWS, MOVING, {("net", "raw"): wrong}, CONFIG, "test")
    holes = zero_velocity(WINDOWS.observed)
    holes[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        prediction_scores(WINDOWS, MOVING, {("net", "raw"): holes}, CONFIG, "test")


def test_paired_prediction() -> None:
    runs = [moving_run(f"clip{i}", 1 + i) for i in range(8)]
    windows = cut_windows(runs, [r.annotation for r in runs], stride=8)
    table = paired_prediction_scores(windows, runs, forecasts(windows), CONFIG, "test")
    assert table.schema == pl.DataFrame(schema=dict(PAIRED_SCORES)).schema
    row = one(table, style="all", metric="mpjpe_torso", horizon_ms=320)
    assert (row["method"], row["other"]) == ("constant_velocity", "zero_velocity")
    assert (row["task"], row["input"], row["threshold"]) == ("prediction", "annotated", None)
    assert row["difference"] == pytest.approx(-8 * 4.5, rel=1e-3)
    assert row["ci_high"] < 0 and row["p_holm"] < 0.1


def test_methods_on_different_inputs_are_not_compared() -> None:
    given = {
        ("zero_velocity", "annotated"): zero_velocity(WINDOWS.observed),
        ("constant_velocity", "raw"): constant_velocity(WINDOWS.observed),
    }
    assert paired_prediction_scores(WINDOWS, MOVING, given, CONFIG, "test").height == 0


def test_the_tables_are_deterministic() -> None:
    for _ in range(2):
        a = prediction_scores(WINDOWS, MOVING, forecasts(WINDOWS), CONFIG, "test")
        b = prediction_scores(WINDOWS, MOVING, forecasts(WINDOWS), CONFIG, "test")
        assert a.equals(b)


def test_derived_joints_count_unless_they_are_left_out() -> None:
    head, neck = DANCE_14.index["head_top"], DANCE_14.index["neck"]
    derived = np.zeros((30, 14), np.bool_)
    derived[:, [head, neck]] = True
    runs = [replace(still_run(30, "a", wrong=10), derived=derived), still_run(30, "b", wrong=10)]
    without = replace(CONFIG, derived_joints=False)
    where = {"metric": "pck_torso", "threshold": 0.1, "style": "all"}
    for config, share, frames in ((CONFIG, 40 / 60, 60), (without, 20 / 30, 30)):
        table = recognition_scores(runs, {"raw": raw(runs)}, config, "test")
        row = one(table, joint="head_top", **where)
        assert (row["value"], row["n_frames"]) == (pytest.approx(share), frames)
        # The torso, of a derived neck, stays the unit.
        assert one(table, joint="left_knee", **where)["n_frames"] == 60
        assert one(table, joint="neck", **where)["n_frames"] == frames


def test_forecasts_of_derived_joints_are_left_out_too() -> None:
    truth = swaying(60)
    derived = np.zeros((60, 14), np.bool_)
    derived[:, DANCE_14.index["head_top"]] = True
    runs = [replace(make_run(truth, truth, clip="a"), derived=derived)]
    windows = cut_windows(runs, [truth.astype(np.float32)])
    forecasts = {("zero_velocity", "annotated"): zero_velocity(windows.observed)}
    where = {"style": "all", "horizon_ms": 80, "metric": "mpjpe_torso.head_top"}
    for kept in (True, False):
        config = replace(CONFIG, derived_joints=kept)
        table = prediction_scores(windows, runs, forecasts, config, "test")
        assert (one(table, **where)["n_windows"] > 0) is kept
        assert one(table, **{**where, "metric": "mpjpe_torso.neck"})["n_windows"] == len(windows)
