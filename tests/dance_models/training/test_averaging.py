import copy

import pytest
import torch
from torch import nn

from dance_models.training.averaging import moving_average, warmed_up

DECAY = 0.9


def test_weights_and_statistics_are_averaged_bit_for_bit_and_counters_copied() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    average = moving_average(model, DECAY, warmup=False)
    expected = copy.deepcopy(model).state_dict()
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
    average = moving_average(model, DECAY, warmup=False)
    nn.init.ones_(model.weight)
    average.update_parameters(model)
    assert torch.allclose(average.module.weight, torch.tensor([[0.1]]))


def test_the_decay_rises_to_the_configured_one() -> None:
    assert [warmed_up(0.995, n) for n in (0, 1, 8)] == [1 / 10, 2 / 11, 9 / 18]
    assert warmed_up(0.995, 1790) == 1791 / 1800 == 0.995
    assert warmed_up(0.995, 100_000) == 0.995
    assert warmed_up(0.3, 10) == 0.3


def test_a_warmed_up_average_follows_the_known_values() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average, expected = moving_average(model, 0.995), 0.0
    for step in range(4):
        nn.init.constant_(model.weight, step + 1.0)
        average.update_parameters(model)
        decay = (1 + step) / (10 + step)
        expected = decay * expected + (1 - decay) * (step + 1)
        torch.testing.assert_close(average.module.weight.item(), expected)


def test_after_few_steps_from_zero_the_average_is_near_the_last_weights() -> None:
    """A head that starts at zero and moves to one: the case of a short training."""
    found = {}
    for warmup in (True, False):
        model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(model.weight)
        average = moving_average(model, 0.995, warmup=warmup)
        for step in range(200):
            nn.init.constant_(model.weight, min(1.0, (step + 1) / 100))
            average.update_parameters(model)
        found[warmup] = average.module.weight.item()
    assert 0.99 < found[True] <= 1
    assert found[False] < 0.6


def test_an_average_goes_on_where_another_stopped() -> None:
    model = nn.Linear(3, 3)
    whole = moving_average(model, 0.995)
    for step in range(6):
        if step == 3:
            resumed = moving_average(model, 0.995, updates=3)
            resumed.module.load_state_dict(whole.module.state_dict())
        nn.init.constant_(model.weight, step)
        for average in (whole, resumed) if step >= 3 else (whole,):
            average.update_parameters(model)
    assert torch.equal(whole.module.weight, resumed.module.weight)


def test_recurrent_weights_of_the_average_lie_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """As cuDNN asks for on a GPU; on a CPU torch leaves them as they are."""
    joined: list[nn.Module] = []

    def join(layer: nn.Module) -> None:
        joined.append(layer)

    model = nn.Sequential(nn.LSTM(2, 3))
    monkeypatch.setattr(nn.RNNBase, "flatten_parameters", join)
    average = moving_average(model, 0.9)
    assert joined == [average.module[0]]  # type: ignore[index]
