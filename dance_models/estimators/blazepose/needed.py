"""A TFLite model without the operators that nothing asked for depends on."""

from functools import lru_cache
from typing import Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER: Final = b"TFL3"


@lru_cache(maxsize=1)  # half of what it takes to build an estimator, and each clip has its own
def needed_part(content: bytes, outputs: frozenset[int]) -> bytes:
    """The model with those outputs alone that have one of the given numbers of values.

    Operators that none of them depends on are dropped; the others, and so what they compute, stay
    as they are. An interpreter runs every operator of its model, whether its output is read or not.
    Content that is no TFLite model, or has several graphs, is returned as it is.
    """
    if content[4:8] != _IDENTIFIER:
        return content
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    if len(model.subgraphs) != 1:
        return content
    graph = model.subgraphs[0]
    kept = [i for i in graph.outputs if int(np.prod(graph.tensors[i].shape)) in outputs]
    needed, operators = set(kept), []
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs):
            operators.append(operator)
            needed.update(operator.inputs)
    graph.operators = operators[::-1]
    graph.outputs = np.array(kept, np.int32)
    for signature in model.signatureDefs or []:
        signature.outputs = [o for o in signature.outputs if o.tensorIndex in kept]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())
