import copy

import torch
from torch import nn

from dance_models.training.averaging import moving_average

DECAY = 0.9


def test_weights_and_statistics_are_averaged_bit_for_bit_and_counters_copied() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    average, expected = moving_average(model, DECAY), copy.deepcopy(model).state_dict()
    for _ in range(5):
        model(torch.randn(8, 3))  # moves the statistics and the counter
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        average.update_parameters(model)
        for name, value in model.state_dict().items():
            mean = expected[name]
            expected[name] = mean.lerp(value, 1 - DECAY) if mean.is_floating_point() else value
    found = average.module.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert found["1.num_batches_tracked"] == 5


def test_the_first_update_does_not_forget_the_initial_weights() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = moving_average(model, DECAY)
    nn.init.ones_(model.weight)
    average.update_parameters(model)
    assert torch.allclose(average.module.weight, torch.tensor([[0.1]]))
