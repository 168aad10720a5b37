"""Both networks train under bfloat16 autocast, here on the CPU."""

import pytest
import torch
from torch import nn

from dance_models.config import MkffStGcnConfig, StgaNetConfig
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.refiner_input import packed_width
from dance_models.nets.stga_net import StgaNet


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (
            MkffStGcn(MkffStGcnConfig(landmarks=33, spatial_channels=16, dropout=0.0)),
            (8, 11, packed_width(33)),
        ),
        (StgaNet(StgaNetConfig(channels=8, hidden=16, dropout=0.0)), (8, 27, 14, 2)),
    ],
    ids=["recognition", "prediction"],
)
def test_bfloat16_is_close_to_float32(model: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    x = torch.randn(shape)
    exact = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(x)
        loss = rough.float().square().mean()
    loss.backward()
    assert (rough - exact).norm() < 0.05 * exact.norm()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
