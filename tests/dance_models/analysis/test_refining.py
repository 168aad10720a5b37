"""Long runs, refined in pieces."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dance_models.analysis import refining
from dance_models.analysis.refining import pieces, refine_long
from dance_models.config import MkffStGcnConfig
from dance_models.data.pose_runs import PoseRun
from dance_models.inference.refine import refine_runs
from dance_models.nets.build import Refiner, build_refiner
from dance_models.training.synthetic import synthetic_runs

FRAMES = 200  # at 30 frames a second


@pytest.fixture
def run() -> PoseRun:
    return synthetic_runs(1, FRAMES)[0]


def trained(*, causal: bool) -> Refiner:
    """A network that changes its input: the last layer, which begins at zero, is drawn."""
    import torch

    torch.manual_seed(0)
    small = MkffStGcnConfig(
        spatial_channels=8,
        kinematic_channels=16,
        spatial_blocks=1,
        attention_blocks=1,
        causal=causal,
        test_mirror=False,
    )
    model = build_refiner(small).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def moved(model: Refiner, run: PoseRun) -> NDArray[np.float32]:
    return refine_long(model, run, "annotation")


def test_a_run_of_up_to_a_minute_and_a_half_is_one_piece() -> None:
    assert pieces(np.arange(2600) / 30) == [(0, 2600, 0)]


def test_pieces_cover_a_long_run_and_overlap_by_two_seconds() -> None:
    time_s = np.arange(9000) / 30
    cut = pieces(time_s)
    assert cut[0] == (0, 1800, 0)
    assert cut[-1][1] == 9000
    for (_, stop, _), (start, _, fade) in pairwise(cut):
        assert stop - start == fade == 60


def test_pieces_are_faded_without_a_jump(run: PoseRun, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(causal=False)
    whole = moved(model, run)
    (once,) = refine_runs(model, [run], stride=3, restored=True)
    np.testing.assert_array_equal(whole, once)
    monkeypatch.setattr(refining, "PIECE_S", 2.0)
    monkeypatch.setattr(refining, "OVERLAP_S", 0.5)
    assert len(pieces(run.time_s)) > 1
    done: list[int] = []
    parted = refine_long(model, run, "annotation", advance=done.append)
    assert len(done) == len(pieces(run.time_s))
    assert sum(done) == len(run)  # frames that two pieces share are counted once
    assert np.isfinite(parted).all()
    correction = parted - run.estimate
    # The pieces have units of their own, so they differ a little; no frame jumps.
    size = float(np.abs(whole - run.estimate).mean())
    assert np.abs(parted - whole).mean() < 0.3 * size
    steps = np.abs(np.diff(correction, axis=0)).max(axis=(1, 2))
    assert steps.max() <= 2 * np.abs(np.diff(whole - run.estimate, axis=0)).max()


def test_a_causal_network_sees_nothing_later_in_any_piece(
    run: PoseRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refining, "PIECE_S", 2.0)
    monkeypatch.setattr(refining, "OVERLAP_S", 0.5)
    model, last = trained(causal=True), 130
    one = moved(model, run)
    changed = run.estimate.copy()
    changed[last + 1 :] += 30
    other = moved(model, PoseRun(**{**vars(run), "estimate": changed}))
    np.testing.assert_allclose(one[: last + 1], other[: last + 1], atol=1e-3)
    assert np.abs(one[last + 1 :] - other[last + 1 :]).max() > 1
