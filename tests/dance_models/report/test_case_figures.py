"""Pictures of single poses, whatever the styles are called and however little is annotated."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import make_run, swaying
from PIL import Image

from dance_models.data.pose_runs import PoseRun
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.forecasts import zero_velocity
from dance_models.report import figures
from dance_models.report.build import _ranking
from dance_models.report.cases import forecast_cases, refinement_cases
from dance_models.report.figures import COLOURS, DASHES, Case, case_figures
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
