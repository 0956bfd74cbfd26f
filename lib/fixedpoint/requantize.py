"""Between real values and 8-bit integers, in the float32 operations of ONNX Runtime, in its order.

Source: ONNX operator specification, QuantizeLinear and DequantizeLinear; onnxruntime, core/mlas/lib/quantize.cpp.
"""

from math import prod
from typing import NamedTuple

import numpy as np
from numba import njit

from lib.fixedpoint.layout import channels_first


class Quantization(NamedTuple):
    """How a tensor's integers q stand for real values: scale · (q - zero_point).

    scale : float32, scalar or one per channel; zero_point : of the tensor's integer type, same shape as scale

    >>> meaning = Quantization(np.float32(0.5), np.uint8(128))
    >>> meaning.dtype, meaning.matches(Quantization(np.float32(0.5), np.int8(0)))
    (dtype('uint8'), False)
    """

    scale: np.ndarray
    zero_point: np.ndarray

    @property
    def dtype(self) -> np.dtype:
        """The tensor's integer type."""
        return self.zero_point.dtype

    def matches(self, other: "Quantization") -> bool:
        """Whether both give every integer the same meaning."""
        return self.dtype == other.dtype and all(map(np.array_equal, self, other))


def quantize(x: np.ndarray, quantization: Quantization) -> np.ndarray:
    """float32 values as integers: clip(rint(x / scale) + zero_point), rint rounding half to even.

    Images [B, C, *size] come out with their channels innermost in memory, as the kernels read them.

    >>> quantize(np.float32([0.25, 0.75, 9]), Quantization(np.float32(0.5), np.uint8(250))).tolist()
    [250, 252, 255]
    """
    scale, zero_point = quantization
    limits, zero = np.iinfo(zero_point.dtype), np.int32(zero_point)
    samples, channels, *size = x.shape if x.ndim > 2 else (1, 1, x.size)
    y = np.empty((samples, *size, channels), zero_point.dtype)
    # Clipped before the zero point is added: the sum is then an exact small integer.
    low, high = np.float32(limits.min - zero), np.float32(limits.max - zero)
    planes = np.ascontiguousarray(x).reshape(samples, channels, prod(size))
    _quantize(planes, np.float32(scale), low, high, zero, y.reshape(samples, prod(size), channels))
    return channels_first(y) if x.ndim > 2 else y.reshape(x.shape)


@njit(nogil=True, cache=True)
def _quantize(x, scale, low, high, zero_point, y):
    plane = np.empty(x.shape[2], y.dtype)
    for sample in range(x.shape[0]):
        for channel in range(x.shape[1]):
            for pixel in range(x.shape[2]):
                steps = min(max(np.rint(x[sample, channel, pixel] / scale), low), high)
                plane[pixel] = np.int32(steps) + zero_point
            for pixel in range(x.shape[2]):
                y[sample, pixel, channel] = plane[pixel]


def dequantize(q: np.ndarray, quantization: Quantization) -> np.ndarray:
    """Integers as float32 values: float32(q - zero_point) · scale.

    >>> dequantize(np.uint8([0, 128, 255]), Quantization(np.float32(0.5), np.uint8(128))).tolist()
    [-64.0, 0.0, 63.5]
    """
    scale, zero_point = quantization
    return (q.astype(np.int32) - np.int32(zero_point)).astype(np.float32) * scale


def multiplier(x_scale: np.ndarray, weight_scale: np.ndarray, y_scale: np.ndarray) -> np.ndarray:
    """M = x_scale · weight_scale / y_scale, output steps per accumulator step: float32, the product first.

    >>> multiplier(0.5, [0.25, 0.5], 0.125)
    array([1., 2.], dtype=float32)
    """
    return np.atleast_1d(np.float32(x_scale) * np.asarray(weight_scale, np.float32) / np.float32(y_scale))


def requantize(
    sums: np.ndarray, multiplier: np.ndarray, zero_point: np.ndarray, offset: np.ndarray | int = 0
) -> np.ndarray:
    """Sums [rows, channels] as 8-bit integers: clip(rint(float32(sums + offset) · M) + zero_point).

    sums : int32; multiplier : M, float32 [channels]
    zero_point : int8 or uint8, whose type is the result's; offset : int32 [channels], added to the sums modulo 2^32

    >>> requantize(np.int32([[1, 3, 5, 999]]), np.full(4, 0.5, np.float32), np.int8(0)).tolist()
    [[0, 2, 2, 127]]
    """
    offset = np.full(len(multiplier), offset, np.int32)
    limits = np.iinfo(zero_point.dtype)
    zero = np.int32(zero_point)
    y = np.empty(sums.shape, zero_point.dtype)
    _requantize(sums, offset, multiplier, zero, np.float32(limits.min - zero), np.float32(limits.max - zero), y)
    return y


@njit(nogil=True, cache=True)
def _requantize(sums, offset, multiplier, zero_point, low, high, y):
    for row in range(sums.shape[0]):
        for channel in range(sums.shape[1]):
            accumulator = np.int32(sums[row, channel] + offset[channel])
            scaled = np.rint(np.float32(accumulator) * multiplier[channel])
            y[row, channel] = np.int32(min(max(scaled, low), high)) + zero_point
