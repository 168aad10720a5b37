"""Pictures of single poses, whatever the styles are called and however little is annotated."""

import io
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from evaluation_cases import make_run, swaying
from PIL import Image

from dance_models.data.pose_runs import PoseRun
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.forecasts import zero_velocity
from dance_models.evaluation.scores import PREDICTION_SCORES
from dance_models.report import figures
from dance_models.report.build import _ranking
from dance_models.report.cases import CELL_PIXELS, _image, forecast_cases, refinement_cases
from dance_models.report.figures import (
    COLOURS,
    DASHES,
    WIDEST_CELL,
    Background,
    Case,
    case_figures,
    horizon_figure,
    window,
)
from dance_models.report.verdict import CONTESTS
from dance_models.rows import ROWS
from dance_models.skeleton import DANCE_14


def _case(title: str = "ballet, best\nclip 3", known: int = 14) -> Case:
    truth = np.random.default_rng(0).uniform(0, 100, (DANCE_14.num_joints, 2))
    truth[known:] = np.nan
    poses = {"raw": np.full_like(truth, np.nan), "mkff_st_gcn": truth + 1}
    return Case(title, truth, poses, {"raw": float("nan"), "mkff_st_gcn": 1.4})


def _nothing(clip: str, frame: int) -> Path | None:
    return None


@pytest.mark.parametrize("title", ["ca$h $_^ money, best", r"$\nothing{$, worst"])
def test_a_style_with_dollars_is_no_formula(title: str) -> None:
    (picture,) = case_figures([_case(title)])
    assert picture.startswith(b"\x89PNG")


def test_a_person_of_whom_one_joint_is_annotated_is_drawn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(case_figures([_case(known=1)])) == 1


def test_what_was_not_found_has_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = []
    draw = figures._draw_case

    def drawn(axis, *rest) -> None:  # type: ignore[no-untyped-def]
        draw(axis, *rest)
        labels.append(axis.get_xlabel())

    monkeypatch.setattr(figures, "_draw_case", drawn)
    case_figures([_case()])
    assert labels == ["no joint found", "1.4 %"]


def test_many_styles_are_several_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_ROWS", 2)
    pictures = case_figures([_case()] * 5)
    heights = [Image.open(io.BytesIO(picture)).height for picture in pictures]
    assert len(heights) == 3
    assert heights[0] == heights[1] == 2 * heights[2]
    # The tallest that there can be, in pixels, of which matplotlib draws 65,535 at most.
    monkeypatch.undo()
    assert figures.MOST_ROWS * figures.TALLEST_CELL * figures.DPI < 2**16


def test_lines_of_all_networks_that_are_drawn_differ() -> None:
    assert sum(not row.ablation for row in ROWS) <= COLOURS * len(DASHES)


def test_errors_of_clips_without_a_torso_are_an_empty_figure() -> None:
    given = {"metric": "mpjpe_torso", "style": "all", "input": "annotated"}
    rows = [
        {**given, "method": method, "horizon_ms": ms}
        for method in ("zero_velocity", "stga_net")
        for ms in (80, 400)
    ]
    assert horizon_figure(pl.DataFrame(rows, PREDICTION_SCORES)).startswith(b"\x89PNG")


@pytest.mark.parametrize("person", [150, 900])
def test_the_frame_behind_a_case_is_as_large_as_its_cell_and_in_its_place(
    tmp_path: Path, person: int
) -> None:
    frame = np.zeros((1600, 3000, 3), np.uint8)
    frame[780:820, 1480:1520] = 255
    Image.fromarray(frame).save(tmp_path / "frame.png")
    truth = np.array([[1500.0, 800 - person / 2], [1500, 800 + person / 2]])
    behind = _image(tmp_path / "frame.png", truth)
    assert behind is not None
    height, width = behind.pixels.shape[:2]
    assert height <= CELL_PIXELS + 2 and width <= WIDEST_CELL * (CELL_PIXELS + 2)
    cell = behind.within(window(truth, 1.0))
    assert cell is not None
    left, right, bottom, top = cell.extent
    assert right - left == pytest.approx(1.3 * person, abs=3 * cell.scale)
    y, x = (np.flatnonzero(cell.pixels.max(axis=(axis, 2)) > 128).mean() for axis in (1, 0))
    assert left + (x + 0.5) * cell.scale == pytest.approx(1499.5, abs=cell.scale)
    assert top + (y + 0.5) * cell.scale == pytest.approx(799.5, abs=cell.scale)
    assert bottom > top


def test_a_pose_outside_of_its_frame_has_nothing_behind_it(tmp_path: Path) -> None:
    frame = Background(np.zeros((100, 200, 3), np.uint8))
    assert frame.within((300, 10, 400, 50)) is None
    assert frame.within((-50, -50, 20, 20)) is not None
    away = Case("far", _case().truth + 900, _case().poses, _case().error, image=frame)
    assert len(case_figures([away])) == 1
    assert _image(tmp_path / "gone.png", _case().truth) is None


def _runs() -> list[PoseRun]:
    return [make_run(swaying(60))]


def test_cases_are_ranked_by_the_headline_network_when_it_was_trained() -> None:
    trained = {name: Path(name) for name in ("t_gcn", "stga_net", "stga_net.paper")}
    assert _ranking(CONTESTS[1], trained, "ar") == "stga_net"
    del trained["stga_net"]
    assert _ranking(CONTESTS[1], trained, "ar") == "t_gcn"
    assert _ranking(CONTESTS[1], {}, "ar") == "ar"


def test_cases_are_ranked_by_a_row_without_a_network_when_no_network_was_trained() -> None:
    runs = _runs()
    refined = refinement_cases(runs, fit_calibration(runs, runs), {}, _nothing, "calibrated")
    forecasts = forecast_cases(
        runs, {"zero_velocity": zero_velocity}, {}, _nothing, "zero_velocity"
    )
    assert [len(refined), len(forecasts)] == [3, 3]
