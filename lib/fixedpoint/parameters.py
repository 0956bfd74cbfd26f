"""Constants of a quantized graph: weights, scales, zero points, each checked before it is believed."""

import numpy as np
from onnx import NodeProto

from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.requantize import Quantization
from lib.graph import Graph, attributes

EIGHT_BITS = (np.dtype(np.int8), np.dtype(np.uint8))


def constant(graph: Graph, node: NodeProto, index: int) -> np.ndarray | None:
    """The node's input `index` as a constant array; None where the input is absent."""
    name = node.input[index] if index < len(node.input) else ""
    if name and name not in graph.initializers:
        raise UnsupportedModelError.at(node, f"input {name!r} must be a constant")
    return graph.initializers[name] if name else None


def constants(graph: Graph, node: NodeProto) -> list[np.ndarray | None]:
    """All inputs but the first."""
    return [constant(graph, node, index) for index in range(1, len(node.input))]


def quantization(
    graph: Graph, node: NodeProto, index: int, described: np.dtype | None = None, per_filter: bool = False
) -> Quantization:
    """Scale and zero point, the node's inputs `index` and `index` + 1.

    described : type of the integers that they describe, where it is known; a missing zero point is 0 of it, or uint8
    per_filter : whether there may be one of each per filter
    """
    scale, zero_point = constant(graph, node, index), constant(graph, node, index + 1)
    if scale is None:
        raise UnsupportedModelError.at(node, "a scale is missing")
    if zero_point is None:
        zero_point = np.zeros(scale.shape, described or np.uint8)
    if zero_point.dtype not in EIGHT_BITS or described not in (None, zero_point.dtype):
        raise UnsupportedModelError.at(
            node, f"type {described or zero_point.dtype}; it must be int8 or uint8 throughout"
        )
    if scale.dtype != np.float32 or not np.all(np.isfinite(scale) & (scale > 0)):
        raise UnsupportedModelError.at(node, "its scales are not positive float32 numbers")
    if scale.size > 1 and not per_filter:
        raise UnsupportedModelError.at(node, "its activations are not quantized per tensor")
    shape = () if scale.size == 1 else scale.shape
    return Quantization(scale.reshape(shape), zero_point.reshape(shape))


def dequantized_constant(graph: Graph, node: NodeProto, index: int) -> tuple[np.ndarray, Quantization, int]:
    """A weight or bias behind DequantizeLinear: integers, quantization, axis."""
    source = graph.producer.get(node.input[index])
    if source is None or source.op_type != "DequantizeLinear":
        raise UnsupportedModelError.at(node, f"input {node.input[index]!r} is not dequantized; quantize it")
    values, scale, zero_point = (constant(graph, source, i) for i in range(3))
    if zero_point is None:
        zero_point = np.zeros(scale.shape, values.dtype)
    return values, Quantization(scale, zero_point), attributes(source).get("axis", 1)


def same_type(node: NodeProto, *quantizations: Quantization) -> None:
    """onnxruntime fuses only groups of one activation type; it would run others in float32."""
    if len({quantization.dtype for quantization in quantizations}) > 1:
        raise UnsupportedModelError.at(node, "its activations mix int8 and uint8; quantize them alike")
