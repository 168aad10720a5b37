"""Inference time of a trained network for one window."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter, thread_time
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dance_models.export.program import exportable
from dance_models.nets.threads import torch_threads

REPEATS: Final = 40
WARM_UP: Final = 5


@torch.no_grad()
def window_times(
    module: nn.Module,
    window: Tensor,
    threads: int,
    clock: Callable[[], float] = perf_counter,
) -> NDArray[np.float64]:
    """Milliseconds of ``REPEATS`` calls, one after the other; the thread count is restored."""
    times = []
    with torch_threads(threads):
        for i in range(WARM_UP + REPEATS):
            started = clock()
            module(window)
            if i >= WARM_UP:
                times.append(1000 * (clock() - started))
    return np.array(times)


def processor_p95(checkpoint: Path) -> float:
    """95th percentile in milliseconds of one window on one thread, in processor time.

    Processor time does not count waiting for other processes, so load on the machine matters less.
    """
    module, example = exportable(checkpoint)
    return float(np.percentile(window_times(module, example[:1], 1, thread_time), 95))
