"""How long the trainings of a profile take, by the speed of some steps."""

from dataclasses import replace

import pytest

from dance_models import row_times as module
from dance_models.__main__ import main
from dance_models.errors import InputError
from dance_models.profiles import PAPER, SMOKE, STUDY
from dance_models.row_times import RowTime, row_times


@pytest.fixture
def at_two_steps_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "steps_per_second", lambda runs, experiment, steps: 2.0)


@pytest.mark.usefixtures("at_two_steps_a_second")
def test_pilots_and_folds_count() -> None:
    found = {one.row: one for one in row_times(STUDY, [], folds=5, steps=1)}
    # 10 epochs of 200 steps; three rates at a tenth of it each
    assert found["mkff_st_gcn"] == RowTime("mkff_st_gcn", 2.0, 2000, 600, 6)
    assert found["mkff_st_gcn"].minutes == pytest.approx(6 * 2600 / 2 / 60)
    assert found["stga_net.paper"] == RowTime("stga_net.paper", 2.0, 1600, 0, 1)
    # Its network reads crops of images, which no pose runs have.
    assert found.keys() == set(STUDY.rows) - {"hrnet"}


@pytest.mark.usefixtures("at_two_steps_a_second")
def test_without_folds_each_is_trained_once() -> None:
    assert {one.trainings for one in row_times(STUDY, [], folds=0, steps=1)} == {1}


def test_steps_that_depend_on_the_data_are_refused() -> None:
    profile = replace(PAPER, rows=("stga_net.paper",))
    with pytest.raises(InputError, match=r"stga_net\.paper in profile paper depend on the data"):
        list(row_times(profile, [], folds=0, steps=1))


def test_bench_prints_a_line_a_row_and_their_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--profile", "smoke", "--steps", "2", "--clips", "4", "--rows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        *(f"| `{row}`" for row in SMOKE.rows),
        "| all",
    ]


def test_bench_refuses_a_training_for_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rows", "--training", "devices=2"]) == 2
    assert "--rows times the profile's own" in capsys.readouterr().err
