"""The float model with all its intermediate tensors visible."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from lib.errors import InputError
from lib.graph import Graph, load

BATCH = 64


def load_finite(path: str | Path) -> Graph:
    """The float model in `path`; raises InputError naming the tensor where a weight is NaN or infinite.

    >>> from lib.examples import float_model
    >>> load_finite(float_model()).initializers["conv_weight"].shape
    (4, 1, 3, 3)
    """
    graph = load(path)
    for name, values in graph.initializers.items():
        if np.issubdtype(values.dtype, np.floating) and not np.all(np.isfinite(values)):
            raise InputError(f"{path}: weight {name} contains NaN or infinity; train the model again")
    return graph


def _open_session(model: onnx.ModelProto, optimize: bool = True) -> onnxruntime.InferenceSession:
    """A session on one thread, so that sums are made in the same order everywhere.

    optimize : False keeps every node of the graph, hence every tensor
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def activations(
    graph: Graph, inputs: np.ndarray, names: Sequence[str] | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Every float tensor between the nodes, by name, the input and the outputs included; `BATCH` samples at a time.

    inputs : [N, ...], fed to the model's first input
    names : what else than the input is wanted, if not all; nodes that only others need are not run

    >>> from lib.examples import float_graph, inputs
    >>> (batch,) = activations(float_graph(), inputs(), ["features", "rectified"])
    >>> batch["features"].shape, np.array_equal(batch["rectified"], np.maximum(batch["features"], 0))
    ((16, 4, 8, 8), True)
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    hidden = [name for name in graph.producer if name not in graph.outputs and name not in graph.initializers]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in hidden)
    session = _open_session(model, optimize=False)
    floats = [output.name for output in session.get_outputs() if output.type == "tensor(float)"]
    names = floats if names is None else [name for name in names if name in floats]
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    for start in range(0, len(inputs), BATCH):
        feeds = {graph.inputs[0]: inputs[start : start + BATCH]}
        yield feeds | dict(zip(names, session.run(names, feeds, options), strict=True))


def logits(model: onnx.ModelProto, inputs: np.ndarray) -> np.ndarray:
    """The model's first output [N, classes] for `inputs` [N, ...].

    >>> from lib.examples import float_graph, inputs
    >>> logits(float_graph().model, inputs(2)).round(2)
    array([[ 6.05,  5.46,  1.1 ],
           [ 4.37,  5.02, -0.76]], dtype=float32)
    """
    session = _open_session(model)
    name = session.get_inputs()[0].name
    return np.concatenate(
        [session.run(None, {name: inputs[start : start + BATCH]})[0] for start in range(0, len(inputs), BATCH)]
    )
