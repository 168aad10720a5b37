"""The table in pixels that a registered model takes, and what it answers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dance_models.analysis import shipped
from dance_models.errors import InputError
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.serving.pixel_model import (
    POINTS,
    SCORES,
    TIME,
    _load_pyfunc,
    example_table,
)
from dance_models.serving.tracks import forecast_given, refine_track, track_of
from dance_models.training.synthetic import synthetic_runs


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(example_table(synthetic_runs(1, 40)[0]))


def poses(found: pd.DataFrame) -> Any:
    return found[list(POINTS)].to_numpy().reshape(len(found), 14, 2)


def test_recognition_gives_a_row_a_frame(table: pd.DataFrame) -> None:
    found = _load_pyfunc(str(shipped.RECOGNITION)).predict(table)
    assert list(found) == [TIME, *POINTS]
    assert found[TIME].tolist() == table[TIME].tolist()
    given = track_of(poses(table), score=table[list(SCORES)], time_s=table[TIME])
    wanted = refine_track(load_refiner(shipped.RECOGNITION), given)
    np.testing.assert_allclose(poses(found), wanted, atol=1e-4)


def test_joints_may_be_as_annotated_and_scores_may_be_absent(table: pd.DataFrame) -> None:
    model = _load_pyfunc(str(shipped.RECOGNITION))
    bare = table[[TIME, *POINTS]]
    empty = bare.assign(**dict.fromkeys(SCORES, np.nan))  # as a schema fills them in
    pd.testing.assert_frame_equal(model.predict(bare), model.predict(empty))
    moved = poses(model.predict(bare, {"joints": "annotation"})) - poses(model.predict(bare))
    assert np.abs(moved).max() > 0.1
    with pytest.raises(InputError, match="joints is 'toes'"):
        model.predict(bare, {"joints": "toes"})


def test_prediction_gives_ten_rows(table: pd.DataFrame) -> None:
    found = _load_pyfunc(str(shipped.PREDICTION)).predict(table)
    assert found["ahead_ms"].tolist() == list(range(40, 401, 40))
    given = forecast_given(
        load_forecaster(shipped.PREDICTION), track_of(poses(table), time_s=table[TIME])
    )
    np.testing.assert_allclose(poses(found), given.poses, atol=1e-4)


def test_a_missing_column_is_named(table: pd.DataFrame) -> None:
    model = _load_pyfunc(str(shipped.PREDICTION))
    with pytest.raises(InputError, match="the column neck_x is missing"):
        model.predict(table.drop(columns="neck_x"))
