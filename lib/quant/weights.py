"""Weights as integers of a few bits."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lib.quant.affine import asymmetric_range, dequantize, extremes, integer_range, quantize, symmetric_range
from lib.quant.error import squared_error

# By how much a range may be shrunk. Narrower ones lose too much of the largest weights to pay.
FACTORS = np.arange(30, 101, dtype=np.float32) / 100


@dataclass(frozen=True)
class Weight:
    """The integers of a layer's weight and what they stand for, scale * (integers - zero_point).

    integers : int32, shape of the float weight
    scale, zero_point : float32 and int32, scalars or one per output channel, which are along `axis`
    symmetric : zero point 0 and the most negative integer unused

    >>> Weight(np.int32([-3, 2]), np.float32(0.5), np.int32(1), bits=4, symmetric=False, axis=0).restored()
    array([-2. ,  0.5], dtype=float32)
    """

    integers: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    bits: int
    symmetric: bool
    axis: int

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer."""
        low, high = integer_range(self.bits, signed=True)
        return low + self.symmetric, high

    def restored(self) -> np.ndarray:
        """The float32 values that the integers stand for."""
        return dequantize(self.integers, self.scale, self.zero_point, self.axis if self.scale.ndim else None)


def quantize_weight(
    values: np.ndarray,
    bits: int,
    axis: int,
    symmetric: bool = True,
    granularity: str = "channel",
    weight_range: str = "minmax",
) -> Weight:
    """Round each weight to the nearest integer.

    values : float32, output channels along `axis`; bits : 2 ... 8
    granularity : one range per "tensor" or per "channel"
    weight_range : "minmax" takes the extremes; "mse" those of the ranges shrunk by FACTORS that have the least squared
        error (Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1)

    >>> weight = quantize_weight(np.float32([[0.9, -1.5], [0.2, 0.3]]), bits=3, axis=0)
    >>> weight.integers.tolist(), weight.scale.round(6).tolist()
    ([[2, -3], [2, 3]], [0.5, 0.10000000149011612])
    """
    along = axis if granularity == "channel" else None
    low, high = extremes(values, along)
    span = symmetric_range if symmetric else partial(asymmetric_range, signed=True)

    def rounded(factor: np.ndarray) -> Weight:
        scale, zero_point = span(low * factor, high * factor, bits)
        integers = quantize(values, scale, zero_point, bits, True, along)
        weight = Weight(integers, scale, zero_point, bits, symmetric, axis)
        return Weight(np.clip(integers, *weight.limits), scale, zero_point, bits, symmetric, axis)

    if weight_range == "minmax":
        return rounded(np.float32(1))
    others = None if along is None else tuple(i for i in range(values.ndim) if i != axis)
    errors = [squared_error(values, rounded(factor).restored()).sum(axis=others) for factor in FACTORS]
    return rounded(FACTORS[np.argmin(errors, axis=0)])
