"""ONNX's integer operators outside quantized models: int32 sums, and quantization by an input's own range."""

import numpy as np

from lib.fixedpoint.operators.linear import Linear
from lib.fixedpoint.requantize import Quantization, quantize
from lib.fixedpoint.window import Window


def matmul_integer(a: np.ndarray, b: np.ndarray, a_zero_point: np.ndarray, b_zero_point: np.ndarray) -> np.ndarray:
    """MatMulInteger: (a - a_zero_point) @ (b - b_zero_point) as int32.

    a : int8 or uint8 [..., M, K]; b : int8 or uint8 [K, N]; a_zero_point : scalar; b_zero_point : scalar or [N]
    Source: ONNX operator specification, MatMulInteger.

    >>> matmul_integer(np.int8([[1, 2]]), np.int8([[3], [4]]), np.int8(1), np.int8(0)).tolist()
    [[4]]
    """
    weight = (b.astype(np.int32) - b_zero_point.astype(np.int32)).T
    return _layer(weight, a_zero_point).accumulate(a).reshape(*a.shape[:-1], -1)


def conv_integer(
    x: np.ndarray, weight: np.ndarray, x_zero_point: np.ndarray, weight_zero_point: np.ndarray, given: dict
) -> np.ndarray:
    """ConvInteger: the convolution of x - x_zero_point with weight - weight_zero_point as int32 [B, N, *size].

    x : int8 or uint8 [B, C, *size], 1D or 2D; weight : int8 or uint8 [N, C / groups, *kernel]
    x_zero_point : scalar, with which x is padded; weight_zero_point : scalar or [N]
    given : attributes of the node: strides, pads, dilations, group
    Source: ONNX operator specification, ConvInteger.

    >>> x = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> conv_integer(x, np.ones((1, 1, 2, 2), np.int8), np.uint8(1), np.int8(0), {}).tolist()
    [[[[4, 8], [16, 20]]]]
    """
    zero_point = weight_zero_point.astype(np.int32).reshape(-1, *(1,) * (weight.ndim - 1))
    window = Window(weight.shape[2:], given)
    layer = _layer(weight.astype(np.int32) - zero_point, x_zero_point, window, given.get("group", 1))
    sums = layer.accumulate(x).reshape(len(x), *window.output_size(x.shape[2:]), -1)
    return np.moveaxis(sums, -1, 1)


def _layer(weight: np.ndarray, zero_point: np.ndarray, window: Window | None = None, groups: int = 1) -> Linear:
    one = Quantization(np.float32(1), np.int8(0))
    return Linear(weight, np.zeros(len(weight), np.int32), zero_point.reshape(()), one.scale, one, window, groups)


def dynamic_quantize(x: np.ndarray) -> tuple[np.ndarray, Quantization]:
    """DynamicQuantizeLinear: float32 x as uint8 by its own range, which is widened to include 0.

    scale = (high - low) / 255, zero_point = rint(-low / scale); where x is 0 throughout, onnxruntime's scale is 1
    Source: ONNX operator specification, DynamicQuantizeLinear.

    >>> q, (scale, zero_point) = dynamic_quantize(np.float32([-1, 0, 4.1]))
    >>> q.tolist(), float(scale), int(zero_point)
    ([0, 50, 255], 0.019999999552965164, 50)
    """
    low, high = np.minimum(x.min(initial=0), 0), np.maximum(x.max(initial=0), 0)
    scale = (high - low) / np.float32(255) if high > low else np.float32(1)
    zero_point = np.rint(np.clip(-low / scale, 0, 255)).astype(np.uint8)
    meaning = Quantization(np.float32(scale), zero_point)
    return quantize(x, meaning), meaning
