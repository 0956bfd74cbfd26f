"""Constants of a quantized graph: weights, scales, zero points, each checked before it is believed."""

import numpy as np
from onnx import NodeProto, TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.requantize import Quantization
from lib.fixedpoint.window import Window
from lib.graph import Graph, Shape, attributes

EIGHT_BITS = (np.dtype(np.int8), np.dtype(np.uint8))
BIAS_TYPES = (np.dtype(np.int32),)
WIDEST_WINDOW = 1 << 14  # samples; more is a damaged model, whose padding might not fit into memory


def constant(graph: Graph, node: NodeProto, index: int) -> np.ndarray | None:
    """The node's input `index` as a constant array; None where the input is absent.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model())
    >>> constant(graph, graph.producer["features_quantized"], 8).tolist()  # the bias
    [-3017, -335, 3452, 8901]
    """
    name = node.input[index] if index < len(node.input) else ""
    if name and name not in graph.initializers:
        raise UnsupportedModelError.at(node, f"input {name!r} must be a constant")
    return graph.initializers[name] if name else None


def constants(graph: Graph, node: NodeProto) -> list[np.ndarray | None]:
    """All inputs but the first.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model())
    >>> [array.shape for array in constants(graph, graph.producer["features_quantized"])]
    [(), (), (4, 1, 3, 3), (4,), (4,), (), (), (4,)]
    """
    return [constant(graph, node, index) for index in range(1, len(node.input))]


def quantization(
    graph: Graph,
    node: NodeProto,
    index: int,
    described: np.dtype | None = None,
    per_filter: bool = False,
    types: tuple[np.dtype, ...] = EIGHT_BITS,
) -> Quantization:
    """Scale and zero point, the node's inputs `index` and `index` + 1.

    described : type of the integers that they describe, where it is known; a missing zero point is 0 of it
    per_filter : whether there may be one of each per filter
    types : types that the integers may have

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model())
    >>> node = graph.producer["features_quantized"]
    >>> found = quantization(graph, node, 4, np.dtype(np.int8), per_filter=True)  # of the weights
    >>> found.scale.astype(float).round(4).tolist(), found.zero_point.tolist()
    ([0.0103, 0.0183, 0.0108, 0.0079], [0, 0, 0, 0])
    """
    given = attributes(node)
    if given.get("block_size") or given.get("precision"):
        raise UnsupportedModelError.at(
            node, "block_size and precision are not supported; quantize per tensor or filter"
        )
    scale, zero_point = constant(graph, node, index), constant(graph, node, index + 1)
    if zero_point is None and node.op_type == "QuantizeLinear":
        described = tensor_dtype_to_np_dtype(given.get("output_dtype") or TensorProto.UINT8)
    if scale is None or (zero_point is None and described is None):
        raise UnsupportedModelError.at(node, "a scale or zero point is missing")
    zero_point = np.zeros((), described) if zero_point is None else zero_point
    if zero_point.dtype not in types or described not in (None, zero_point.dtype):
        wanted = " or ".join(map(str, types))
        raise UnsupportedModelError.at(node, f"type {described or zero_point.dtype}; it must be {wanted} throughout")
    if scale.dtype != np.float32 or not np.all(np.isfinite(scale) & (scale > 0)):
        raise UnsupportedModelError.at(node, "its scales are not positive float32 numbers")
    if scale.size != 1 and not per_filter:
        raise UnsupportedModelError.at(node, "its activations are not quantized per tensor")
    if zero_point.size not in (1, scale.size):
        raise UnsupportedModelError.at(node, f"{scale.size} scales and {zero_point.size} zero points")
    shape = () if scale.size == 1 else (scale.size,)
    zero_point = np.broadcast_to(zero_point.ravel(), scale.size)
    return Quantization(scale.reshape(shape), zero_point.reshape(shape))


def dequantized_constant(
    graph: Graph, node: NodeProto, index: int, types: tuple[np.dtype, ...] = EIGHT_BITS
) -> tuple[np.ndarray, Quantization, int]:
    """A weight or bias behind DequantizeLinear: integers, quantization, axis.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model("qdq_uint8_channel_minmax"))
    >>> node = next(node for node in graph.nodes if node.op_type == "Conv")
    >>> weight, meaning, axis = dequantized_constant(graph, node, 1)
    >>> weight.shape, weight.dtype, meaning.scale.astype(float).round(4).tolist(), axis
    ((4, 1, 3, 3), dtype('int8'), [0.0103, 0.0183, 0.0108, 0.0079], 0)
    """
    source = graph.producer.get(node.input[index])
    if source is None or source.op_type != "DequantizeLinear":
        raise UnsupportedModelError.at(node, f"input {node.input[index]!r} is not dequantized; quantize it")
    if source.input[0] not in graph.initializers:
        raise UnsupportedModelError.at(node, f"input {node.input[index]!r} is not made from constants")
    values = constant(graph, source, 0)
    meaning = quantization(graph, source, 1, values.dtype, per_filter=True, types=types)
    return values, meaning, attributes(source).get("axis", 1)


def same_type(node: NodeProto, *quantizations: Quantization) -> None:
    """onnxruntime fuses only groups of one activation type; it would run others in float32.

    >>> from onnx.helper import make_node
    >>> one, other = Quantization(np.float32(1), np.int8(0)), Quantization(np.float32(1), np.uint8(0))
    >>> same_type(make_node("Add", ["a", "b"], ["y"]), one, other)
    Traceback (most recent call last):
        ...
    lib.fixedpoint.errors.UnsupportedModelError: node 'y' (Add): its activations mix int8 and uint8; quantize them alike
    """
    if len({quantization.dtype for quantization in quantizations}) > 1:
        raise UnsupportedModelError.at(node, "its activations mix int8 and uint8; quantize them alike")


def window(node: NodeProto, kernel: Shape) -> Window:
    """The window of a Conv or pool, from attributes that fit it and do not ask for absurd amounts of memory.

    >>> from onnx.helper import make_node
    >>> node = make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    >>> window(node, (3, 3)).output_size((32, 32))
    (16, 16)
    """
    given, axes = attributes(node), len(kernel)
    found = Window(tuple(kernel), given)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, found.dilations, strict=False)]
    pads = given.get("pads", [0] * 2 * axes)
    if axes not in (1, 2):
        raise UnsupportedModelError.at(node, f"a window over {axes} axes; one or two are supported")
    most = [r * 2 if "Conv" in node.op_type else k - 1 for r, k in zip(reach, kernel, strict=True)]
    if (
        tuple(given.get("kernel_shape", kernel)) != found.kernel
        or not len(found.strides) == len(found.dilations) == len(pads) / 2 == axes
        or min(*kernel, *found.strides, *found.dilations) < 1
        or max(reach) > WIDEST_WINDOW
        or any(not 0 <= pad <= limit for pad, limit in zip(pads, most * 2, strict=True))
    ):
        raise UnsupportedModelError.at(
            node,
            f"kernel {list(kernel)} with strides {list(found.strides)}, dilations {list(found.dilations)} and "
            f"pads {list(pads)}; they do not fit each other",
        )
    if given.get("ceil_mode", 0):
        raise UnsupportedModelError.at(node, "ceil_mode is not supported; pad the input instead")
    return found
