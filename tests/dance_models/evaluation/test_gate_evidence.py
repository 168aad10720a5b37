"""Candidate, champion and floors scored side by side with real networks."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from dance_models.checkpoint import experiment_to_plain, save_checkpoint
from dance_models.config import (
    PREDICTION_GATE,
    RECOGNITION_GATE,
    MkffStGcnConfig,
    PredictionExperiment,
    RecognitionExperiment,
    StgaNetConfig,
    TrainingConfig,
)
from dance_models.errors import InputError
from dance_models.evaluation.gate import decide
from dance_models.evaluation.gate_evidence import GateClips, GateModel, measure_evidence
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.stga_net import StgaNet
from dance_models.training.synthetic import synthetic_runs

SMALL = MkffStGcnConfig(
    spatial_channels=8, spatial_blocks=1, kinematic_channels=8, attention_blocks=1, landmarks=33
)
CONFIG = replace(RECOGNITION_GATE, bootstrap_samples=50, latency_ms=1000.0)


def gate_model(folder: Path, noise: float) -> GateModel:
    torch.manual_seed(1)
    model = MkffStGcn(SMALL)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    experiment = experiment_to_plain(RecognitionExperiment(SMALL, TrainingConfig()))
    path = folder / f"{noise}.pt"
    save_checkpoint({"model": model.state_dict(), "experiment": experiment}, path)
    return GateModel(path, "in -> out")


def gate_clips(champion_groups: frozenset[str] = frozenset()) -> GateClips:
    runs = [
        replace(run, split="train" if i < 2 else "val")
        for i, run in enumerate(synthetic_runs(4, 20))
    ]
    return GateClips(runs[:2], runs[2:], champion_groups)


def test_fresh_weights_return_the_estimate_and_a_perturbed_network_loses(tmp_path: Path) -> None:
    fresh, perturbed = gate_model(tmp_path, 0.0), gate_model(tmp_path, 0.3)
    evidence = measure_evidence("recognition", fresh, perturbed, gate_clips(), CONFIG)
    gains = {
        row["other"]: row["difference"]
        for row in evidence.paired.filter(style="all", metric="pck_torso", threshold=0.1).to_dicts()
    }
    assert set(gains) == {"raw", "calibrated", "champion"}
    assert gains["raw"] == pytest.approx(0, abs=1e-6)
    assert gains["calibrated"] < 0  # the estimate has a bias that calibration removes
    assert gains["champion"] > 0.05
    assert evidence.mirror_percent == pytest.approx(0, abs=0.01)
    assert (evidence.unseen, evidence.clips, evidence.takes) == (2, 2, 2)
    assert evidence.latency_ms > 0
    assert set(evidence.scores["method"]) == {"raw", "calibrated", "champion", "candidate"}
    refused = [c.name for c in decide(evidence, CONFIG).criteria if not c.passed]
    assert refused == [
        "takes to judge by", "better than raw, PCK@0.1", "better than calibrated, PCK@0.1",
    ]  # fmt: skip

    other_way = measure_evidence("recognition", perturbed, fresh, gate_clips(), CONFIG)
    assert other_way.mirror_percent > 1  # left and right were perturbed differently
    assert not decide(other_way, CONFIG).passed


def test_derived_joints_count_for_the_gate_as_they_do_in_the_reports(tmp_path: Path) -> None:
    fresh, clips = gate_model(tmp_path, 0.0), gate_clips()
    for run in clips.validation:
        run.derived[:, 0] = True
        run.annotation[:, 0] += 1000
    found = {}
    for counted in (True, False):
        config = replace(CONFIG, derived_joints=counted)
        scores = measure_evidence("recognition", fresh, None, clips, config).scores
        found[counted] = scores.filter(
            style="all", method="raw", metric="pck_torso", threshold=0.1, joint="all"
        )["value"].item()
    assert found[False] == pytest.approx(found[True] * 14 / 13, rel=1e-6)


def test_training_clips_of_the_champion_do_not_count(tmp_path: Path) -> None:
    fresh = gate_model(tmp_path, 0.0)
    runs = gate_clips().validation
    some = measure_evidence(
        "recognition", fresh, fresh, gate_clips(frozenset({runs[0].group})), CONFIG
    )
    assert (some.unseen, some.clips, some.takes) == (1, 2, 1)
    assert some.scores.filter(pl.col("style") == "all")["n_clips"].max() == 1
    everything = frozenset(run.group for run in runs)
    none = measure_evidence("recognition", fresh, fresh, gate_clips(everything), CONFIG)
    assert (none.unseen, none.clips) == (0, 2)
    assert none.scores["n_clips"].max() == 2  # still compared with the floor


def test_an_unknown_floor_is_named(tmp_path: Path) -> None:
    fresh = gate_model(tmp_path, 0.0)
    with pytest.raises(InputError, match="no trivial row 'magic'"):
        measure_evidence(
            "recognition", fresh, None, gate_clips(), replace(CONFIG, floors=("magic",))
        )


def test_a_forecaster_is_compared_with_all_linear_floors(tmp_path: Path) -> None:
    """An untrained one is a damped velocity: no better than the damping chosen on these clips."""
    runs = [
        replace(run, split="train" if i < 2 else "val")
        for i, run in enumerate(synthetic_runs(8, 60))
    ]
    net = StgaNetConfig(channels=4, hidden=8)
    experiment = experiment_to_plain(PredictionExperiment(net, TrainingConfig()))
    path = tmp_path / "fresh.pt"
    save_checkpoint({"model": StgaNet(net).state_dict(), "experiment": experiment}, path)
    gate = replace(PREDICTION_GATE, bootstrap_samples=100, latency_ms=1000.0)
    clips = GateClips(runs[:2], runs[2:])
    evidence = measure_evidence("prediction", GateModel(path, "in -> out"), None, clips, gate)
    assert set(evidence.paired["other"]) == {"zero_velocity", "damped_velocity", "ridge"}
    assert evidence.takes == 6
    refused = {c.name for c in decide(evidence, gate).criteria if not c.passed}
    assert "takes to judge by" not in refused
    assert {f"better than damped_velocity, {ms} ms" for ms in (80, 400)} <= refused
