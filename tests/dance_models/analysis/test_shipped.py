"""The networks that come with the package."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dance_models.analysis import shipped
from dance_models.checkpoint import load_checkpoint, save_checkpoint
from dance_models.export.sessions import OnnxMkffStGcn, OnnxStgaNet
from dance_models.inference.loading import load_refiner
from dance_models.inference.refine import refine_runs
from dance_models.training.synthetic import synthetic_runs


def test_they_are_small_said_to_be_what_they_are_and_hold_weights_alone() -> None:
    files = [shipped.RECOGNITION, shipped.RECOGNITION_CAUSAL, shipped.PREDICTION]
    assert sum(file.stat().st_size for file in files) < 8e6
    for file in files:
        assert set(load_checkpoint(file)) == {"model", "experiment"}
    notice = (shipped.FOLDER / "NOTICE").read_text("utf-8")
    assert "rendered data alone" in notice
    assert "NSF" in notice


def test_the_causal_one_makes_what_is_forecast_from() -> None:
    networks = shipped.networks()
    assert not networks.refiner.config.causal
    assert networks.observer.config.causal
    live = shipped.networks(causal=True)
    assert live.refiner is live.observer
    chosen = shipped.networks(shipped.RECOGNITION_CAUSAL)
    assert chosen.refiner is chosen.observer


def test_poses_that_are_shown_are_refined_with_their_mirror_image_and_others_once() -> None:
    networks = shipped.networks()
    assert networks.refiner.config.test_mirror
    assert not networks.observer.config.test_mirror
    assert shipped.networks(causal=True).refiner.config.test_mirror


def test_onnx_runtime_runs_them() -> None:
    networks = shipped.networks()
    assert isinstance(networks.refiner, OnnxMkffStGcn)
    assert isinstance(networks.observer, OnnxMkffStGcn)
    assert isinstance(networks.forecaster, OnnxStgaNet)


def test_a_packed_network_gives_the_same_poses_and_drops_the_rest(tmp_path: Path) -> None:
    state = load_checkpoint(shipped.RECOGNITION)
    state["model"] = {
        name: value.float() if value.dtype == torch.float16 else value
        for name, value in state["model"].items()
    }
    whole, packed = tmp_path / "best.pt", tmp_path / "packed.pt"
    save_checkpoint({**state, "history": [1, 2, 3]}, whole)
    shipped.pack(whole, packed)
    assert packed.read_bytes() == shipped.RECOGNITION.read_bytes()
    run = synthetic_runs(1, 40)[0]
    one, other = (refine_runs(load_refiner(path), [run])[0] for path in (whole, packed))
    np.testing.assert_array_equal(one, other)


def test_a_checkpoint_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not a recognition network"):
        shipped.networks(recognition=shipped.PREDICTION)
