import pytest
import torch
from torch import nn

from dance_models.nets.graph import spatial_partition
from dance_models.nets.layers import LockedDropout, NormFirst, NormLast
from dance_models.nets.st_gcn import SpatialGraphConv, StGcnBlock, TemporalConv


def test_spatial_convolution_is_the_sum_over_partitions() -> None:
    torch.manual_seed(0)
    layer = SpatialGraphConv(5, 7)
    nn.init.uniform_(layer.importance)
    x = torch.randn(14, 2, 3, 5)
    expected = torch.zeros(14, 2, 3, 7)
    edges = spatial_partition() * layer.importance
    for k in range(3):
        for source, target in edges[k].nonzero().tolist():
            expected[target] += edges[k, source, target] * (x[source] @ layer.weight[k])
    torch.testing.assert_close(layer(x), expected)


def test_temporal_convolution_is_one_over_frames() -> None:
    torch.manual_seed(0)
    layer = TemporalConv(4, 9)
    x = torch.randn(14, 2, 11, 4)
    series = x.reshape(28, 11, 4).transpose(1, 2)  # each joint of each window separately
    expected = nn.functional.conv1d(series, layer.weight[:, :, 0], padding=4)
    torch.testing.assert_close(layer(x), expected.transpose(1, 2).reshape(x.shape))


@pytest.mark.parametrize(("channels_in", "channels_out"), [(5, 8), (8, 8)])
def test_block_preserves_frames(channels_in: int, channels_out: int) -> None:
    block = StGcnBlock(channels_in, channels_out, 9, 0.1)
    assert block(torch.randn(14, 3, 11, channels_in)).shape == (14, 3, 11, channels_out)


def test_normalisations_leave_mean_zero_and_deviation_one_a_channel() -> None:
    torch.manual_seed(0)
    last = NormLast(3)(torch.randn(14, 2, 11, 3) * 5 + 2)
    torch.testing.assert_close(last.mean(dim=(0, 1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    first = NormFirst(3)(torch.randn(3, 9, 2, 14) * 5 + 2)
    deviation = first.std(dim=(1, 2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(3), atol=1e-3, rtol=0)


def test_locked_dropout_drops_all_frames_of_a_feature_or_none() -> None:
    torch.manual_seed(0)
    dropout = LockedDropout(0.5, time_dim=2)
    dropped = dropout(torch.ones(14, 8, 11, 4))
    assert (dropped == dropped[:, :, :1]).all()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert 0.3 < (dropped == 0).float().mean() < 0.7
    x = torch.randn(2, 2, 2, 2)
    assert dropout.eval()(x) is x
