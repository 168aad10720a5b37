"""Trained networks run by ONNX Runtime: graphs that come with the package, weights of any training.

:mod:`dance_models.export.graphs` writes the graphs. One thread a session, without spinning: what
uses the networks has threads of its own.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from dance_models.export.folded import folded
from dance_models.nets.build import Refiner, skeleton_of
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.nets.stga_net import StgaNet

GRAPHS: Final = Path(__file__).parent / "graph_files"
RECOGNITION_GRAPH: Final = "mkff_st_gcn"
PREDICTION_GRAPH: Final = "stga_net"
_WINDOWS: Final = 16  # at once: as fast as 128, and a session keeps the memory of the largest
# What a configuration says about training, the cutting of windows and the use of what comes out.
_OUTSIDE: Final = frozenset(
    (
        "causal",
        "dropout",
        "frame_rate",
        "gamma",
        "kinematics_of_flow",
        "sample_interval",
        "test_mirror",
        "top_k",
        "top_k_weight",
        "undo_exchanges",
    )
)


def graph_of(network: nn.Module) -> dict[str, Any]:
    """What the graph of a network follows from: architecture, skeleton and configuration."""
    config = asdict(network.config)  # type: ignore[call-overload]  # a dataclass
    return {
        "architecture": "MkffStGcn" if isinstance(network, MkffStGcn) else type(network).__name__,
        "skeleton": skeleton_of(network).id,
        "configuration": {name: value for name, value in config.items() if name not in _OUTSIDE},
    }


class Session:
    """One network in ONNX Runtime. Safe to use by several threads at once."""

    def __init__(self, graph: bytes, facts: dict[str, Any], network: nn.Module) -> None:
        import onnxruntime

        weights = folded(network).state_dict()
        names, values = [], []
        for given in facts["weights"]:
            value = weights[given["weight"]]
            value = value.mT if given["transposed"] else value
            names.append(given["initializer"])
            values.append(np.ascontiguousarray(value.reshape(given["shape"]).numpy()))
        # A session uses them where they lie.
        self._values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in values]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        options.add_external_initializers(names, self._values)
        self._input = facts["input"]
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )

    def run(self, batch: Tensor) -> Tensor:
        """The poses of a batch, without gradients; a few windows at a time."""
        given = batch.detach().contiguous().numpy()
        parts = [
            self._session.run(None, {self._input: given[first : first + _WINDOWS]})[0]
            for first in range(0, max(len(given), 1), _WINDOWS)
        ]
        return torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))


class OnnxMkffStGcn(MkffStGcn):
    """MKFF-ST-GCN in evaluation mode, run by ONNX Runtime."""

    def __init__(self, network: MkffStGcn, session: Session) -> None:
        super().__init__(network.config, network.skeleton)
        self.load_state_dict(network.state_dict())
        self.eval()
        self._session = session

    def forward(self, packed: Tensor) -> Tensor:
        """Refine a batch of windows."""
        return self._session.run(packed)


class OnnxStgaNet(StgaNet):
    """STGA-Net in evaluation mode, run by ONNX Runtime."""

    def __init__(self, network: StgaNet, session: Session) -> None:
        super().__init__(network.config, network.skeleton)
        self.load_state_dict(network.state_dict())
        self.eval()
        self._session = session

    def forward(self, observed: Tensor) -> Tensor:
        """Forecast a batch of windows."""
        return self._session.run(observed)


def fast_refiner(network: Refiner) -> Refiner:
    """The network in ONNX Runtime where there is a graph for it, else as it is; the same poses."""
    if isinstance(network, MkffStGcn) and (session := _session(network, RECOGNITION_GRAPH)):
        return OnnxMkffStGcn(network, session)
    return network


def fast_forecaster(network: nn.Module) -> nn.Module:
    """As :func:`fast_refiner`, for a prediction network."""
    if isinstance(network, StgaNet) and (session := _session(network, PREDICTION_GRAPH)):
        return OnnxStgaNet(network, session)
    return network


def _session(network: nn.Module, name: str) -> Session | None:
    facts = graph_facts(name)
    wanted = json.loads(json.dumps(graph_of(network)))
    if facts["graph_of"] != wanted:
        return None
    return Session((GRAPHS / f"{name}.onnx").read_bytes(), facts, network)


def graph_facts(name: str, folder: Path = GRAPHS) -> dict[str, Any]:
    """The file beside a graph: its sha256, what it is of, and which weight goes where."""
    facts: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return facts
