"""Do our integers equal onnxruntime's? Every tensor, every element.

Which onnxruntime is matched: its CPU provider with graph optimizations on and all quantized tensors made graph
outputs. For QDQ graphs with int8 activations it needs the session option `session.qdqisint8allowed` = 1 (its default
on ARM). Without it, on x86-64, onnxruntime moves int8 tensors to uint8, which changes nothing, but not those with
several readers: their layers, in residual networks, fall back to float32 and differ now and then by one step. So do
all layers of QDQ graphs where graph optimizations, which fuse them into integer operators, are off.
"""

from collections.abc import Callable

import numpy as np
import onnx

from lib.fixedpoint.batches import over_batches
from lib.fixedpoint.model import BATCH, IntegerModel

SESSION_OPTION = ("session.qdqisint8allowed", "1")
Runtime = Callable[[np.ndarray], dict[str, np.ndarray]]


def with_quantized_outputs(model: IntegerModel) -> onnx.ModelProto:
    """The ONNX model with every quantized tensor among its outputs.

    >>> from lib.examples import quantized_model
    >>> exposed = with_quantized_outputs(IntegerModel.from_onnx(quantized_model()))
    >>> [value.name for value in exposed.graph.output][:3]
    ['logits', 'input_quantized', 'features_quantized']
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model.graph.model)
    names = [name for name in model.quantized_tensors if name not in model.graph.outputs]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return exposed


def exactness(model: IntegerModel, runtime: Runtime, x: np.ndarray) -> list[dict]:
    """One row per tensor that `runtime` gives: elements compared, elements that differ, largest difference.

    runtime : onnxruntime's outputs and quantized tensors by name for a batch; x : inputs [N, C, …], float32
    The difference is in integer steps, for the outputs in their own unit.

    >>> import onnxruntime
    >>> from lib.examples import inputs, quantized_model
    >>> model = IntegerModel.from_onnx(quantized_model())
    >>> session = onnxruntime.InferenceSession(with_quantized_outputs(model).SerializeToString())
    >>> names = [output.name for output in session.get_outputs()]
    >>> rows = exactness(model, lambda x: dict(zip(names, session.run(names, {"input": x}))), inputs(8))
    >>> len(rows), sum(row["elements"] for row in rows), sum(row["differing"] for row in rows)
    (6, 2672, 0)
    """

    def compare(batch: np.ndarray) -> dict[str, tuple]:
        theirs = runtime(batch)
        ours = model.tensors({model.graph.inputs[0]: batch}, list(theirs))
        return {name: _difference(ours[name], theirs[name]) for name in theirs}

    batches = list(over_batches(compare, x, BATCH))
    return [
        {
            "tensor": name,
            "samples": len(x),
            "elements": sum(batch[name][0] for batch in batches),
            "differing": sum(batch[name][1] for batch in batches),
            "max_difference": max(batch[name][2] for batch in batches),
        }
        for name in batches[0]
    ]


def _difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[int, int, float]:
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        raise AssertionError(f"{ours.dtype} {ours.shape} against onnxruntime's {theirs.dtype} {theirs.shape}")
    if np.array_equal(ours, theirs):  # nearly always, and an eighth of the memory
        return ours.size, 0, 0.0
    distance = np.abs(ours.astype(np.float64) - theirs)
    return ours.size, int(np.count_nonzero(distance)), float(distance.max())
