"""A trained network as a file for onnxruntime: 16-bit weights that work in 32 bits."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 17
SMALLEST = 64
"""Arrays of fewer numbers stay as they are: halving them saves nothing."""


def write(
    network: nn.Module,
    path: Path,
    example: tuple[Tensor, ...],
    inputs: tuple[str, ...] = ("light",),
) -> None:
    """Any height and width will do that the network's strides divide: `example` is only one."""
    network.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    # The exporter that traces: the one that compiles takes half a minute for a network this small.
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=list(inputs),
        output_names=["made"],
        dynamic_axes={
            "light": {2: "rows", 3: "columns"},
            "made": {2: "made_rows", 3: "made_columns"},
        },
        opset_version=OPSET,
        dynamo=False,
    )
    halve(path)


def halve(path: Path) -> None:
    """Keep weights as 16-bit numbers, which are widened when the file is loaded."""
    model = onnx.load(str(path))
    widened = []
    for weights in model.graph.initializer:
        if weights.data_type != TensorProto.FLOAT or np.prod(weights.dims) < SMALLEST:
            continue
        name = weights.name
        values = numpy_helper.to_array(weights).astype(np.float16)
        weights.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        widened.append(helper.make_node("Cast", [weights.name], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
