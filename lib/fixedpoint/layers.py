"""Conv, Gemm and MatMul with constant weights, from their nodes: what is stored is checked before it is believed."""

import numpy as np
from onnx import NodeProto

from lib.fixedpoint.errors import UnsupportedModelError
from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.parameters import BIAS_TYPES, EIGHT_BITS, constant, dequantized_constant, quantization, window
from lib.fixedpoint.requantize import Quantization, multiplier
from lib.graph import Graph, attributes

# Where the inputs of a quantized operator stand; a scale follows its integers, a zero point its scale.
WEIGHT = 3
RESULT = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7}
BIAS_TOLERANCE = 1e-3  # relative; onnxruntime takes somewhat more, and runs the rest in float32
BIAS = {"QLinearConv": 8, "QGemm": 6}


def quantized_layer(graph: Graph, node: NodeProto, x: Quantization, y: Quantization) -> Linear:
    """QLinearConv, QGemm or QLinearMatMul.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model())
    >>> node = graph.producer["features_quantized"]
    >>> x, y = quantization(graph, node, 1), quantization(graph, node, RESULT["QLinearConv"])
    >>> layer = quantized_layer(graph, node, x, y)
    >>> layer.weight.shape, layer.window.kernel, layer.bias.tolist()
    ((4, 1, 3, 3), (3, 3), [-3017, -335, 3452, 8901])
    """
    weights = constant(graph, node, WEIGHT)
    meaning = quantization(graph, node, WEIGHT + 1, weights.dtype, per_filter=True)
    bias = constant(graph, node, BIAS[node.op_type]) if node.op_type in BIAS else None
    return _layer(node, x, weights, meaning, bias, y)


def dequantized_layer(graph: Graph, node: NodeProto, x: Quantization, y: Quantization) -> Linear:
    """Conv, Gemm or MatMul between DequantizeLinear and QuantizeLinear.

    >>> from lib.examples import quantized_model
    >>> from lib.graph import load
    >>> graph = load(quantized_model("qdq_uint8_channel_minmax"))
    >>> node = next(node for node in graph.nodes if node.op_type == "Conv")
    >>> x = quantization(graph, graph.producer[node.input[0]], 1)
    >>> y = quantization(graph, graph.consumers[node.output[0]][0], 1)
    >>> layer = dequantized_layer(graph, node, x, y)
    >>> layer.weight.shape, layer.window.kernel, layer.bias.tolist()
    ((4, 1, 3, 3), (3, 3), [-3017, -335, 3452, 8901])
    """
    weights, meaning, axis = dequantized_constant(graph, node, 1)
    filters = 0 if node.op_type == "Conv" or attributes(node).get("transB", 0) else weights.ndim - 1
    if meaning.scale.size > 1 and axis % weights.ndim != filters:
        raise UnsupportedModelError.at(node, f"weights quantized along axis {axis}; quantize them per filter")
    if x.dtype == np.int8 and weights.dtype != np.int8:
        raise UnsupportedModelError.at(node, "int8 activations and uint8 weights; quantize the weights to int8")
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias, bias_meaning, _ = dequantized_constant(graph, node, 2, BIAS_TYPES)
        if np.any(bias_meaning.zero_point):
            raise UnsupportedModelError.at(node, "the bias has a zero point")
        if not np.allclose(bias_meaning.scale, x.scale * meaning.scale, rtol=BIAS_TOLERANCE, atol=0):
            raise UnsupportedModelError.at(node, "the bias's scale is not x_scale · w_scale")
    return _layer(node, x, weights, meaning, bias, y)


def _layer(
    node: NodeProto,
    x: Quantization,
    weights: np.ndarray,
    meaning: Quantization,
    bias: np.ndarray | None,
    y: Quantization,
) -> Linear:
    given, convolves = attributes(node), "Conv" in node.op_type
    if weights.dtype not in EIGHT_BITS or weights.ndim not in ((3, 4) if convolves else (2,)):
        raise UnsupportedModelError.at(
            node,
            f"weights of type {weights.dtype} and shape {list(weights.shape)}; convolutions have one or two spatial "
            "axes here, other weights are matrices, all are 8-bit constants",
        )
    if given.get("transA", 0) or given.get("alpha", 1.0) != 1.0 or given.get("beta", 1.0) != 1.0:
        raise UnsupportedModelError.at(node, "transA, alpha and beta other than 0, 1, 1 are not supported")
    # [filters, …]: Conv stores them so, Gemm and MatMul the other way round.
    if not convolves and not given.get("transB", 0):
        weights = weights.T
    filters, groups = len(weights), given.get("group", 1)
    if meaning.scale.size not in (1, filters):
        raise UnsupportedModelError.at(node, f"{meaning.scale.size} weight scales for {filters} filters")
    if bias is not None and (bias.dtype != np.int32 or bias.shape not in ((filters,), (1, filters))):
        raise UnsupportedModelError.at(node, f"its bias is not int32 [{filters}]")
    zero_point = meaning.zero_point.astype(np.int32).reshape(-1, *(1,) * (weights.ndim - 1))
    with np.errstate(over="ignore"):
        factors = multiplier(x.scale, meaning.scale, y.scale)
    if not np.isfinite(factors).all():
        raise UnsupportedModelError.at(node, "x_scale · w_scale / y_scale is not a finite float32 number")
    return Linear(
        weight=weights.astype(np.int32) - zero_point,
        bias=np.zeros(filters, np.int32) if bias is None else bias.reshape(filters),
        x_zero_point=x.zero_point,
        multiplier=factors,
        y=y,
        window=window(node, weights.shape[2:]) if convolves else None,
        groups=groups,
    )
