"""How many threads of a CPU a network computes with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

# Of the networks of poses while they only compute. A step of theirs is too small to be shared:
# where other processes use the cores, threads that wait for each other took four to ten times as
# long as one. And the last bits of the results depend on the number.
OF_POSES: Final = 1


@contextmanager
def torch_threads(count: int = OF_POSES) -> Iterator[None]:
    """Compute with ``count`` threads, and with as many as before afterwards; also a decorator."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
