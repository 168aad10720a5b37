"""The networks go through torch.export, with a batch size that is free afterwards."""

import pytest
import torch
from torch import nn

from dance_models.config import HrnetConfig, MkffStGcnConfig, StgaNetConfig
from dance_models.nets.hrnet import Hrnet
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.refiner_input import packed_width
from dance_models.nets.stga_net import StgaNet


def _check(model: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.eval()
    program = torch.export.export(
        model, (torch.randn(2, *shape),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    for batch in (1, 5):
        x = torch.randn(batch, *shape)
        torch.testing.assert_close(program.module()(x), model(x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("landmarks", [0, 33])
def test_recognition_network(landmarks: int) -> None:
    config = MkffStGcnConfig(landmarks=landmarks, spatial_channels=8, kinematic_channels=16)
    _check(MkffStGcn(config), (11, packed_width(landmarks)))


def test_prediction_network() -> None:
    _check(StgaNet(StgaNetConfig(channels=8, hidden=16)), (27, 14, 2))


def test_network_for_person_crops() -> None:
    _check(Hrnet(HrnetConfig(width=8, stem=8)), (3, 64, 64))
