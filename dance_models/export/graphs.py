"""Writing the ONNX graphs that come with the package: what a network does, without its weights.

A graph belongs to a configuration, and serves every network of it: the weights are those of the
folded network (:func:`~dance_models.export.folded.folded`), given when a session is opened. Beside
each graph lies a file that says for which configuration it is and which tensor goes where.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from dance_models.errors import InputError
from dance_models.export.files import INPUT, onnx_program, poses_alone
from dance_models.export.folded import folded
from dance_models.export.sessions import GRAPHS, graph_of
from dance_models.files import replacing
from dance_models.tables import write_text

_SEED: Final = 0
_LARGEST_CONSTANT: Final = 64  # values; what is larger and no weight would be baked in unseen


def write_graph(network: nn.Module, example: Tensor, name: str, folder: Path = GRAPHS) -> Path:
    """Write ``NAME.onnx`` and ``NAME.json`` for networks of the configuration of ``network``.

    ``example`` is an input of two windows. The weights are replaced by random numbers first, so
    that each is told from the others by its values. Raises InputError when the exporter is not
    installed, or worked something out from weights that this function cannot.
    """
    module = poses_alone(folded(network))
    weights = {
        key: value for key, value in module.state_dict().items() if value.is_floating_point()
    }
    generator = torch.Generator().manual_seed(_SEED)
    for value in weights.values():
        value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    proto = onnx_program(module, example).model_proto
    given = []
    for initializer in proto.graph.initializer:
        given += [found] if (found := _emptied(initializer, weights, name)) else []
    _bare(proto)
    folder.mkdir(parents=True, exist_ok=True)
    content = proto.SerializeToString(deterministic=True)
    target = folder / f"{name}.onnx"
    with replacing(target) as part:
        part.write_bytes(content)
    facts = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "graph_of": graph_of(network),
        "input": INPUT,
        "weights": given,
    }
    write_text(folder / f"{name}.json", json.dumps(facts, indent=1) + "\n")
    return target


def _emptied(initializer: Any, weights: dict[str, Tensor], graph: str) -> dict[str, Any] | None:
    """Take the values out of a constant that is a weight, and say which weight; else None."""
    import onnx
    from onnx.numpy_helper import to_array

    if initializer.data_type != onnx.TensorProto.FLOAT:
        return None
    values = torch.from_numpy(to_array(initializer).copy())
    found = _weight_of(values, weights)
    if found is None:
        if values.numel() > _LARGEST_CONSTANT:
            raise InputError(f"{graph}: {initializer.name} follows from weights in a way not known")
        return None
    initializer.ClearField("raw_data")
    initializer.ClearField("float_data")
    initializer.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "weights"), ("offset", 0), ("length", 4 * values.numel())):
        initializer.external_data.add(key=key, value=str(value))
    name, transposed = found
    return {
        "initializer": initializer.name,
        "weight": name.removeprefix("network."),
        "transposed": transposed,
        "shape": list(values.shape),
    }


def _weight_of(values: Tensor, weights: dict[str, Tensor]) -> tuple[str, bool] | None:
    """The weight that these are the values of, perhaps in another shape or transposed."""
    for name, weight in weights.items():
        if weight.numel() != values.numel():
            continue
        if torch.equal(weight.flatten(), values.flatten()):
            return name, False
        if weight.dim() > 1 and torch.equal(weight.mT.flatten(), values.flatten()):
            return name, True
    return None


def _bare(proto: Any) -> None:
    """Leave out where in our code each operator was made."""
    del proto.metadata_props[:]
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    proto.doc_string = ""
