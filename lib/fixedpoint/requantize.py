"""Between real values and 8-bit integers, in the float32 operations of ONNX Runtime, in its order.

Source: ONNX operator specification, QuantizeLinear and DequantizeLinear; onnxruntime, core/mlas/lib/quantize.cpp.
"""

from typing import NamedTuple

import numpy as np
from numba import njit


class Quantization(NamedTuple):
    """How a tensor's integers q stand for real values: scale · (q - zero_point).

    scale : float32, scalar or one per channel; zero_point : of the tensor's integer type, same shape as scale
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

    >>> quantize(np.float32([0.25, 0.75, 9]), Quantization(np.float32(0.5), np.uint8(250))).tolist()
    [250, 252, 255]
    """
    scale, zero_point = quantization
    limits = np.iinfo(zero_point.dtype)
    # Clipped before the zero point is added: the sum is then an exact small integer.
    low, high = (np.float32(limit - np.int32(zero_point)) for limit in (limits.min, limits.max))
    with np.errstate(over="ignore"):  # an infinite quotient clips like any other
        steps = np.clip(np.rint(x / scale), low, high)
    return (steps.astype(np.int32) + zero_point).astype(zero_point.dtype)


def dequantize(q: np.ndarray, quantization: Quantization) -> np.ndarray:
    """Integers as float32 values: float32(q - zero_point) · scale."""
    scale, zero_point = quantization
    return (q.astype(np.int32) - np.int32(zero_point)).astype(np.float32) * scale


def multiplier(x_scale: np.ndarray, weight_scale: np.ndarray, y_scale: np.ndarray) -> np.ndarray:
    """M = x_scale · weight_scale / y_scale, output steps per accumulator step: float32, the product first."""
    return np.atleast_1d(np.float32(x_scale) * np.asarray(weight_scale, np.float32) / np.float32(y_scale))


def requantize(accumulator: np.ndarray, multiplier: np.ndarray, zero_point: np.ndarray) -> np.ndarray:
    """int32 accumulators [rows, channels] as 8-bit integers: clip(rint(float32(accumulator) · M) + zero_point).

    multiplier : M, float32 [channels]; zero_point : int8 or uint8, whose type is the result's

    >>> requantize(np.int32([[1, 3, 5, 999]]), np.full(4, 0.5, np.float32), np.int8(0)).tolist()
    [[0, 2, 2, 127]]
    """
    limits = np.iinfo(zero_point.dtype)
    zero = np.int32(zero_point)
    y = np.empty(accumulator.shape, zero_point.dtype)
    _requantize(accumulator, multiplier, zero, np.float32(limits.min - zero), np.float32(limits.max - zero), y)
    return y


@njit(nogil=True, cache=True)
def _requantize(accumulator, multiplier, zero_point, low, high, y):
    for row in range(accumulator.shape[0]):
        for channel in range(accumulator.shape[1]):
            scaled = np.rint(np.float32(accumulator[row, channel]) * multiplier[channel])
            y[row, channel] = np.int32(min(max(scaled, low), high)) + zero_point
