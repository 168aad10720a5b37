"""Loss curves."""

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest

from dance_models.render.plots import loss_curve

HISTORY = [
    {"epoch": i, "train_loss": 1 / (i + 1), "val_loss": 1.2 / (i + 1), "val_pck": 0.5 + i / 20}
    for i in range(8)
]


def decode(picture):
    assert picture.startswith(b"\x89PNG")
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


def test_a_small_deterministic_png() -> None:
    picture = loss_curve(HISTORY)
    assert picture == loss_curve(HISTORY)
    assert len(picture) < 110_000
    assert decode(picture).std() > 5


def test_the_curves_depend_on_the_values() -> None:
    other = [{**row, "train_loss": row["train_loss"] ** 2} for row in HISTORY]
    assert loss_curve(other) != loss_curve(HISTORY)


def test_scores_have_a_separate_panel() -> None:
    without = [{k: v for k, v in row.items() if k != "val_pck"} for row in HISTORY]
    assert decode(loss_curve(HISTORY)).shape[0] > decode(loss_curve(without)).shape[0]


def test_gaps_and_negative_values() -> None:
    history = [dict(row) for row in HISTORY]
    history[2]["val_loss"] = math.nan
    history[3].pop("val_loss")
    history[4]["train_loss"] = -0.5
    history[5]["val_pck"] = None
    assert decode(loss_curve(history)).std() > 5


def test_one_epoch() -> None:
    assert decode(loss_curve(HISTORY[:1])).std() > 2


@pytest.mark.parametrize("history", [[], [{"epoch": 0}], [{"epoch": 0, "loss": math.nan}]])
def test_nothing_to_draw(history) -> None:
    with pytest.raises(ValueError, match="no numbers"):
        loss_curve(history)


def test_no_global_state() -> None:
    code = (
        "import sys; from dance_models.render.plots import loss_curve; "
        "loss_curve([{'loss': 1.0}, {'loss': 0.5}]); print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
