"""Trained networks: losses, exports, and rows that beat the trivial ones."""

import math
from pathlib import Path

import polars as pl
import pytest
import torch

from dance_models.checkpoint import experiment_to_plain, save_checkpoint
from dance_models.config import (
    QualityConfig,
    RecognitionExperiment,
    SmoothNetConfig,
    TrainingConfig,
)
from dance_models.export.program import exportable
from dance_models.nets.build import build_refiner
from dance_models.quality.models import (
    above_standing_still,
    below_raw,
    export_difference,
    export_parity,
    finite_losses,
)
from dance_models.training.loop import EpochRecord

CONFIG = QualityConfig()


def test_a_loss_that_is_not_finite_is_reported() -> None:
    history = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": math.nan}]
    (found,) = finite_losses("stga_net", history)
    assert str(found) == "stga_net: epoch 2: loss is nan"
    assert found.severity == "error"
    assert not finite_losses("stga_net", history[:1])


def test_an_epoch_of_unknown_speed_is_no_loss_that_is_not_finite() -> None:
    """Killed, or without space, between ``last.pt`` and ``progress.json``."""
    history = [EpochRecord(1, 0.5, 0.4, 0.1, math.nan, {"val_pck_torso_0.05": 0.6}).metrics()]
    assert not finite_losses("stga_net", history)


def _checkpoint(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    net = SmoothNetConfig(hidden=32, bottleneck=8, blocks=2)  # the quickest to export
    experiment = RecognitionExperiment(net, TrainingConfig())
    model = build_refiner(net)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    state = {"experiment": experiment_to_plain(experiment), "model": model.state_dict()}
    save_checkpoint(state, path)
    return path


def test_an_export_of_other_weights_is_found(tmp_path: Path) -> None:
    mine, other = (_checkpoint(tmp_path / f"{seed}.pt", seed) for seed in (0, 1))
    module, example = exportable(other)
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "model.pt2")
    assert export_difference(other, tmp_path / "model.pt2") < CONFIG.export_difference
    wrong = export_difference(mine, tmp_path / "model.pt2")
    (found,) = export_parity("stga_net", wrong, CONFIG)
    assert found.value > CONFIG.export_difference
    assert found.severity == "error"
    assert export_parity("stga_net", math.nan, CONFIG)


def _scores(metric: str, values: dict[str, float | None], **fixed: object) -> pl.DataFrame:
    rows = [
        {"method": m, "value": v, "metric": metric, "style": "all", "split": "test", "seed": 0}
        | fixed
        for m, v in values.items()
    ]
    return pl.DataFrame(rows)


def _paired(method: str, other: str, **fixed: object) -> pl.DataFrame:
    row = {"method": method, "other": other, "style": "all", "split": "test", "n_takes": 6}
    return pl.DataFrame([row | {"difference": -0.02, "ci_low": -0.03, "ci_high": 0.01} | fixed])


def test_a_refiner_worse_than_the_raw_estimator_is_reported() -> None:
    fixed = {"joint": "all", "threshold": 0.05}
    values: dict[str, float | None] = {"raw": 0.7, "st_gcn": 0.68, "mkff_st_gcn": 0.8}
    scores = _scores("pck_torso", values, **fixed)
    paired = _paired("st_gcn", "raw", metric="pck_torso", threshold=0.05)
    (found,) = below_raw(scores, paired, ["st_gcn", "mkff_st_gcn", "hbrnn"], CONFIG)
    assert found.clip == "st_gcn"
    assert found.severity == "warn"
    assert "95 % interval -0.03 to +0.01 over 6 takes" in found.message
    # A single test take says nothing about how takes differ.
    alone = paired.with_columns(ci_low=pl.lit(None, pl.Float64), ci_high=pl.lit(None, pl.Float64))
    (found,) = below_raw(scores, alone, ["st_gcn"], CONFIG)
    assert "paired difference -0.02 on one take, no interval" in found.message


def test_what_was_not_measured_is_not_judged() -> None:
    """As of test clips that never show neck and both hips, in whose torso errors are measured."""
    unknown = {"raw": None, "zero_velocity": None, "st_gcn": None, "stga_net": None}
    scores = _scores("pck_torso", unknown, joint="all", threshold=0.05)
    paired = _paired("st_gcn", "raw", metric="pck_torso", threshold=0.05)
    assert below_raw(scores, paired, ["st_gcn"], CONFIG) == []
    scores = _scores("mpjpe_torso", unknown, input="annotated", horizon_ms=80)
    paired = _paired("stga_net", "raw", metric="mpjpe_torso", input="annotated", horizon_ms=80)
    assert above_standing_still(scores, paired, ["stga_net"], CONFIG) == []


@pytest.mark.parametrize(("value", "count"), [(9.0, 0), (10.0, 3), (12.0, 3)])
def test_a_forecaster_no_better_than_zero_velocity_is_reported(value: float, count: int) -> None:
    tables = [
        _scores(
            "mpjpe_torso", {"zero_velocity": 10.0, "stga_net": value}, input="annotated",
            horizon_ms=horizon,
        )
        for horizon in (80, 160, 320, 400)
    ]  # fmt: skip
    paired = _paired(
        "stga_net", "zero_velocity", metric="mpjpe_torso", input="annotated", horizon_ms=80
    )
    found = above_standing_still(pl.concat(tables), paired, ["stga_net"], CONFIG)
    assert len(found) == count
    if found:
        assert "at 80 ms" in found[0].message
        assert "no paired interval" in found[1].message
