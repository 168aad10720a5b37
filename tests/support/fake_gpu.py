"""A GPU without numbers: tensors on torch's meta device, and the rules of a real one.

What a real GPU refuses is refused: operations on tensors of both devices. What it allows and waits
for is done and noted: copies from and to the CPU, and reading a value. A value that is read is 1,
and what is copied to the CPU is 0. No rule of CUDA's own kernels is known here.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE: Final = torch.device("meta")
# Their second operand may be a number, which is an argument of the kernel and no copy.
WITH_NUMBERS: Final = ("add", "sub", "mul", "div", "pow", "lt", "gt", "ge", "le", "eq", "bitwise")
INDEXING: Final = ("index", "_index_put", "index_put")  # an index may come from the CPU


def _by_device(arguments: Iterable[Any]) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors among arguments, and in lists among them: on the device, and on the CPU."""
    ours: list[Tensor] = []
    hosts: list[Tensor] = []
    for argument in arguments:
        for value in argument if isinstance(argument, list | tuple) else (argument,):
            if isinstance(value, Tensor):
                (ours if value.is_meta else hosts).append(value)
    return ours, hosts


class _Lists(TorchFunctionMode):
    """Notes lists as indices: torch makes tensors of them and sends them, unseen by dispatch."""

    def __init__(self, waits: list[str]) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.__getitem__, Tensor.__setitem__) and args[0].device == DEVICE:
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(part, list | range | np.ndarray) for part in parts):
                self.waits.append("an index that is a list")
        return func(*args, **(kwargs or {}))


class FakeGpu(TorchDispatchMode):
    """Within it, the meta device is a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []  # what would have waited for the other device
        self.lists = _Lists(self.waits)

    def __enter__(self) -> Self:
        self.lists.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.lists.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func).removeprefix("aten.").partition(".")[0]
        ours, hosts = _by_device((*args, *kwargs.values()))
        if name == "lift_fresh":  # of a list or a number, which is to become a tensor
            self.waits.append(name)
        if name == "_local_scalar_dense" and ours:
            self.waits.append(name)
            return torch.ones((), dtype=ours[0].dtype, device="cpu").item()
        if name == "_to_copy" and isinstance(args[0], Tensor):  # and no number
            target = torch.device(kwargs.get("device") or args[0].device)
            return self._copied(partial(func, *args, **kwargs), args[0], target, kwargs)
        if name == "copy_" and ours and hosts:
            self.waits.append(name)
            return func(*args, **kwargs) if args[0].device == DEVICE else args[0].zero_()
        if ours and hosts:
            self._mixed(name, hosts)
        if name.startswith("_fused_") and ours:  # of an optimiser: in place, and unknown to meta
            if not isinstance(kwargs["lr"], Tensor):
                self.waits.append("a rate that is a number")
            return None
        return func(*args, **kwargs)

    def _copied(self, copy: Callable[[], Any], value: Tensor, target: Any, how: Any) -> Any:
        if (value.device == DEVICE) != (target == DEVICE):
            self.waits.append("_to_copy")
        if value.device == DEVICE != target:
            kind = how.get("dtype") or value.dtype
            return torch.zeros(value.shape, dtype=kind, device=target)
        return copy()

    def _mixed(self, name: str, hosts: list[Tensor]) -> None:
        if name.startswith(WITH_NUMBERS) and all(host.dim() == 0 for host in hosts):
            return
        if name not in INDEXING and any(host.dim() for host in hosts):
            raise RuntimeError(f"{name}: expected all tensors to be on the same device")
        self.waits.append(name)

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Raise RuntimeError at the end when something in the block would have waited."""
        before = len(self.waits)
        yield
        if self.waits[before:]:
            raise RuntimeError(f"a graph cannot capture {', '.join(self.waits[before:])}")

    def capture(self, body: Callable[[], None]) -> Callable[[], None]:
        """As ``cuda_graph_of``; what it returns does nothing."""
        with self.capturing():
            body()
        return lambda: None
