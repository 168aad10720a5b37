import polars as pl

from dance_models.evaluation.scores import PREDICTION_SCORES, RECOGNITION_SCORES
from dance_models.report.detail import joint_grid
from dance_models.report.page import Page
from dance_models.report.paper_tables import our_horizon_grid, our_part_grid, paper_grids


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
    grid = our_part_grid(_recognition(), "all")
    assert grid.header == ("method", "head", "shoulder", "wrist", "knee")
    assert grid.rows == (("raw", "90.0", "n/a", "60.0", "n/a"),)


def test_horizons_stand_in_radians_and_percent() -> None:
    rows = [
        {
            "method": "ar", "input": "annotated", "style": "all", "horizon_ms": ms,
            "metric": metric, "value": value, "split": "test",
        }
        for ms in (80, 160)
        for metric, value in (("bone_angle", 0.123), ("mpjpe_torso", 4.56))
    ]  # fmt: skip
    grid = our_horizon_grid(pl.DataFrame(rows, schema=PREDICTION_SCORES), "all")
    assert grid.rows == (("ar", "0.12", "0.12", "n/a", "4.6", "4.6", "n/a"),)


def test_the_papers_tables_are_all_there() -> None:
    titles = [grid.title.split(":")[0] for grid in paper_grids()]
    assert titles == [f"Paper, table {n}" for n in ("II", "III", "IV", "V", "VI")]


def test_a_joint_without_a_value_is_not_measured() -> None:
    grid = joint_grid(_recognition(), 0.05)
    cells = dict(zip(grid.header, grid.rows[0], strict=True))
    assert cells["left wrist"] == "50.0"
    assert cells["neck"] == "n/a"


def test_text_is_escaped_and_nothing_is_loaded_from_elsewhere() -> None:
    page = Page("a <b> & c")
    page.paragraph("<script>x</script>")
    page.picture(b"png", "a picture")
    text = page.render()
    assert "<script" not in text
    assert "a &lt;b&gt; &amp; c" in text
    assert "http" not in text
