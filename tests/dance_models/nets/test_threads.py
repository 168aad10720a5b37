"""Networks compute with one thread, whatever the process is set to."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from small_networks import one_run, small_forecaster, small_refiner

from dance_models.inference.forecast import forecast
from dance_models.inference.refine import refine_runs
from dance_models.nets.threads import torch_threads


@pytest.fixture
def two_threads() -> Iterator[None]:
    with torch_threads(2):
        yield


def test_the_number_of_threads_is_restored_also_after_an_error(two_threads: None) -> None:
    with torch_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(ValueError, match="stop"), torch_threads(1):
        raise ValueError("stop")
    assert torch.get_num_threads() == 2


def test_pose_networks_compute_with_one_thread(two_threads: None) -> None:
    """Two waited for each other on a busy machine, and changed the last bits of the reports."""
    seen: list[int] = []
    refiner, forecaster = small_refiner(), small_forecaster()
    for network in (refiner, forecaster):
        network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    run = one_run()
    list(refine_runs(refiner, [run]))
    forecast(forecaster, np.ones((2, 27, 14, 2), np.float32) * np.arange(14)[:, None])
    assert set(seen) == {1}
    assert len(seen) >= 2
    assert torch.get_num_threads() == 2
