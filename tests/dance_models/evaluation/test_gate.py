"""The promotion gate on hand-made score tables: each criterion alone can refuse."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from dance_models.config import PREDICTION_GATE, RECOGNITION_GATE, GateConfig
from dance_models.evaluation.gate import Decision, Evidence, decide
from dance_models.evaluation.scores import PAIRED_SCORES, PREDICTION_SCORES, RECOGNITION_SCORES

CONFIG = replace(
    RECOGNITION_GATE,
    cells=(0.1,),
    champion_margin=1.0,
    style_margin=2.0,
    mirror_percent=3.0,
    fewest_takes=6,
)


def paired(other: str, points: float, style: str = "all", spread: float | None = 0.5) -> Any:
    """Candidate minus ``other`` in points of PCK@0.1; the interval reaches ``spread`` around."""
    low, high = (None, None) if spread is None else (points - spread, points + spread)
    return {
        "task": "recognition", "method": "candidate", "other": other, "input": "raw",
        "style": style, "threshold": 0.1, "metric": "pck_torso", "difference": points / 100,
        "ci_low": None if low is None else low / 100,
        "ci_high": None if high is None else high / 100, "n_takes": 7, "split": "val",
    }  # fmt: skip


GOOD = [
    paired("raw", 5.0),
    paired("calibrated", 2.0),
    paired("champion", 0.4),
    paired("champion", 1.5, "ballet"),
    paired("champion", -1.9, "street", None),
]


def evidence(rows: list[Any], **changes: Any) -> Evidence:
    table = pl.DataFrame(rows, schema=dict(PAIRED_SCORES))
    known = Evidence(
        task="recognition",
        scores=pl.DataFrame(schema=dict(RECOGNITION_SCORES)),
        paired=table,
        mirror_percent=1.2,
        latency_ms=11.0,
        signature="(-1, 11, 225) -> (-1, 11, 14, 2)",
        champion_signature="(-1, 11, 225) -> (-1, 11, 14, 2)",
        unseen=8,
        clips=8,
        takes=7,
    )
    return replace(known, **changes)


def refused(decision: Decision) -> list[str]:
    return [c.name for c in decision.criteria if not c.passed]


def test_a_good_candidate_passes_with_all_numbers() -> None:
    decision = decide(evidence(GOOD), CONFIG)
    assert decision.passed
    assert decision.refusals == []
    assert "| better than calibrated, PCK@0.1 | +2.00 points, 95 % +1.50 to +2.50, 7 takes | " in (
        decision.markdown()
    )
    assert "**no**" not in decision.markdown()


def with_row(row: Any) -> list[Any]:
    key = ("other", "style")
    return [row if all(r[k] == row[k] for k in key) else r for r in GOOD]


@pytest.mark.parametrize(
    ("rows", "changes", "criterion", "number"),
    [
        (with_row(paired("raw", -0.1)), {}, "better than raw, PCK@0.1", "-0.10 points"),
        # Better, but the interval holds zero.
        (with_row(paired("calibrated", 0.4)), {}, "better than calibrated, PCK@0.1",
         "+0.40 points, 95 % -0.10 to +0.90"),
        (GOOD, {"takes": 5}, "takes to judge by", "5 annotated validation takes"),
        # Level with the champion, but the interval is too wide.
        (with_row(paired("champion", 0.4, spread=1.5)), {}, "not worse than champion, PCK@0.1",
         "95 % -1.10 to +1.90"),
        (with_row(paired("champion", -1.2, spread=None)), {}, "not worse than champion, PCK@0.1",
         "-1.20 points, no interval"),
        (with_row(paired("champion", -2.1, "street", None)), {}, "style street, PCK@0.1", "-2.10"),
        (GOOD, {"mirror_percent": 3.4}, "mirror consistency", "3.40 % of torso"),
        (GOOD, {"mirror_percent": float("nan")}, "mirror consistency", "nan"),
        (GOOD, {"latency_ms": 80.0}, "latency (p95, 1 thread)", "80.00 ms"),
        (GOOD, {"signature": "other"}, "same signature", "other"),
        (GOOD, {"unseen": 0}, "clips to compare on", "0 of 8"),
    ],
)  # fmt: skip
def test_each_criterion_alone_can_refuse(
    rows: list[Any], changes: dict[str, Any], criterion: str, number: str
) -> None:
    decision = decide(evidence(rows, **changes), CONFIG)
    assert refused(decision) == [criterion]
    assert len(decision.refusals) == 1
    assert number in decision.refusals[0]
    assert "required:" in decision.refusals[0]


def test_the_first_candidate_is_compared_only_with_the_floors() -> None:
    first = [row for row in GOOD if row["other"] != "champion"]
    decision = decide(evidence(first, champion_signature=None), CONFIG)
    assert decision.passed
    assert not any("champion" in c.name or "style" in c.name for c in decision.criteria)
    none = decide(evidence([], champion_signature=None), CONFIG)
    assert refused(none) == ["better than raw, PCK@0.1", "better than calibrated, PCK@0.1"]
    assert "no annotated validation clip" in none.refusals[0]


def test_a_forecast_gains_when_its_error_falls() -> None:
    config: GateConfig = replace(PREDICTION_GATE, cells=(400.0,), champion_margin=1.0)

    def row(other: str, difference: float) -> Any:
        return {
            "task": "prediction", "method": "candidate", "other": other, "input": "annotated",
            "style": "all", "horizon_ms": 400, "metric": "mpjpe_torso", "difference": difference,
            "ci_low": difference - 0.3, "ci_high": difference + 0.3, "n_takes": 7, "split": "val",
        }  # fmt: skip

    def decision(floor: float, champion: float) -> Decision:
        rows = [row(other, floor) for other in config.floors] + [row("champion", champion)]
        known = evidence(rows, task="prediction")
        return decide(replace(known, scores=pl.DataFrame(schema=dict(PREDICTION_SCORES))), config)

    better = decision(-4.0, 0.6)  # the error may be 0.9 larger, which is within the margin
    assert better.passed
    assert "+4.00 % of torso, 95 % +3.70 to +4.30" in better.criteria[1].measured
    assert refused(decision(-4.0, 0.8)) == ["not worse than champion, 400 ms"]
    floors = ["zero_velocity", "damped_velocity", "ridge"]
    for loss in (0.5, -0.2):  # worse, and better by less than the interval is wide
        assert refused(decision(loss, 0.0)) == [f"better than {name}, 400 ms" for name in floors]


def test_a_single_take_has_no_interval_and_its_gain_decides() -> None:
    """A gate that was configured to promote on one take says that it is one."""
    rows = [{**paired(other, 1.0, spread=None), "n_takes": 1} for other in ("raw", "calibrated")]
    one = evidence(rows, champion_signature=None, takes=1)
    assert refused(decide(one, CONFIG)) == ["takes to judge by"]
    allowed = decide(one, replace(CONFIG, fewest_takes=1))
    assert allowed.passed
    assert allowed.criteria[1].measured == "+1.00 points, no interval, 1 take"
