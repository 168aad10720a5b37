import polars as pl

from dance_models.evaluation.scores import PREDICTION_SCORES, RECOGNITION_SCORES
from dance_models.report_tables.by_joint_and_speed import joint_table
from dance_models.report_tables.paper import our_horizon_table, our_part_table, paper_tables
from dance_models.report_tables.table import Table


def _texts(table: Table) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row) for row in table.rows]


def _recognition() -> pl.DataFrame:
    rows = [
        {
            "method": "raw", "input": "raw", "style": "all", "joint": joint, "metric": "pck_torso",
            "threshold": threshold, "value": value, "split": "test", "n_clips": 3, "n_frames": 9,
        }
        for threshold in (0.05, 0.2)
        for joint, value in (("left_wrist", 0.5), ("right_wrist", 0.7), ("head_top", 0.9))
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=RECOGNITION_SCORES)


def test_parts_are_means_of_left_and_right() -> None:
    table = our_part_table(_recognition(), "all")
    assert table.header == ("method", "head", "shoulder", "wrist", "knee")
    assert _texts(table) == [("raw", "90.0", "n/a", "60.0", "n/a")]


def test_horizons_are_in_radians_and_percent() -> None:
    rows = [
        {
            "method": "ar", "input": "annotated", "style": "all", "horizon_ms": ms,
            "metric": metric, "value": value, "split": "test",
        }
        for ms in (80, 160)
        for metric, value in (("bone_angle", 0.123), ("mpjpe_torso", 4.56))
    ]  # fmt: skip
    table = our_horizon_table(pl.DataFrame(rows, schema=PREDICTION_SCORES), "all")
    assert _texts(table) == [("ar", "0.12", "0.12", "n/a", "4.6", "4.6", "n/a")]


def test_all_tables_of_the_paper_are_present() -> None:
    titles = [table.title.split(":")[0] for table in paper_tables()]
    assert titles == [f"Paper, table {n}" for n in ("II", "III", "IV", "V", "VI")]


def test_a_joint_without_a_value_is_marked_as_not_measured() -> None:
    table = joint_table(_recognition(), 0.05)
    cells = dict(zip(table.header, _texts(table)[0], strict=True))
    assert cells["left wrist"] == "50.0"
    assert cells["neck"] == "n/a"
