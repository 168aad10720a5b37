"""The model card shows names from outside as they are: MLflow renders it as Markdown."""

import polars as pl

from dance_models.evaluation.gate import CANDIDATE, Criterion, Decision
from dance_models.evaluation.scores import PREDICTION_SCORES
from pipelines.tracking.model_card import CardFacts, render_card
from pipelines.tracking.pixel_models import PIXEL_MODEL_TAG

HOSTILE = "<b>x</b> ![p](http://a) | *e* \x1b[2J `c`"


def _card(value: float | None = 5.0, **tags: str) -> str:
    row = {
        "method": CANDIDATE, "input": "annotated", "style": HOSTILE, "metric": "mpjpe_torso",
        "horizon_ms": 80, "value": value, "n_clips": 1, "n_takes": 1, "n_windows": 1,
        "split": "val",
    }  # fmt: skip
    clip = {"style": HOSTILE, "split": "train"}
    facts = CardFacts(
        task="prediction",
        title="a title",
        tags={"dance/profile": HOSTILE, "git_commit": HOSTILE, **tags},
        parameters={"estimator.path": HOSTILE},
        record={"clips": {"c": clip}, "tables": {}},
        corpus=HOSTILE,
        signature=HOSTILE,
        decision=Decision((Criterion("not worse in " + HOSTILE, HOSTILE, "1", passed=True),)),
        compared_with="no champion yet",
        validation=pl.DataFrame([row], schema=PREDICTION_SCORES),
        test=None,
        method="stga_net",
        example={
            "clip": HOSTILE, "split": "val", "frames": [0, 26], "input": [27, 14, 2],
            "output": [10, 14, 2], "joints": [],
        },
    )  # fmt: skip
    return render_card(facts)


def test_names_from_outside_are_neither_html_nor_links_nor_cells() -> None:
    card = _card()
    assert "\x1b" not in card
    outside_code = "".join(card.split("`")[::2])
    assert "<b>" not in outside_code
    assert "](http" not in outside_code.replace("\\](http", "")
    assert "*e*" not in outside_code.replace("\\*e\\*", "")
    rows = [line for line in card.splitlines() if line.startswith("| &lt;b&gt;")]
    cells = [line.replace("\\|", "").count("|") for line in rows]
    assert cells == [4, 5]  # of the scores, and of the data


def test_clips_without_a_score_are_no_table_without_columns() -> None:
    card = _card(value=None)
    assert "Validation: no clip could be scored." in card
    assert "clips |  |" not in card


def test_the_card_names_the_model_that_takes_pixels() -> None:
    card = _card(**{PIXEL_MODEL_TAG: "m-12"})
    assert "`mlflow models serve -m models:/m-12 --env-manager local -p PORT`" in card
    assert "`JOINT_x`" in card
    assert "mlflow models serve" not in _card()
