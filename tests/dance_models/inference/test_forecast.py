import numpy as np
from small_networks import one_run, small_forecaster

from dance_models.config import (
    StgaNetConfig,
)
from dance_models.data.forecast_windows import cut_windows
from dance_models.inference.forecast import forecast
from dance_models.metrics.torso import visible_annotation
from dance_models.nets.stga_net import StgaNet


def test_forecast_follows_position_and_size() -> None:
    model, run = small_forecaster(), one_run()
    observed = cut_windows([run], [visible_annotation(run)]).observed
    shift = np.array([300, -40], np.float32)
    plain, moved = forecast(model, observed), forecast(model, observed * 3 + shift)
    np.testing.assert_allclose(moved, plain * 3 + shift, atol=0.1)
    assert forecast(model, observed[:0]).shape == (0, 10, 14, 2)


def test_an_untrained_forecaster_damps_the_velocity_in_pixels() -> None:
    run = one_run()
    observed = cut_windows([run], [visible_annotation(run)]).observed
    out = forecast(StgaNet(StgaNetConfig(channels=4, hidden=8)), observed)
    first = observed[:, -1] + 0.7 * (observed[:, -1] - observed[:, -2])
    np.testing.assert_allclose(out[:, 0], first, atol=0.01)
