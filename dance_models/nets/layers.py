"""Small layers shared by the networks."""

from torch import Tensor, nn


class LockedDropout(nn.Module):
    """Dropout with one mask for all frames of a window.

    Neighbouring frames are nearly the same, so noise drawn for each of them averages out; and the
    mask is a fraction of the random numbers, which are a tenth of a training step on a CPU.
    """

    def __init__(self, probability: float, time_dim: int) -> None:
        super().__init__()
        self.probability, self.time_dim = probability, time_dim

    def forward(self, x: Tensor) -> Tensor:
        """Any shape whose dimension ``time_dim`` is time."""
        if not self.training or not self.probability:
            return x
        shape = list(x.shape)
        shape[self.time_dim] = 1
        return x * nn.functional.dropout(x.new_ones(shape), self.probability)


class NormLast(nn.BatchNorm1d):
    """Batch normalisation of (..., C) over everything but the last dimension."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> the same."""
        return super().forward(x.flatten(0, -2)).reshape(x.shape)


class NormFirst(nn.BatchNorm1d):
    """Batch normalisation of (C, ...) over everything but the first dimension."""

    def forward(self, x: Tensor) -> Tensor:
        """(C, ...) -> the same."""
        return super().forward(x.flatten(1)[None])[0].reshape(x.shape)
