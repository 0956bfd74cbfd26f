"""The error that quantization makes in each layer's operands, its weight and its input activation."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from lib.graph import ComputeLayer, Graph, attributes
from lib.quant.activations import activations
from lib.quant.affine import asymmetric_range, dequantize, extremes, quantize, symmetric, symmetric_range
from lib.quant.calibrate import Range
from lib.quant.error import decibel, mse, sqnr_db, squared_error
from lib.quant.scheme import Scheme

BITS = 8
# These move values without computing any, so that ONNX Runtime gives the output the parameters of the input.
MOVES = ("MaxPool", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose")


def layer_errors(
    graph: Graph, inputs: np.ndarray, ranges: dict[str, dict[str, Range]], schemes: Iterable[Scheme]
) -> pd.DataFrame:
    """Range, MSE and SQNR of every layer's weight and input activation under every scheme.

    Each operand is quantized alone, with exact values before it: the errors are its own, not those of layers before.
    inputs : samples [N, ...], preferably not those of calibration
    ranges : by calibration and tensor

    >>> from lib.examples import float_graph, inputs, observations
    >>> ranges = {"minmax": {tensor: seen.limits for tensor, seen in observations().items()}}
    >>> table = layer_errors(float_graph(), inputs(), ranges, [Scheme.parse("qdq_uint8_channel_minmax")])
    >>> table[["layer", "kind", "sqnr_db"]].round(1)
          layer        kind  sqnr_db
    0  features      weight     50.2
    1    logits      weight     50.6
    2  features  activation     44.3
    3    logits  activation     53.4
    """
    schemes = list(schemes)
    weights = {granularity: _weight_errors(graph, granularity) for granularity in {s.granularity for s in schemes}}
    # Graph format and granularity make no difference to activations.
    distinct = {(scheme.activation, scheme.calibration): scheme for scheme in schemes}
    measured = _activation_errors(graph, inputs, ranges, distinct)
    return pd.DataFrame(
        scheme.columns() | row
        for scheme in schemes
        for row in (*weights[scheme.granularity], *measured[scheme.activation, scheme.calibration])
    )


def _weight_errors(graph: Graph, granularity: str) -> list[dict]:
    """One row per layer for its weight, quantized per "tensor" or "channel"."""
    rows = []
    for layer in graph.layers:
        weight = graph.initializers[layer.weight]
        axis = channel_axis(graph, layer) if granularity == "channel" else None
        scale, zero_point = symmetric(weight, BITS, axis)
        restored = dequantize(quantize(weight, scale, zero_point, BITS, True, axis), scale, zero_point, axis)
        low, high = extremes(weight)
        found = {"low": low, "high": high, "mse": mse(weight, restored), "sqnr_db": sqnr_db(weight, restored)}
        rows.append({"layer": layer.name, "kind": "weight", "tensor": layer.weight} | found)
    return rows


def _activation_errors(
    graph: Graph, inputs: np.ndarray, ranges: dict[str, dict[str, Range]], schemes: dict[tuple, Scheme]
) -> dict[tuple, list[dict]]:
    """For each key of `schemes`, one row per layer for its input activation; one pass over `inputs`."""
    tensors = {layer.input: quantized_as(graph, layer.input) for layer in graph.layers}
    limits = {key: {x: ranges[scheme.calibration][y] for x, y in tensors.items()} for key, scheme in schemes.items()}
    noise, signal, size = defaultdict(float), defaultdict(float), defaultdict(int)
    for batch in activations(graph, inputs):
        for tensor in tensors:
            x = batch[tensor]
            signal[tensor] += float(np.sum(np.square(x, dtype=np.float64)))
            size[tensor] += x.size
            for key, scheme in schemes.items():
                scale, zero_point = activation_parameters(*limits[key][tensor], scheme)
                restored = dequantize(quantize(x, scale, zero_point, BITS, scheme.signed), scale, zero_point)
                noise[key, tensor] += float(np.sum(squared_error(x, restored)))
    return {
        key: [
            {"layer": layer.name, "kind": "activation", "tensor": layer.input}
            | dict(zip(("low", "high"), limits[key][layer.input], strict=True))
            | {"mse": noise[key, layer.input] / size[layer.input]}
            | {"sqnr_db": decibel(signal[layer.input], noise[key, layer.input])}
            for layer in graph.layers
        ]
        for key in schemes
    }


def activation_parameters(low: np.float32, high: np.float32, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of an activation with range low ... high.

    >>> activation_parameters(-1.0, 1.55, Scheme.parse("qdq_int8_tensor_minmax"))
    (np.float32(0.01), array(-28, dtype=int32))
    """
    return (symmetric_range if scheme.symmetric else asymmetric_range)(low, high, BITS, scheme.signed)


def channel_axis(graph: Graph, layer: ComputeLayer) -> int:
    """The axis of a layer's weight that runs over output channels.

    >>> from lib.examples import float_graph
    >>> [channel_axis(float_graph(), layer) for layer in float_graph().layers]
    [0, 0]
    """
    node = graph.producer[layer.output]
    return 0 if node.op_type == "Conv" or attributes(node).get("transB") else 1


def quantized_as(graph: Graph, tensor: str) -> str:
    """The tensor whose scale and zero point `tensor` has: itself, or what it was moved from.

    >>> from lib.examples import float_graph
    >>> quantized_as(float_graph(), "flat"), quantized_as(float_graph(), "pooled")
    ('pooled', 'pooled')
    """
    while tensor in graph.producer and graph.producer[tensor].op_type in MOVES:
        tensor = graph.producer[tensor].input[0]
    return tensor
